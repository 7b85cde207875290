package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// projectFileName is the file of a project, looked for in the folder at hand and in all above it.
const projectFileName = "hearth.yaml"

// projectFile says, for all who work on a package or on several, which servers and registries they speak with, and which key
// they sign with. It is shared with the sources, so it holds no secrets and opens nothing: a server counts only when the
// person has a profile of it, and what is said by a flag or a variable wins.
type projectFile struct {
	path string

	Hosts      map[string]string `yaml:"hosts,omitempty"` // addresses of servers by name
	Host       string            `yaml:"host,omitempty"`  // the one to speak with when nothing else is said
	Registries map[string]string `yaml:"registries,omitempty"`
	Registry   string            `yaml:"registry,omitempty"` // the one to publish to when nothing else is said
	Key        string            `yaml:"key,omitempty"`      // beneath the folder of the file, or of the person (~/)
}

// projectFile finds the project file of the folder that the command is about, nil where there is none. A file of somebody who owns
// neither that folder nor this program is refused: in a folder where everybody may write, as /tmp, it would be anybody's.
func (a *app) projectFile() (*projectFile, error) {
	at, err := filepath.Abs(cmp.Or(a.at, "."))
	if err != nil {
		return nil, unable("failed.project", err, "File", projectFileName)
	}
	for dir := at; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, projectFileName)
		f, err := os.OpenFile(path, os.O_RDONLY|openAtOnce, 0)
		if err == nil {
			defer f.Close()
			return readProject(f, path, at)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotFolder) {
			return nil, badProjectFile(path, "it cannot be read: %v", errors.Unwrap(err))
		}
		if dir == filepath.Dir(dir) {
			return nil, nil
		}
	}
}

func badProjectFile(path, format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_PROJECT_FILE, "cannot use %s: %s", path, fmt.Sprintf(format, args...))
}

func readProject(f *os.File, path, at string) (*projectFile, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, badProjectFile(path, "%v", err)
	}
	if !info.Mode().IsRegular() {
		return nil, badProjectFile(path, "it is no file")
	}
	if !trusted(info, at) {
		return nil, badProjectFile(path, "it belongs to somebody else, who would decide whom you speak with and whose key you sign with")
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, badProjectFile(path, "it cannot be read: %v", err)
	}
	p, err := parseProject(raw)
	if err != nil {
		return nil, badProjectFile(path, "%v", err)
	}
	p.path = path
	return p, nil
}

// parseProject reads a project file, which comes with sources that somebody else may have written.
func parseProject(raw []byte) (*projectFile, error) {
	if len(raw) > maxConfig {
		return nil, fmt.Errorf("it is larger than %d bytes", maxConfig)
	}
	p := &projectFile{}
	if err := readYAML(raw, p); err != nil {
		return nil, err
	}
	for what, names := range map[string]map[string]string{"host": p.Hosts, "registry": p.Registries} {
		for name, address := range names {
			if !profileName.MatchString(name) {
				return nil, fmt.Errorf("%q cannot be the name of a %s", name, what)
			}
			if !isAddress(address) {
				return nil, fmt.Errorf("%q is not the address of a %s", address, what)
			}
		}
	}
	if _, ok := p.Hosts[p.Host]; !ok && p.Host != "" && !isAddress(p.Host) {
		return nil, fmt.Errorf("the host is %q, and there is none of that name below hosts", p.Host)
	}
	if _, ok := p.Registries[p.Registry]; !ok && p.Registry != "" && !isAddress(p.Registry) {
		return nil, fmt.Errorf("the registry is %q, and there is none of that name below registries", p.Registry)
	}
	if inHome, ok := strings.CutPrefix(p.Key, "~/"); p.Key != "" && !filepath.IsLocal(filepath.FromSlash(cmp.Or(inHome, p.Key))) || ok && inHome == "" {
		return nil, fmt.Errorf("the key %q is neither beneath the folder of the file nor beneath yours (~/)", p.Key)
	}
	return p, nil
}

// isAddress tells an address from a name.
func isAddress(s string) bool { return strings.ContainsAny(s, ":/") }

// key is where the key of the project is. One beneath the folder of the file comes with the sources, as a link may that leads
// to a key of the person's own.
func (p *projectFile) key() (string, error) {
	inHome, ok := strings.CutPrefix(p.Key, "~/")
	if !ok {
		return p.keyBeneath()
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", badProjectFile(p.path, "the key is %q, and where your folder is is not known: %v", p.Key, err)
	}
	return filepath.Join(home, filepath.FromSlash(inHome)), nil
}

func (p *projectFile) keyBeneath() (string, error) {
	dir := filepath.Dir(p.path)
	path := filepath.Join(dir, filepath.FromSlash(p.Key))
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil // it is yet to be made, or whoever reads it tells
	}
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", badProjectFile(p.path, "the key %q cannot be found: %v", p.Key, err)
	}
	if beneath, err := filepath.Rel(dir, real); err != nil || !filepath.IsLocal(beneath) {
		return "", badProjectFile(p.path, "the key %q is a link that leads out of the folder of the file", p.Key)
	}
	return path, nil
}

// projectHost is the address of a server that the project file names, or of the one it chooses; empty where it does not.
func (a *app) projectHost(name string) (address, from string, err error) {
	if isAddress(name) {
		return "", "", nil
	}
	p, err := a.projectFile()
	if err != nil || p == nil {
		return "", "", err
	}
	if name == "" {
		name = p.Host
	}
	if address = p.Hosts[name]; address == "" && isAddress(name) {
		address = name
	}
	return address, p.path, nil
}

// knownHost is the profile of a server that a project file names. Without one the person has never said that it is theirs, and
// a stranger's sources would choose who is told passwords and tokens.
func (c *config) knownHost(address, from string) (profile, error) {
	p := c.of(address)
	for _, known := range c.Profiles {
		if known.Host == address {
			return p, nil
		}
	}
	if address == localSocket() {
		return p, nil
	}
	return p, wrong("usage.project-host", "Host", address, "File", from)
}

// registryAddress is the address of the registry that a person named by its name in the project file, or of the one that the
// file chooses where nobody is named; whatever else was said stays.
func (a *app) registryAddress(name string) (string, error) {
	if isAddress(name) {
		return name, nil
	}
	p, err := a.projectFile()
	if err != nil || p == nil {
		return name, err
	}
	if name == "" {
		name = p.Registry
	}
	return cmp.Or(p.Registries[name], name), nil
}
