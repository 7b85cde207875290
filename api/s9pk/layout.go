package s9pk

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/merkle"
)

// Paths of the members of the root. The icon has none, since its extension varies: see Layout.Icon.
const (
	PathManifest     = "manifest.json"
	PathLicense      = "LICENSE.md"
	PathInstructions = "instructions.md"
	PathJavaScript   = "javascript.squashfs"
	PathAssets       = "assets.squashfs"

	dirAssets       = "assets"
	dirDependencies = "dependencies"
	dirImages       = "images"
)

// ImagePath is the path of one of the three members of an image; ext is squashfs, json or env.
func ImagePath(arch string, id ids.Image, ext string) string {
	return dirImages + "/" + arch + "/" + string(id) + "." + ext
}

// Layout tells where everything is that a package must and may have. A path that is "" is absent.
type Layout struct {
	Icon         string
	Instructions string
	Assets       string
	// AssetVolumes are the assets of packages made for early versions, one squashfs each.
	AssetVolumes []string
	// Images are sorted by id and architecture.
	Images       []ImageFiles
	Dependencies map[ids.Package]DependencyFiles

	members map[string]bool
}

// ImageFiles are the members of one image. Arch is the architecture they are for, which may be another than was asked for
// where the manifest has it emulated.
type ImageFiles struct {
	ID                  ids.Image
	Arch                string
	Squashfs, Env, JSON string
}

// DependencyFiles are what the package shows of a dependency.
type DependencyFiles struct{ Metadata, Icon string }

// Image answers the files of an image; in the layout of one architecture there is one set per image.
func (l *Layout) Image(id ids.Image) (ImageFiles, bool) {
	for _, i := range l.Images {
		if i.ID == id {
			return i, true
		}
	}
	return ImageFiles{}, false
}

// Has tells whether the path has a place in the layout.
func (l *Layout) Has(path string) bool { return l.members[path] }

// Layout finds the members a host of one architecture needs and refuses a package that lacks one. With arch "" it finds
// those of every architecture the manifest names, as packing does. Members it does not mention are of no use.
func (f *File) Layout(arch string) (*Layout, error) {
	sizes := make(map[string]int64)
	for e := range f.All() {
		if e.Kind == merkle.File {
			sizes[e.Path] = e.Size
		}
	}
	return layOut(f.manifest, sizes, arch)
}

// layOut works on paths and sizes, so that it can judge a package that is yet to be written.
func layOut(m *Manifest, sizes map[string]int64, arch string) (*Layout, error) {
	l := &layouter{manifest: m, sizes: sizes, layout: Layout{
		members: make(map[string]bool), Dependencies: make(map[ids.Package]DependencyFiles),
	}}
	for _, path := range []string{PathManifest, PathLicense, PathJavaScript} {
		if !l.take(path) {
			return nil, missing(path)
		}
	}
	if l.layout.Icon = l.icon(""); l.layout.Icon == "" {
		return nil, missing("icon")
	}
	l.layout.Instructions = l.optional(PathInstructions)
	l.layout.Assets = l.optional(PathAssets)
	for path := range sizes {
		name, ok := strings.CutPrefix(path, dirAssets+"/")
		if ok && strings.HasSuffix(name, ".squashfs") && !strings.Contains(name, "/") {
			l.layout.AssetVolumes = append(l.layout.AssetVolumes, path)
			l.take(path)
		}
	}
	slices.Sort(l.layout.AssetVolumes)
	for id := range m.Dependencies {
		dir := dirDependencies + "/" + string(id) + "/"
		files := DependencyFiles{Metadata: l.optional(dir + "metadata.json"), Icon: l.icon(dir)}
		if files != (DependencyFiles{}) {
			l.layout.Dependencies[id] = files
		}
	}
	if err := l.images(arch); err != nil {
		return nil, err
	}
	slices.SortFunc(l.layout.Images, func(x, y ImageFiles) int { return strings.Compare(x.order(), y.order()) })
	return &l.layout, nil
}

func (i ImageFiles) order() string { return string(i.ID) + "\x00" + i.Arch }

type layouter struct {
	manifest *Manifest
	sizes    map[string]int64
	layout   Layout
}

func missing(path string) error {
	return refuseMember(MissingMember, path, "a package must have one", nil)
}

// take notes that a member has its place, if it exists.
func (l *layouter) take(path string) bool {
	if _, ok := l.sizes[path]; !ok {
		return false
	}
	l.layout.members[path] = true
	return true
}

func (l *layouter) optional(path string) string {
	if l.take(path) {
		return path
	}
	return ""
}

// icon answers the icon in a directory ("" or one that ends with a slash). Of several the largest is it, as in the
// original; the others have no place.
func (l *layouter) icon(dir string) string {
	best := ""
	for ext := range iconTypes {
		path := dir + "icon." + ext
		size, ok := l.sizes[path]
		if ok && (best == "" || size > l.sizes[best] || size == l.sizes[best] && path < best) {
			best = path
		}
	}
	if best != "" {
		l.take(best)
	}
	return best
}

func (l *layouter) images(arch string) error {
	for id, image := range l.manifest.Images {
		archs := []string{arch}
		if arch == "" {
			archs = l.manifest.Hardware.Arch
			if archs == nil {
				if image.EmulateMissingAs == nil || !slices.Contains(image.Arch, *image.EmulateMissingAs) {
					return refuseMember(BadManifest, PathManifest, fmt.Sprintf(
						"image %q must name one of its own architectures to emulate, since the package is for any", id), nil)
				}
				archs = image.Arch
			}
		}
		for _, a := range archs {
			if err := l.image(id, image, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// image finds one image for one architecture: its own files, else those of the architecture to emulate.
func (l *layouter) image(id ids.Image, image Image, arch string) error {
	if _, ok := l.sizes[ImagePath(arch, id, "squashfs")]; !ok {
		emulated := image.EmulateMissingAs
		if emulated == nil {
			return refuseMember(ArchUnsupported, ImagePath(arch, id, "squashfs"), "the package has no such image for "+arch, nil)
		}
		if _, ok := l.sizes[ImagePath(*emulated, id, "squashfs")]; !ok {
			return refuseMember(ArchUnsupported, ImagePath(*emulated, id, "squashfs"),
				"the package has no such image for "+arch+" nor for "+*emulated+", which is to be emulated", nil)
		}
		arch = *emulated
	}
	files := ImageFiles{
		ID: id, Arch: arch,
		Squashfs: ImagePath(arch, id, "squashfs"), Env: ImagePath(arch, id, "env"), JSON: ImagePath(arch, id, "json"),
	}
	for _, path := range []string{files.Squashfs, files.Env, files.JSON} {
		if !l.take(path) {
			return missing(path)
		}
	}
	if !slices.Contains(l.layout.Images, files) {
		l.layout.Images = append(l.layout.Images, files)
	}
	return nil
}

// iconTypes are the image formats an icon may have, by extension.
var iconTypes = map[string]string{
	"apng": "image/apng", "avif": "image/avif", "flif": "image/flif", "gif": "image/gif", "jxl": "image/jxl",
	"png": "image/png", "webp": "image/webp", "svg": "image/svg+xml",
	"jpg": "image/jpeg", "jpeg": "image/jpeg", "jfif": "image/jpeg", "pjpeg": "image/jpeg", "pjp": "image/jpeg",
	"mng": "image/x-mng", "x-mng": "image/x-mng",
}

// IconType answers the media type of an icon by its path, "" when it is none.
func IconType(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return iconTypes[path[i+1:]]
	}
	return ""
}
