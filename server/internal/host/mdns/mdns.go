// Package mdns gives this machine names in .local: it answers for them on chosen links with the addresses that the
// machine has there (RFC 6762).
//
//	mdns.go    what is wanted and what came of it
//	engine.go  what to say when, without sockets and clock
//	answer.go  questions, and the records that answer them
//	run.go     sockets, links and time
//
// It is deliberately no resolver and no directory of services: it asks nobody but whether a name is taken, and knows only
// addresses. A name is claimed as the standard says: asked for three times, then announced. Where another machine has it, the
// next free one is taken, with a number at its end; a machine that claims the same address is this one, whatever program
// answers for it.
//
// Invariants: a name is never answered for before it is claimed; what comes from outside a link's own network is not
// looked at; what is kept for others does not grow with what they send, and no record is multicast more than once a
// second on a link, but to defend a name.
package mdns

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxNames and MaxLinks bound a configuration.
const MaxNames, MaxLinks = 512, 64

// ErrInvalid says that a configuration cannot be used.
var ErrInvalid = errors.New("invalid mDNS configuration")

// Config is what the machine is called, and where.
type Config struct {
	// Links are the names of the links on which names are answered for. One that is not there is waited for.
	Links []string
	// Names are labels, lower case, without ".local".
	Names []string
}

// Name is a name that is wanted and what came of it.
type Name struct {
	// Wanted is the label of the configuration.
	Wanted string
	// Claimed is the label that is the machine's; empty while it is being claimed.
	Claimed string
}

// Check tells why a configuration cannot be used.
func Check(c Config) error {
	if len(c.Names) > MaxNames || len(c.Links) > MaxLinks {
		return fmt.Errorf("%w: more than %d names or %d links", ErrInvalid, MaxNames, MaxLinks)
	}
	seen := map[string]bool{}
	for _, n := range c.Names {
		if n == "" || len(n) > 63 || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(n, "-") != n {
			return fmt.Errorf("%w: name %q", ErrInvalid, n)
		}
		if seen[n] {
			return fmt.Errorf("%w: name %q twice", ErrInvalid, n)
		}
		seen[n] = true
	}
	return nil
}

// numbered is the n-th name to try: the name itself, then with a number.
func numbered(name string, n int) string {
	if n < 2 {
		return name
	}
	suffix := "-" + strconv.Itoa(n)
	if len(name)+len(suffix) > 63 {
		name = strings.TrimRight(name[:63-len(suffix)], "-")
	}
	return name + suffix
}
