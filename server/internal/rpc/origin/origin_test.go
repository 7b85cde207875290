package origin_test

import (
	"testing"

	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// A household counts as one source, however many addresses it has; two households never do.
func TestSourcesOfGuesses(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:1":                      "192.0.2.1",
		"192.0.2.1:2":                      "192.0.2.1",
		"192.0.2.2:1":                      "192.0.2.2",
		"[::ffff:192.0.2.1]:1":             "192.0.2.1",
		"[2001:db8:0:1::1]:1":              "2001:db8:0:1::/64",
		"[2001:db8:0:1:ffff::2]:9":         "2001:db8:0:1::/64",
		"[2001:db8:0:2::1]:1":              "2001:db8:0:2::/64",
		"[fe80::1%eth0]:1":                 "fe80::/64",
		"[fe80::1%an interface of mine]:1": "fe80::/64",
		"":                                 "uid=7",
		"nonsense":                         "uid=7",
	} {
		if got := (origin.Origin{Listener: origin.Web, Remote: remote, UID: 7}).Source(); got != want {
			t.Errorf("%q counts as %q and should as %q", remote, got, want)
		}
	}
}
