// Package image makes the images of packages: one squashfs of a root file system, what is in it exact, from wherever
// people have container images.
//
// A source is a registry, an OCI layout, an archive that "docker save" wrote, a Dockerfile, or a tar or folder of a root
// file system. All but folders become a stack of layers, each a tar. Flattening reads every layer twice: first the headers,
// into a tree that knows which entry of which layer stays; then the bytes, of which those that stay flow through a pipe into
// mksquashfs. Nothing is unpacked on this machine and nothing needs root.
//
// What always holds: the same source gives the same bytes. Layers are held against the digests that the image's
// configuration has of them. Names never lead out of the image, and every count and size has a limit. The memory needed
// follows the number of files, not their size.
//
// What squashfs cannot hold is left out: times, and extended attributes other than user, trusted and security (so
// access control lists). The mode of the root is kept, its owner is root: mksquashfs 4.5 knows no other. It is not a container engine: nothing runs here, and a Dockerfile is built by an engine that is there.
package image

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// Limits of one image. Layers are counted as they are when nothing compresses them.
const (
	MaxLayers  = 512
	MaxEntries = 1 << 20
	MaxBytes   = 1 << 38
	maxPath    = 4096
	maxName    = 255
	maxJSON    = 4 << 20
	maxLinks   = 40
	maxDepth   = 512
)

// Config is what commands in the image run with unless told otherwise.
type Config struct {
	Workdir, User   string
	Entrypoint, Cmd []string
	Env             []string
	// StopSignal is by what a command is told to end, as the image says it; empty for SIGTERM.
	StopSignal string
}

// stopSignals are those that reach a command in a package, by the numbers that images may say instead.
var stopSignals = map[string]string{"1": "SIGHUP", "2": "SIGINT", "3": "SIGQUIT", "10": "SIGUSR1", "12": "SIGUSR2"}

// stopSignal is the signal by its name, where it is another than the one that is sent anyway and reaches a command.
func (c Config) stopSignal() string {
	said := strings.ToUpper(c.StopSignal)
	if name, ok := stopSignals[said]; ok {
		return name
	}
	for _, name := range stopSignals {
		if said == name || "SIG"+said == name {
			return name
		}
	}
	return ""
}

// JSON is the configuration as packages hold it. An absent list is null; the signal, which StartOS does not know and ignores, is there
// only where it is another than SIGTERM.
func (c Config) JSON() ([]byte, error) {
	var out struct {
		Workdir    string   `json:"workdir"`
		User       string   `json:"user"`
		Entrypoint []string `json:"entrypoint"`
		Cmd        []string `json:"cmd"`
		StopSignal string   `json:"stopSignal,omitempty"`
	}
	out.Workdir, out.User, out.StopSignal = c.Workdir, c.User, c.stopSignal()
	if out.Workdir == "" {
		out.Workdir = "/"
	}
	if out.User == "" {
		out.User = "root"
	}
	if len(c.Entrypoint) > 0 {
		out.Entrypoint = c.Entrypoint
	}
	if len(c.Cmd) > 0 {
		out.Cmd = c.Cmd
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(out)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// EnvFile is the environment as packages hold it.
func (c Config) EnvFile() []byte { return []byte(strings.Join(c.Env, "\n")) }

// layer is a tar of a part of the image.
type layer struct {
	// open reads it uncompressed, from its beginning.
	open func() (io.ReadCloser, error)
	// digest is the SHA-256 that its bytes must have, in hex; "" when nobody said.
	digest string
	// size is how many bytes it has; 0 when that is not known before it was read.
	size int64
}

// Image is a root file system and its configuration. It reads from its source until it was written.
type Image struct {
	Config Config
	layers []layer
	// layered: a name that begins with ".wh." removes what lower layers have. In the tar of a root file system it is a name.
	layered bool
	// local: the layers are files of this machine that need no copy to be read twice.
	local bool
}

func malformed(format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_IMAGE_MALFORMED, "cannot read the image: "+format, args...)
}

func tooLarge(format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_IMAGE_TOO_LARGE, "cannot read the image: "+format, args...)
}

func notFound(format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_IMAGE_SOURCE_NOT_FOUND, format, args...)
}

func noProgram(format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_PROGRAM_MISSING, format, args...)
}
