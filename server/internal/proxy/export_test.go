package proxy

// Without is the input without parts of it.
func Without(in Input, parts ...Part) Input {
	left := make(map[Part]bool)
	for _, p := range parts {
		left[p] = true
	}
	return in.without(left)
}
