package fault

import "fmt"

// Bytes is a size in the text of a fault, as people say it: with one digit behind the point. In metadata sizes are numbers.
type Bytes uint64

// String implements fmt.Stringer.
func (b Bytes) String() string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(b), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d %s", uint64(b), units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
