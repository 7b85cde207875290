package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/spf13/cobra"
)

// architectures are the ones package files know.
var architectures = []string{"x86_64", "aarch64", "riscv64"}

func (a *app) packCommand() *cobra.Command {
	var out, key string
	c := &cobra.Command{
		Use: "pack DIR", Short: "Make a package file from a package project",
		Long: `Make a package file from the folder of a package project:

  javascript/index.js             the package's code; its export "manifest" is the manifest
  icon.svg, icon.png, ...         the icon
  LICENSE, instructions.md
  assets/                         optional
  images/ARCH/ID.squashfs         the root of each image, or ID.tar to make it from
  images/ARCH/ID.json, ID.env     its defaults and its environment

The file holds the architectures for which all images are there. It needs node and
mksquashfs. The same project gives the same bytes.`,
		Example: "  hearth keys init\n  hearth s9pk pack . --out hello.s9pk",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			signer, err := sign.LoadKey(key)
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("cannot sign the package: there is no key at %s; make one with 'hearth keys init'", key)
			}
			if err != nil {
				return err
			}
			return a.pack(cmd.Context(), args[0], out, signer)
		},
	}
	c.Flags().StringVarP(&out, "out", "f", "", "file to write; ID.s9pk when not given")
	c.Flags().StringVar(&key, "key", defaultKey(), "key to sign with")
	return c
}

// project is a package project being packed.
type project struct {
	dir, scratch string
	manifest     *s9pk.Manifest
	members      map[string]merkle.Source
}

func (a *app) pack(ctx context.Context, dir, out string, key sign.PrivateKey) error {
	scratch, err := os.MkdirTemp("", "hearth-pack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	p := &project{dir: dir, scratch: scratch, members: map[string]merkle.Source{}}
	for _, step := range []func(context.Context) error{p.readManifest, p.addTexts, p.addTrees, p.addImages} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	raw, err := p.manifest.Encode()
	if err != nil {
		return err
	}
	if out == "" {
		out = string(p.manifest.ID) + ".s9pk"
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".pack-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	commitment, err := s9pk.Build(ctx, f, s9pk.BuildInput{Manifest: raw, Members: p.members, Key: key})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close(), os.Rename(f.Name(), out)); err != nil {
		return err
	}
	if a.rows() {
		return a.printRow(map[string]any{"file": out, "id": p.manifest.ID, "version": p.manifest.Version.String(), "commitment": commitment})
	}
	fmt.Fprintf(a.Out, "%s  %s %s\n", out, p.manifest.ID, p.manifest.Version)
	return nil
}

// tool runs a program of the packager's machine.
func tool(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("cannot pack: the program %s is not installed", name)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot pack: %s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// readManifest asks the package's code for the manifest.
func (p *project) readManifest(ctx context.Context) error {
	raw, err := tool(ctx, p.dir, "node", "-e", `process.stdout.write(JSON.stringify(require("./javascript/index.js").manifest))`)
	if err != nil {
		return err
	}
	p.manifest, err = s9pk.ParseManifest(raw)
	if err != nil {
		return err
	}
	for id, d := range p.manifest.Dependencies {
		d.Metadata, d.S9PK = nil, nil
		p.manifest.Dependencies[id] = d
	}
	return nil
}

func (p *project) addFile(member, path string) error {
	source, err := s9pk.FromFile(path)
	if err != nil {
		return err
	}
	p.members[member] = source
	return nil
}

// addTexts adds icon, licence and instructions.
func (p *project) addTexts(context.Context) error {
	icons, err := filepath.Glob(filepath.Join(p.dir, "icon.*"))
	if err != nil || len(icons) != 1 {
		return fmt.Errorf("cannot pack: %s must hold exactly one file icon.* and holds %d", p.dir, len(icons))
	}
	if err := p.addFile(filepath.Base(icons[0]), icons[0]); err != nil {
		return err
	}
	license := filepath.Join(p.dir, "LICENSE")
	if _, err := os.Stat(license); err != nil {
		license += ".md"
	}
	if err := p.addFile(s9pk.PathLicense, license); err != nil {
		return err
	}
	return p.addFile(s9pk.PathInstructions, filepath.Join(p.dir, "instructions.md"))
}

// squashfsFlags make an image that depends on nothing but the files in it.
var squashfsFlags = []string{"-noappend", "-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "9", "-mkfs-time", "0", "-all-time", "0"}

// addTrees adds the package's code and its assets.
func (p *project) addTrees(ctx context.Context) error {
	trees := map[string]string{s9pk.PathJavaScript: "javascript"}
	if entries, err := os.ReadDir(filepath.Join(p.dir, "assets")); err == nil && len(entries) > 0 {
		trees[s9pk.PathAssets] = "assets"
	}
	for member, name := range trees {
		out := filepath.Join(p.scratch, member)
		args := append([]string{filepath.Join(p.dir, name), out, "-all-root", "-no-xattrs"}, squashfsFlags...)
		if _, err := tool(ctx, ".", "mksquashfs", args...); err != nil {
			return err
		}
		if err := p.addFile(member, out); err != nil {
			return err
		}
	}
	return nil
}

// addImages adds the images of every architecture that has them all, and says so in the manifest.
func (p *project) addImages(ctx context.Context) error {
	var have []string
	for _, arch := range architectures {
		if p.hasImages(arch) {
			have = append(have, arch)
		}
	}
	if len(have) == 0 {
		return fmt.Errorf("cannot pack: no folder %s holds a .squashfs or .tar of each image", filepath.Join(p.dir, "images", "ARCH"))
	}
	for id, img := range p.manifest.Images {
		for _, arch := range have {
			if err := p.addImage(ctx, arch, id); err != nil {
				return err
			}
		}
		img.Source = s9pk.ImageSource{}
		img.Arch = have
		if img.EmulateMissingAs != nil && !slices.Contains(have, *img.EmulateMissingAs) {
			img.EmulateMissingAs = nil
		}
		p.manifest.Images[id] = img
	}
	p.manifest.Hardware.Arch = have
	return nil
}

func (p *project) imagePath(arch string, id ids.Image, ext string) string {
	return filepath.Join(p.dir, "images", arch, string(id)+"."+ext)
}

func (p *project) hasImages(arch string) bool {
	for id, img := range p.manifest.Images {
		_, squashfs := os.Stat(p.imagePath(arch, id, "squashfs"))
		_, tar := os.Stat(p.imagePath(arch, id, "tar"))
		if squashfs != nil && tar != nil || !slices.Contains(img.Arch, arch) {
			return false
		}
	}
	return true
}

func (p *project) addImage(ctx context.Context, arch string, id ids.Image) error {
	root := p.imagePath(arch, id, "squashfs")
	if _, err := os.Stat(root); err != nil {
		root = filepath.Join(p.scratch, arch+"-"+string(id)+".squashfs")
		if err := tarToSquashfs(ctx, p.imagePath(arch, id, "tar"), root); err != nil {
			return err
		}
	}
	if err := p.addFile(s9pk.ImagePath(arch, id, "squashfs"), root); err != nil {
		return err
	}
	for ext, fallback := range map[string]string{"json": `{"workdir":"/","user":"root","entrypoint":null,"cmd":null}`, "env": ""} {
		path := p.imagePath(arch, id, ext)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			p.members[s9pk.ImagePath(arch, id, ext)] = s9pk.FromBytes([]byte(fallback))
			continue
		}
		if err := p.addFile(s9pk.ImagePath(arch, id, ext), path); err != nil {
			return err
		}
	}
	return nil
}

// tarToSquashfs makes a squashfs from a tar with its owners and modes. The folder itself is nobody's work of art: its
// mode is set, since the tar may not tell it.
func tarToSquashfs(ctx context.Context, tar, out string) error {
	in, err := os.Open(tar)
	if err != nil {
		return err
	}
	defer in.Close()
	normal := normalTar(in)
	defer normal.Close()
	cmd := exec.CommandContext(ctx, "mksquashfs", append([]string{"-", out, "-tar", "-root-mode", "755", "-root-uid", "0", "-root-gid", "0"}, squashfsFlags...)...)
	cmd.Stdin = normal
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot pack: mksquashfs: %w: %s", err, strings.TrimSpace(string(text)))
	}
	return nil
}
