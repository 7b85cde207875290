package proxy

import hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"

// Without is the input without parts of it.
func Without(in Input, parts ...Part) Input {
	left := make(map[Part]bool)
	for _, p := range parts {
		left[p] = true
	}
	return in.without(left)
}

// ServiceNames are the labels of hosts in .local.
func ServiceNames(hosts []*hostsv1.Host, server []string) map[string]string {
	return serviceNames(hosts, server)
}
