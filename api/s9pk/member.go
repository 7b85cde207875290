package s9pk

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/merkle"
)

const maxDescription = 1 << 20

// ImageDefaults are what a container image says about running it.
type ImageDefaults struct {
	Workdir    string
	User       string
	Entrypoint []string
	Cmd        []string
	Env        []string // K=V each
}

// ImageDefaults reads and verifies the two small members of an image.
func (f *File) ImageDefaults(files ImageFiles) (ImageDefaults, error) {
	raw, err := f.ReadFile(files.JSON, maxDescription)
	if err != nil {
		return ImageDefaults{}, err
	}
	d, err := parseDefaults(files.JSON, raw)
	if err != nil {
		return ImageDefaults{}, err
	}
	env, err := f.ReadFile(files.Env, maxDescription)
	if err != nil {
		return ImageDefaults{}, err
	}
	for line := range strings.SplitSeq(string(env), "\n") {
		// A value may itself contain newlines in the original's writer; such a line has no "=" or no name and is dropped.
		if name, _, ok := strings.Cut(line, "="); ok && name != "" && !strings.Contains(line, "\x00") {
			d.Env = append(d.Env, line)
		}
	}
	return d, nil
}

// parseDefaults reads what an image says about running it, but for its environment.
func parseDefaults(path string, raw []byte) (ImageDefaults, error) {
	d := ImageDefaults{Workdir: "/", User: "root"}
	o, err := parseMember(path, raw)
	if err != nil {
		return ImageDefaults{}, err
	}
	in := fields{from: o}
	in.may("workdir", &d.Workdir)
	in.may("user", &d.User)
	in.may("entrypoint", &d.Entrypoint)
	in.may("cmd", &d.Cmd)
	if in.err != nil {
		return ImageDefaults{}, refuseMember(BadMember, path, "it does not describe an image", in.err)
	}
	if d.Workdir == "" {
		d.Workdir = "/"
	}
	if d.User == "" {
		d.User = "root"
	}
	return d, nil
}

// checkDescriptions refuses descriptions of images that no host could read.
func checkDescriptions(members map[string]merkle.Source) error {
	return eachOfImages(members, ".json", func(member string, raw []byte) error {
		_, err := parseDefaults(member, raw)
		return err
	})
}

// checkEnvironments refuses environments of images of which a host would leave out lines. A value with more than one line
// makes such lines, and images have them; but who writes an environment anew can still mend it.
func checkEnvironments(members map[string]merkle.Source) error {
	return eachOfImages(members, ".env", func(member string, raw []byte) error {
		number := 0
		for line := range strings.Lines(string(raw)) {
			number++
			line = strings.TrimRight(line, "\r\n")
			if name, _, ok := strings.Cut(line, "="); line != "" && (!ok || name == "" || strings.ContainsRune(line, 0)) {
				return refuseMember(BadMember, member, fmt.Sprintf("its line %d is not NAME=VALUE", number), nil)
			}
		}
		return nil
	})
}

// magic is how a squashfs begins.
const magic = "hsqs"

// checkFileSystems refuses members that are to be mounted and are no squashfs.
func checkFileSystems(members map[string]merkle.Source) error {
	for _, member := range slices.Sorted(maps.Keys(members)) {
		if path.Ext(member) != ".squashfs" {
			continue
		}
		begin := make([]byte, len(magic))
		r, err := members[member].Open()
		if err == nil {
			_, err = io.ReadFull(r, begin)
			err = errors.Join(err, r.Close())
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("cannot read %s: %w", member, err)
		}
		if string(begin) != magic {
			return refuseMember(BadMember, member, "it is no squashfs", nil)
		}
	}
	return nil
}

// eachOfImages reads the small members of images that have an extension.
func eachOfImages(members map[string]merkle.Source, ext string, check func(member string, raw []byte) error) error {
	for _, member := range slices.Sorted(maps.Keys(members)) {
		if !strings.HasPrefix(member, dirImages+"/") || path.Ext(member) != ext {
			continue
		}
		raw, err := readSource(member, members[member])
		if err == nil {
			err = check(member, raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readSource(member string, source merkle.Source) ([]byte, error) {
	if source.Size > maxDescription {
		return nil, refuseMember(TooLarge, member, fmt.Sprintf("it is larger than %d bytes", maxDescription), nil)
	}
	r, err := source.Open()
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", member, err)
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxDescription))
	if closing := r.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", member, err)
	}
	return raw, nil
}

// DependencyTitle reads the title a package gives to a dependency.
func (f *File) DependencyTitle(files DependencyFiles) (LocaleString, error) {
	raw, err := f.ReadFile(files.Metadata, maxDescription)
	if err != nil {
		return LocaleString{}, err
	}
	o, err := parseMember(files.Metadata, raw)
	if err != nil {
		return LocaleString{}, err
	}
	var title LocaleString
	in := fields{from: o}
	in.need("title", &title)
	if in.err != nil {
		return LocaleString{}, refuseMember(BadMember, files.Metadata, "it does not describe a dependency", in.err)
	}
	return title, nil
}

func parseMember(path string, raw []byte) (object, error) {
	err := checkJSON(raw)
	var o object
	if err == nil {
		o, err = parseObject(raw)
	}
	if err != nil {
		return nil, refuseMember(BadMember, path, "it is not a clean JSON object", err)
	}
	return o, nil
}
