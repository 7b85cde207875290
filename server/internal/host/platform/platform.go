// Package platform tells what the machine is and what it offers, and for what it lacks, why.
//
// It deliberately changes nothing and decides nothing: who needs a capability asks, or tries and fails with a reason.
// Each look is made anew; devices come and go.
//
// A server stands on one of three: its own image (the machine is its own), a machine of somebody's choice (hosted), or a
// sandbox without the rights to run services.
package platform

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Mode is what the server stands on.
type Mode int

// The modes.
const (
	// Unchosen is no mode: the machine decides.
	Unchosen Mode = iota
	Sandbox
	Hosted
	Image
)

// Platform is what the server stands on.
type Platform struct {
	Mode                     Mode
	Detail                   string // how that was found out
	OS, Kernel, Architecture string
}

// Machine is where to look.
type Machine struct {
	// Root is the machine's file system; "/" but in tests.
	Root string
	// UID is the user the server runs as.
	UID int
	// StateDir is the server's state folder, BinDir that of its programs.
	StateDir, BinDir string
	// Chosen is the mode the server was told to run in.
	Chosen Mode
}

// Here is the machine of this process.
func Here(stateDir, binDir string) Machine {
	return Machine{Root: "/", UID: os.Geteuid(), StateDir: stateDir, BinDir: binDir}
}

func (m Machine) path(path string) string { return filepath.Join(m.Root, path) }

func (m Machine) has(path string) bool {
	_, err := os.Stat(m.path(path))
	return err == nil
}

// imageVariant marks the server's own image in /etc/os-release.
const imageVariant = "hearth"

// Platform tells what the server stands on.
func (m Machine) Platform() Platform {
	var u unix.Utsname
	p := Platform{OS: "unknown", Kernel: "unknown", Architecture: "unknown"}
	if unix.Uname(&u) == nil {
		p.Kernel, p.Architecture = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])
	}
	release := m.release()
	if name := release["PRETTY_NAME"]; name != "" {
		p.OS = name
	}
	switch {
	case m.Chosen == Sandbox:
		p.Mode, p.Detail = Sandbox, "the server was started with --mode sandbox: services are played"
	case m.Chosen != Unchosen:
		p.Mode, p.Detail = m.Chosen, "the server was started with that --mode"
	case m.UID != 0:
		p.Mode, p.Detail = Sandbox, fmt.Sprintf("the server runs as user %d: without root it runs no services", m.UID)
	case release["VARIANT_ID"] == imageVariant:
		p.Mode, p.Detail = Image, "the machine runs the server's own image"
	default:
		p.Mode, p.Detail = Hosted, "the server runs as root on a system of its owner's choice"
	}
	return p
}

// release reads /etc/os-release.
func (m Machine) release() map[string]string {
	raw, err := os.ReadFile(m.path("etc/os-release"))
	if err != nil {
		raw, _ = os.ReadFile(m.path("usr/lib/os-release")) // absent: nothing is known
	}
	values := make(map[string]string)
	for line := range strings.Lines(string(raw)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		if plain, err := strconv.Unquote(value); err == nil {
			value = plain
		}
		values[key] = strings.Trim(value, "'")
	}
	return values
}
