// Package ids holds the names every part of the system must agree on: packages, what belongs to a package, and the
// generated ids of rows.
//
// It deliberately knows nothing about what the names stand for, and never looks anything up. Invariants: a value of one
// of the string types that came from a Parse function is well formed, fits its length limit and contains no separator,
// so it can be joined into a row id, used as one path segment or as one DNS label without further escaping. A conversion
// such as Package(s) bypasses that promise and belongs only where the text was parsed before.
//
// Row ids are segments joined by "/": the first names the parent ("hello"), the rest the child ("hello/main").
package ids

import (
	"fmt"
	"strings"
)

// Limits in bytes. A package id is also a DNS label. The others become file names with an extension added.
const (
	MaxPackage = 63
	MaxName    = 128
	MaxFree    = 256
	MaxJoined  = 1024
)

// Package is the id of a package and of the service made from it.
type Package string

// Image is the id of a container image inside a package.
type Image string

// Volume is the id of a data volume of a package; BackupVolume is the one that is not a plain name.
type Volume string

// Host is the id of a network endpoint a package binds.
type Host string

// Action is the id of an action a package offers.
type Action string

// HealthCheck is the id of one health check of a package.
type HealthCheck string

// Interface is the id of a service interface a package exports.
type Interface string

// BackupVolume is the reserved volume name older packages use for the backup target. It is upper-case and therefore can
// never collide with a plain name.
const BackupVolume Volume = "BACKUP"

// reserved names address the system itself in the places where otherwise a package stands.
var reserved = [...]Package{"startos", "hearth", "server"}

// Kind says which rule a refused id was held against.
type Kind string

// The kinds an Error can carry.
const (
	KindPackage     Kind = "package"
	KindImage       Kind = "image"
	KindVolume      Kind = "volume"
	KindHost        Kind = "host"
	KindAction      Kind = "action"
	KindHealthCheck Kind = "health check"
	KindInterface   Kind = "interface"
	KindSegment     Kind = "segment"
	KindRow         Kind = "row"
	KindULID        Kind = "ulid"
)

// Error is a refused id. Value is cut to a length that is safe to log.
type Error struct {
	Kind  Kind
	Value string
	Why   string
}

func (e *Error) Error() string {
	return fmt.Sprintf("cannot use %q as %s id: %s", e.Value, e.Kind, e.Why)
}

func refuse(kind Kind, value, why string) error {
	const enough = 80
	if len(value) > enough {
		value = strings.ToValidUTF8(value[:enough], "") + "…"
	}
	return &Error{Kind: kind, Value: value, Why: why}
}

// ParsePackage checks the form of a package id. It accepts reserved names, since stored and foreign data may hold them;
// use ParseNewPackage where a package enters the system.
func ParsePackage(s string) (Package, error) {
	if err := checkName(KindPackage, s, MaxPackage); err != nil {
		return "", err
	}
	return Package(s), nil
}

// ParseNewPackage is ParsePackage for a package about to be installed or published: reserved names are refused.
func ParseNewPackage(s string) (Package, error) {
	p, err := ParsePackage(s)
	if err != nil {
		return "", err
	}
	if p.Reserved() {
		return "", refuse(KindPackage, s, "the name is reserved for the system")
	}
	return p, nil
}

// Reserved tells whether the name stands for the system itself.
func (p Package) Reserved() bool {
	for _, r := range reserved {
		if p == r {
			return true
		}
	}
	return false
}

// ParseImage checks the form of an image id.
func ParseImage(s string) (Image, error) { return parseName[Image](KindImage, s) }

// ParseVolume checks the form of a volume id; BackupVolume is accepted.
func ParseVolume(s string) (Volume, error) {
	if s == string(BackupVolume) {
		return BackupVolume, nil
	}
	return parseName[Volume](KindVolume, s)
}

// ParseHost checks the form of a host id.
func ParseHost(s string) (Host, error) { return parseName[Host](KindHost, s) }

// ParseAction checks the form of an action id.
func ParseAction(s string) (Action, error) { return parseName[Action](KindAction, s) }

// ParseHealthCheck checks the form of a health check id.
func ParseHealthCheck(s string) (HealthCheck, error) {
	return parseName[HealthCheck](KindHealthCheck, s)
}

// ParseInterface checks the form of a service interface id.
func ParseInterface(s string) (Interface, error) { return parseName[Interface](KindInterface, s) }

func parseName[T ~string](kind Kind, s string) (T, error) {
	if err := checkName(kind, s, MaxName); err != nil {
		return "", err
	}
	return T(s), nil
}

// checkName holds s against ^[a-z0-9]+(-[a-z0-9]+)*$ and says what is wrong instead of that it does not match.
func checkName(kind Kind, s string, limit int) error {
	switch {
	case s == "":
		return refuse(kind, s, "it is empty")
	case len(s) > limit:
		return refuse(kind, s, fmt.Sprintf("it is longer than %d characters", limit))
	case s[0] == '-' || s[len(s)-1] == '-':
		return refuse(kind, s, "it must begin and end with a letter or digit")
	case strings.Contains(s, "--"):
		return refuse(kind, s, "it must not contain two hyphens in a row")
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return refuse(kind, s, "only a-z, 0-9 and single hyphens are allowed")
		}
	}
	return nil
}
