package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/s9pk/legacy"
	"github.com/hearthos/hearth/clients/cli/internal/image"
)

// inspectOld shows a package of the first format.
func (a *app) inspectOld(f *legacy.File, bytes fetch.File) error {
	m := f.Manifest()
	row := map[string]any{"id": m.ID, "version": m.Version, "title": m.Title, "size": bytes.Size(), "format": 1, "verified": false, "signer": f.Signer().PEM()}
	return a.print(row, func(w io.Writer) error {
		fmt.Fprintf(w, "%s  %s  %s\n%s, the first format: 'hearth s9pk convert' makes it today's\nnot verified: its signature is over the whole file, which 'hearth s9pk verify' reads\n\n", printable(m.ID), printable(m.Version), printable(m.Title), sizeText(bytes.Size()))
		names, lengths := f.Sections()
		var rows [][]string
		for i, name := range names {
			rows = append(rows, []string{name, sizeText(lengths[i])})
		}
		return a.table([]string{"section", "size"}, rows)
	})
}

// conversion is a package of the first format on its way to the second.
type conversion struct {
	*legacy.File
	app     *app
	scratch string
	members map[string]merkle.Source
	archs   []string
	absent  []ids.Image // system images that the file lacks
}

// convertOld makes a package of the second format. Everything is verified before anything is read for good.
func (a *app) convertOld(ctx context.Context, f *legacy.File, to, arch, keyFile string) error {
	key, err := a.loadKey(keyFile)
	if err != nil {
		return err
	}
	if err := a.verifyAll(ctx, f.Verify); err != nil {
		return err
	}
	scratch, err := scratchFor(to)
	if err != nil {
		return err
	}
	defer scratch.remove()
	c := &conversion{File: f, app: a, scratch: scratch.dir, members: map[string]merkle.Source{}}
	for _, step := range []func(context.Context) error{c.addTexts, c.addCode, c.addAssets, func(ctx context.Context) error { return c.addImages(ctx, arch) }} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	m, err := f.Manifest().Convert(c.archs, c.absent...)
	if err != nil {
		return err
	}
	raw, err := m.Encode()
	if err != nil {
		return err
	}
	var commitment s9pk.Commitment
	if err := a.write(to, a.say("progress.writing", nil), f.Section(legacy.SectionImages).Size(), func(w io.Writer) (err error) {
		commitment, err = s9pk.Build(ctx, w, s9pk.BuildInput{Manifest: raw, Members: c.members, Key: key})
		return err
	}); err != nil {
		return err
	}
	return a.printWritten(to, m, commitment)
}

func (c *conversion) addTexts(context.Context) error {
	for section, member := range map[string]string{
		legacy.SectionLicense: s9pk.PathLicense, legacy.SectionInstructions: s9pk.PathInstructions, legacy.SectionIcon: c.Manifest().IconName(),
	} {
		limit := int64(legacy.MaxText)
		if section == legacy.SectionIcon {
			limit = legacy.MaxIcon
		}
		text, err := c.ReadSection(section, limit)
		if err != nil {
			return err
		}
		c.members[member] = s9pk.FromBytes(text)
	}
	return nil
}

// addFile adds a file that was made in the scratch folder.
func (c *conversion) addFile(member, path string) error {
	source, err := s9pk.FromFile(path)
	if err == nil {
		c.members[member] = source
	}
	return err
}

// addCode puts the script and its manifest where the code that runs such packages looks for them.
func (c *conversion) addCode(ctx context.Context) error {
	script, err := c.ReadSection(legacy.SectionScripts, legacy.MaxScripts)
	if err != nil {
		return err
	}
	dir, out := filepath.Join(c.scratch, "javascript"), filepath.Join(c.scratch, s9pk.PathJavaScript)
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "embassy.js"), script, 0o644),
		os.WriteFile(filepath.Join(dir, "embassyManifest.json"), c.ManifestJSON(), 0o644)); err != nil {
		return err
	}
	if err := image.FromFolder(ctx, dir, out, true, nil); err != nil {
		return err
	}
	return c.addFile(s9pk.PathJavaScript, out)
}

// addAssets makes a file system of the archive of assets; it is not unpacked on this machine.
func (c *conversion) addAssets(ctx context.Context) error {
	assets := c.Section(legacy.SectionAssets)
	if assets.Size() == 0 {
		return nil
	}
	in, out := filepath.Join(c.scratch, "assets.tar"), filepath.Join(c.scratch, s9pk.PathAssets)
	f, err := os.Create(in)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, assets)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if _, _, err := (image.Source{Kind: image.Tar, Name: in}).Make(ctx, "", out, image.Options{Scratch: c.scratch}); err != nil {
		return err
	}
	return c.addFile(s9pk.PathAssets, out)
}

// addImages makes a root of each image of each architecture, or of the one asked for.
func (c *conversion) addImages(ctx context.Context, only string) error {
	tags, err := c.Manifest().ImageTags()
	able := c.Manifest().Hardware.Arch
	if err == nil && len(tags) == 0 && only != "" {
		if able != nil && !slices.Contains(able, only) {
			return &s9pk.Error{Reason: s9pk.ArchUnsupported, Why: "it is not for " + only}
		}
		c.archs = []string{only}
	}
	if err != nil || len(tags) == 0 {
		return err
	}
	archives, err := c.Archives()
	if err != nil {
		return err
	}
	for _, arch := range slices.Sorted(maps.Keys(archives)) {
		if only != "" && arch != only || able != nil && !slices.Contains(able, arch) {
			continue
		}
		c.archs = append(c.archs, arch)
		for _, id := range slices.Sorted(maps.Keys(tags)) {
			err := c.addImage(ctx, archives[arch], arch, id, tags[id])
			if fault.Is(err, metav1.Reason_REASON_IMAGE_SOURCE_NOT_FOUND) {
				err = c.lack(id, arch)
			}
			if err != nil {
				return err
			}
		}
	}
	switch {
	case len(c.archs) > 0:
		return nil
	case only == "":
		return &s9pk.Error{Reason: s9pk.ArchUnsupported, Why: "it has no images for the machines it is for"}
	}
	return &s9pk.Error{Reason: s9pk.ArchUnsupported, Why: fmt.Sprintf("it is not for %s or has no images for it", only)}
}

// lack notes an image that is not in the file, or refuses a file that lacks one of its own.
func (c *conversion) lack(id ids.Image, arch string) error {
	if !slices.Contains(c.Manifest().SystemImages(), id) {
		return &s9pk.Error{Reason: s9pk.BadManifest, Why: fmt.Sprintf("it runs an image %q, which its images for %s lack", id, arch)}
	}
	c.absent = append(c.absent, id)
	return nil
}

func (c *conversion) addImage(ctx context.Context, archive *io.SectionReader, arch string, id ids.Image, tag string) error {
	out := filepath.Join(c.scratch, arch+"-"+string(id)+".squashfs")
	show := c.app.newRate(c.app.say("progress.image", map[string]any{"ID": id, "Arch": arch}))
	config, err := image.MakeFromArchive(ctx, archive, tag, arch, out, image.Options{Scratch: c.scratch, Progress: show.set})
	show.end()
	if err != nil {
		return err
	}
	defaults, err := config.JSON()
	if err != nil {
		return err
	}
	c.members[s9pk.ImagePath(arch, id, "json")] = s9pk.FromBytes(defaults)
	c.members[s9pk.ImagePath(arch, id, "env")] = s9pk.FromBytes(config.EnvFile())
	return c.addFile(s9pk.ImagePath(arch, id, "squashfs"), out)
}
