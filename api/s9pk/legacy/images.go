package legacy

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/s9pk"
)

const (
	multiarch  = "multiarch.cbor"
	maxEntries = 1 << 16
)

// Archives answers the archives of images ("docker save") by architecture. Names of architectures are those of packages
// of the second format.
func (f *File) Archives() (map[string]*io.SectionReader, error) {
	whole := f.Section(SectionImages)
	found, configs := map[string]*io.SectionReader{}, map[string]bool{}
	several := false
	err := eachEntry(whole, func(h *tar.Header, content *io.SectionReader) error {
		name := path.Clean(h.Name)
		switch {
		case name == multiarch:
			several = true
		case strings.HasSuffix(name, ".tar") && !strings.Contains(name, "/"):
			found[archName(strings.TrimSuffix(name, ".tar"))] = content
		case strings.HasSuffix(name, ".json") && name != "manifest.json", strings.HasPrefix(name, "blobs/"):
			if arch := architecture(content); arch != "" {
				configs[arch] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if several && len(found) > 0 {
		return found, nil
	}
	if len(configs) != 1 {
		return nil, refuse(s9pk.BadMember, SectionImages, fmt.Sprintf("its images are for %d architectures", len(configs)), nil)
	}
	return map[string]*io.SectionReader{archName(slices.Collect(maps.Keys(configs))[0]): whole}, nil
}

// eachEntry calls fn for each regular file of a tar with its bytes in place.
func eachEntry(in *io.SectionReader, fn func(*tar.Header, *io.SectionReader) error) error {
	t := tar.NewReader(in)
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refuse(s9pk.BadMember, SectionImages, "it is not a tar archive", err)
		}
		if n == maxEntries {
			return refuse(s9pk.TooManyEntries, SectionImages, fmt.Sprintf("it has more than %d entries", maxEntries), nil)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		at, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if err := fn(h, io.NewSectionReader(in, at, h.Size)); err != nil {
			return err
		}
	}
}

// architecture answers what the description of an image says it is for.
func architecture(in *io.SectionReader) string {
	if in.Size() > MaxText {
		return ""
	}
	var config struct {
		Architecture string `json:"architecture"`
	}
	if json.NewDecoder(in).Decode(&config) != nil {
		return ""
	}
	return config.Architecture
}

// archName spells an architecture as packages do.
func archName(name string) string {
	switch name {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return name
}
