package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/clients/cli/internal/image"
)

// addImages makes the images for the architectures chosen, and says in the manifest what the package holds.
func (p *project) addImages(ctx context.Context) error {
	if err := p.readSources(); err != nil {
		return err
	}
	mask, err := p.mask()
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(p.manifest.Images)) {
		img := p.manifest.Images[id]
		if mask == nil && p.manifest.Hardware.Arch == nil && img.EmulateMissingAs == nil {
			return badProject("the package is for any architecture and its image %s is not emulated on those it is not for; use --arch, or say hardwareRequirements.arch or emulateMissingAs in the manifest", id)
		}
		if mask != nil {
			if img.Arch, err = masked(id, img, mask); err != nil {
				return err
			}
		}
		for _, arch := range img.Arch {
			if err := p.addImage(ctx, arch, id, img); err != nil {
				return err
			}
		}
		img.Source = s9pk.ImageSource{}
		p.manifest.Images[id] = img
	}
	if mask == nil {
		return nil
	}
	if have := p.manifest.Hardware.Arch; have != nil {
		mask = slices.DeleteFunc(mask, func(arch string) bool { return !slices.Contains(have, arch) })
	}
	p.manifest.Hardware.Arch = mask
	return nil
}

// readSources reads the flags --image.
func (p *project) readSources() error {
	p.sources = map[string]image.Source{}
	for _, pair := range p.images {
		key, text, ok := strings.Cut(pair, "=")
		id, arch := key, ""
		if before, after, cut := strings.Cut(key, "/"); cut {
			arch, id = before, after
		}
		if !ok || arch != "" && !slices.Contains(architectures, arch) {
			return wrong("usage.image-pair", "Value", pair)
		}
		img, ok := p.manifest.Images[ids.Image(id)]
		if !ok {
			return wrong("usage.image-unknown", "Value", pair, "ID", id)
		}
		if arch != "" && !slices.Contains(img.Arch, arch) {
			return badProject("the image %s is not for %s: the manifest names %s", id, arch, strings.Join(img.Arch, ", "))
		}
		source, err := image.ParseSource(text)
		if err != nil {
			return usageError{err}
		}
		p.sources[key] = source
	}
	return nil
}

// mask answers the architectures that the package is made for; nil for all of the manifest.
func (p *project) mask() ([]string, error) {
	for _, arch := range p.archs {
		if !slices.Contains(architectures, arch) {
			return nil, wrong("usage.architecture", "Value", arch, "List", strings.Join(architectures, ", "))
		}
	}
	if able := p.manifest.Hardware.Arch; able != nil {
		for _, arch := range p.archs {
			if !slices.Contains(able, arch) {
				return nil, badProject("the package is not for %s: its manifest names %s", arch, strings.Join(able, ", "))
			}
		}
	}
	mask := slices.Clone(p.archs)
	if len(mask) == 0 && len(p.manifest.Images) > 0 {
		mask = slices.DeleteFunc(slices.Clone(architectures), func(arch string) bool { return !p.hasImages(arch) })
	}
	slices.Sort(mask)
	if mask = slices.Compact(mask); len(mask) == 0 {
		return nil, nil
	}
	return mask, nil
}

// hasImages tells whether the folder or the flags have all images of an architecture.
func (p *project) hasImages(arch string) bool {
	for id, img := range p.manifest.Images {
		of := arch
		if !slices.Contains(img.Arch, arch) && img.EmulateMissingAs != nil {
			of = *img.EmulateMissingAs
		}
		if _, ok := p.local(of, id); !ok || !slices.Contains(img.Arch, of) {
			return false
		}
	}
	return true
}

// masked answers for which of the architectures an image is packed.
func masked(id ids.Image, img s9pk.Image, mask []string) ([]string, error) {
	var archs []string
	for _, arch := range mask {
		switch {
		case slices.Contains(img.Arch, arch):
			archs = append(archs, arch)
		case img.EmulateMissingAs != nil:
			archs = append(archs, *img.EmulateMissingAs)
		default:
			return nil, badProject("the image %s is neither for %s nor emulated there", id, arch)
		}
	}
	slices.Sort(archs)
	return slices.Compact(archs), nil
}

// local is the source of an image that the flags or the folder have.
func (p *project) local(arch string, id ids.Image) (image.Source, bool) {
	for _, key := range []string{arch + "/" + string(id), string(id)} {
		if s, ok := p.sources[key]; ok {
			return s, true
		}
	}
	for _, s := range []image.Source{
		{Kind: image.Squashfs, Name: "squashfs"}, {Kind: image.Tar, Name: "tar"}, {Kind: image.Layout, Name: "oci"},
		{Kind: image.Archive, Name: "docker.tar"}, {Kind: image.Folder, Name: "rootfs"},
	} {
		s.Name = p.imagePath(arch, id, s.Name)
		if _, err := os.Stat(s.Name); err == nil {
			return s, true
		}
	}
	return image.Source{}, false
}

func (p *project) imagePath(arch string, id ids.Image, ext string) string {
	return filepath.Join(p.dir, "images", arch, string(id)+"."+ext)
}

// source is where an image comes from.
func (p *project) source(arch string, id ids.Image, img s9pk.Image) (image.Source, error) {
	if s, ok := p.local(arch, id); ok {
		return s, nil
	}
	if b := img.Source.DockerBuild; b != nil {
		recipe := image.Recipe{Dir: p.dir, Engine: p.engine}
		if b.Workdir != nil {
			recipe.Workdir = *b.Workdir
		}
		if b.Dockerfile != nil {
			recipe.Dockerfile = *b.Dockerfile
		}
		for _, name := range slices.Sorted(maps.Keys(b.BuildArgs)) {
			value := b.BuildArgs[name]
			if value.Env != "" {
				var set bool
				if value.Value, set = os.LookupEnv(value.Env); !set {
					continue
				}
			}
			recipe.Args = append(recipe.Args, name+"="+value.Value)
		}
		return image.Source{Kind: image.Build, Name: string(id), Recipe: recipe}, nil
	}
	if tag := img.Source.DockerTag; tag != "" {
		return image.Source{Kind: image.Registry, Name: tag}, nil
	}
	return image.Source{}, badProject("the image %s for %s is not in %s, and the manifest does not say where it is", id, arch, filepath.Join(p.dir, "images", arch))
}

func (p *project) addImage(ctx context.Context, arch string, id ids.Image, img s9pk.Image) error {
	s, err := p.source(arch, id, img)
	if err != nil {
		return err
	}
	dir := filepath.Join(p.scratch, arch+"-"+string(id))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	show := p.newRate(p.say("progress.image", map[string]any{"ID": id, "Arch": arch}))
	root, config, err := s.Make(ctx, arch, filepath.Join(dir, "root.squashfs"), image.Options{Scratch: dir, Progress: show.set})
	show.end()
	if err != nil {
		return err
	}
	if err := p.addFile(s9pk.ImagePath(arch, id, "squashfs"), root); err != nil {
		return err
	}
	defaults, err := config.JSON()
	if err != nil {
		return err
	}
	for ext, text := range map[string][]byte{"json": defaults, "env": config.EnvFile()} {
		path := p.imagePath(arch, id, ext)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			p.members[s9pk.ImagePath(arch, id, ext)] = s9pk.FromBytes(text)
			continue
		}
		if err := p.addFile(s9pk.ImagePath(arch, id, ext), path); err != nil {
			return err
		}
	}
	return nil
}
