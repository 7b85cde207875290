package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/spf13/cobra"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/clients/cli/internal/image"
)

// architectures are the ones package files know.
var architectures = []string{"x86_64", "aarch64", "riscv64"}

// packing are the flags of pack.
type packing struct {
	out, key, engine     string
	archs, images, icons []string
	trustCode            bool
}

func (a *app) packCommand() *cobra.Command {
	var p packing
	c := &cobra.Command{
		Use: "pack DIR", Short: "Make a package file from a package project",
		Long: `Make a package file from the folder of a package project:

  javascript/index.js             the package's code; its export "manifest" is the manifest
  icon.svg, icon.png, ...         the icon
  LICENSE, instructions.md
  assets/                         optional
  images/ARCH/ID.squashfs         the root of an image, or what to make it from: ID.tar or
                                  ID.rootfs (a folder), ID.oci (an OCI layout), ID.docker.tar
  images/ARCH/ID.json, ID.env     its defaults and its environment, when they are not
                                  those of the image

An image that is not in the folder comes from where the manifest says: a registry, or a
Dockerfile that podman, buildah or docker builds. --image names another source:

  docker://NAME, oci:DIR[:TAG], docker-archive:FILE[:TAG], tar:FILE, dir:DIR, squashfs:FILE

The file is made for the architectures of --arch; without it for those whose images are
all in the folder or named by --image, else for all of the manifest. It needs node and
mksquashfs, and no root. The same project and key give the same bytes.`,
		Example: `  hearth keys init
  hearth s9pk pack . --out hello.s9pk
  hearth s9pk pack . --arch x86_64 --image main=oci:layout:1.0
  hearth s9pk pack . --dependency-icon nextcloud=../nextcloud/icon.svg`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.at = args[0]
			return a.pack(cmd.Context(), args[0], p)
		},
	}
	c.Flags().StringVarP(&p.out, "out", "f", "", "file to write, - for standard output; ID.s9pk when not given")
	c.Flags().StringArrayVar(&p.archs, "arch", nil, "architecture to pack for, as in x86_64; may be repeated")
	_ = c.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions(architectures, cobra.ShellCompDirectiveNoFileComp))
	p.flags(c)
	return c
}

// flags are those of all commands that pack a project.
func (p *packing) flags(c *cobra.Command) {
	f := c.Flags()
	keyFlag(f, &p.key, "key to sign with; $HEARTH_KEY, else that of hearth.yaml")
	f.StringArrayVar(&p.images, "image", nil, "where an image comes from, as ID=SOURCE or ARCH/ID=SOURCE; may be repeated")
	f.StringArrayVar(&p.icons, "dependency-icon", nil, "file with the icon of a dependency, as ID=FILE, in place of the one that the manifest names; may be repeated")
	trustFlag(f, &p.trustCode)
	f.StringVar(&p.engine, "engine", "", "program that builds Dockerfiles: podman, buildah or docker; the first there is when not given")
	_ = c.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions(image.Engines(), cobra.ShellCompDirectiveNoFileComp))
}

// project is a package project being packed.
type project struct {
	*app
	packing
	dir, scratch string
	manifest     *s9pk.Manifest
	members      map[string]merkle.Source
	sources      map[string]image.Source // by ID or ARCH/ID
}

func (a *app) pack(ctx context.Context, dir string, flags packing) error {
	p, commitment, err := a.packed(ctx, dir, flags)
	if err != nil {
		return err
	}
	return a.printWritten(p.out, p.manifest, commitment)
}

// packed makes the package file of a project.
func (a *app) packed(ctx context.Context, dir string, flags packing) (*project, s9pk.Commitment, error) {
	var none s9pk.Commitment
	if flags.engine != "" && !slices.Contains(image.Engines(), flags.engine) {
		return nil, none, wrong("usage.field-one-of", "Value", flags.engine, "Field", "--engine", "List", strings.Join(image.Engines(), ", "))
	}
	key, err := a.loadKey(flags.key)
	if err != nil {
		return nil, none, err
	}
	scratch, err := scratchFor(flags.out)
	if err != nil {
		return nil, none, err
	}
	defer scratch.remove()
	p := &project{app: a, packing: flags, dir: dir, scratch: scratch.dir, members: map[string]merkle.Source{}}
	for _, step := range []func(context.Context) error{p.readManifest, p.addRevision, p.addTexts, p.addTrees, p.addDependencies, p.addImages} {
		if err := step(ctx); err != nil {
			return nil, none, err
		}
	}
	commitment, err := p.write(ctx, key)
	return p, commitment, err
}

func (p *project) write(ctx context.Context, key sign.PrivateKey) (commitment s9pk.Commitment, err error) {
	raw, err := p.manifest.Encode()
	if err != nil {
		return commitment, err
	}
	if p.out == "" {
		p.out = string(p.manifest.ID) + ".s9pk"
	}
	var total int64
	for _, m := range p.members {
		total += m.Size
	}
	err = p.app.write(p.out, p.app.say("progress.writing", nil), total, func(w io.Writer) (err error) {
		commitment, err = s9pk.Build(ctx, w, s9pk.BuildInput{Manifest: raw, Members: p.members, Key: key, Order: s9pk.ByName})
		return err
	})
	return commitment, err
}

// badProject is what whoever packs a project, or looks at it, reads of a mistake in it.
func badProject(format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_PROJECT_INVALID, format, args...)
}

// tool runs a program of the packager's machine.
func tool(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fault.New(metav1.Reason_REASON_PROGRAM_MISSING, "cannot pack: the program %s is not installed", name)
	}
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, badProject("%s ends with %v\n%s", name, err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

//go:embed pack/manifest.cjs
var manifestScript []byte

// code is that of the project.
func (p *project) code() packageCode { return packageCode{dir: p.dir, trusted: p.trustCode} }

// readManifest asks the package's code for the manifest. It gets the environment, by which projects choose what they are packed for.
func (p *project) readManifest(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(p.dir, "javascript", "index.js")); err != nil {
		return badProject("%s has no javascript/index.js; build the package's code first", p.dir)
	}
	env := slices.DeleteFunc(os.Environ(), func(one string) bool { return strings.HasPrefix(one, "NODE_OPTIONS=") })
	raw, err := p.code().ask(ctx, question{script: manifestScript, env: env})
	if err != nil {
		return err
	}
	if len(raw) == 0 {
		return badProject("javascript/index.js exports no manifest")
	}
	if p.manifest, err = s9pk.ParseManifest(raw); err != nil {
		return badProject("%v", err)
	}
	return nil
}

// addRevision puts the revision of the project into the manifest, when it is under git.
func (p *project) addRevision(ctx context.Context) error {
	git := func(args ...string) (string, bool) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = p.dir
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err == nil
	}
	if _, ignored := git("check-ignore", "-q", "."); ignored {
		return ctx.Err()
	}
	head, ok := git("rev-parse", "HEAD")
	if !ok {
		return ctx.Err()
	}
	if _, same := git("diff", "--quiet", "HEAD", "--", "."); !same {
		head += "-modified"
	}
	p.manifest.GitHash = &head
	return ctx.Err()
}

func (p *project) addFile(member, path string) error {
	source, err := s9pk.FromFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return badProject("there is no %s", path)
	}
	if err == nil {
		p.members[member] = source
	}
	return err
}

// addTexts adds icon, licence and instructions.
func (p *project) addTexts(context.Context) error {
	icons, err := filepath.Glob(filepath.Join(p.dir, "icon.*"))
	if err != nil || len(icons) != 1 {
		return badProject("%s must hold exactly one file icon.* and holds %d", p.dir, len(icons))
	}
	if err := p.addFile(filepath.Base(icons[0]), icons[0]); err != nil {
		return err
	}
	license := filepath.Join(p.dir, "LICENSE")
	if _, err := os.Stat(license + ".md"); err == nil {
		license += ".md"
	}
	if err := p.addFile(s9pk.PathLicense, license); err != nil {
		return err
	}
	return p.addFile(s9pk.PathInstructions, filepath.Join(p.dir, "instructions.md"))
}

// addTrees adds the package's code and its assets.
func (p *project) addTrees(ctx context.Context) error {
	trees := map[string]string{s9pk.PathJavaScript: "javascript"}
	if entries, err := os.ReadDir(filepath.Join(p.dir, "assets")); err == nil && len(entries) > 0 {
		trees[s9pk.PathAssets] = "assets"
	}
	for member, name := range trees {
		out := filepath.Join(p.scratch, member)
		if err := image.FromFolder(ctx, filepath.Join(p.dir, name), out, true, nil); err != nil {
			return err
		}
		if err := p.addFile(member, out); err != nil {
			return err
		}
	}
	return nil
}

// compact is JSON as packages have it.
func compact(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}
