package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"github.com/spf13/cobra"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/clients/go"
)

func (a *app) ingredientsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ingredients [DIR]", Aliases: []string{"list-ingredients"}, Short: "List the files that a package file is made of", Args: cobra.MaximumNArgs(1),
		Long: `List the files of a project that a package file is made of, for the rules of make: the
code in javascript, texts and icon, assets, and what images are made of, as far as that is
in the folder. What only the code tells, as the files of images, is listed once the code
is built.`,
		Example: "  hearth s9pk ingredients\n  hearth s9pk ingredients my-page --output json | jq -r .file",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			p := &project{app: a, dir: "."}
			if len(args) > 0 {
				p.dir = args[0]
			}
			if info, err := os.Stat(p.dir); err != nil || !info.IsDir() {
				return wrong("usage.not-a-folder", "Path", p.dir)
			}
			p.manifest = &s9pk.Manifest{}
			if _, err := os.Stat(filepath.Join(p.dir, "javascript", "index.js")); err == nil {
				if err := p.readManifest(cmd.Context()); err != nil {
					return err
				}
			}
			paths, err := p.ingredients()
			if err != nil {
				return err
			}
			for _, path := range paths {
				if err := a.printPath(path, map[string]any{"file": path}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// printPath prints a path for the shell, or the row that has it.
func (a *app) printPath(path string, row map[string]any) error {
	if a.rows() && !a.quiet {
		return a.printRow(row)
	}
	_, err := fmt.Fprintln(a.Out, path)
	return err
}

// ingredients are the files that packing would read, in order.
func (p *project) ingredients() ([]string, error) {
	roots := []string{"javascript", "assets", "images", "LICENSE", "LICENSE.md", "instructions.md"}
	if icons, err := filepath.Glob(filepath.Join(p.dir, "icon.*")); err == nil {
		for _, icon := range icons {
			roots = append(roots, filepath.Base(icon))
		}
	}
	for _, img := range p.manifest.Images {
		if b := img.Source.DockerBuild; b != nil && b.Workdir != nil && filepath.IsLocal(*b.Workdir) && filepath.Clean(*b.Workdir) != "." {
			roots = append(roots, *b.Workdir)
		} else if b != nil && b.Dockerfile != nil {
			roots = append(roots, *b.Dockerfile)
		} else if b != nil {
			roots = append(roots, "Dockerfile")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.manifest.Dependencies)) {
		d := p.manifest.Dependencies[id]
		for _, name := range []*string{d.S9PK, dependencyIcon(d)} {
			if name != nil && *name != "" && !fetch.IsURL(*name) && filepath.IsLocal(*name) {
				roots = append(roots, *name)
			}
		}
	}
	found := map[string]bool{}
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(p.dir, root), func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && !e.IsDir() {
				found[path] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func dependencyIcon(d s9pk.Dependency) *string {
	if d.Metadata == nil {
		return nil
	}
	return &d.Metadata.Icon
}

func (a *app) selectCommand() *cobra.Command {
	return &cobra.Command{
		Use: "select [FILE|DIR ...]", Short: "Choose the package file that fits the server's processor",
		Long: `Choose, of package files, the one that the server can run: made for its processor alone
before one for all, and of those the newest file. Without an argument, of those in this
folder. It prints the path, for 'hearth package install'.`,
		Example: `  hearth s9pk select
  hearth package install "$(hearth s9pk select)"
  hearth --profile home s9pk select hello_*.s9pk`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"s9pk"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := packageFiles(args)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				return wrong("usage.no-package-file")
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				caps, err := c.System.GetCapabilities(ctx, &systemv1.GetCapabilitiesRequest{})
				if err != nil {
					return err
				}
				return a.choose(ctx, files, caps.GetPlatform().GetArchitecture())
			})
		},
	}
}

// packageFiles are the files named, and those in the folders named.
func packageFiles(args []string) (files []string, err error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			return nil, unable("failed.read", errors.Unwrap(err), "Name", arg)
		case !info.IsDir():
			files = append(files, arg)
		default:
			found, err := filepath.Glob(filepath.Join(arg, "*.s9pk"))
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
	}
	return files, nil
}

// fitting is a package file that a server can run.
type fitting struct {
	path        string
	id, version string
	archs       int // how many it is for; all count as many
	age         int64
}

func (a *app) choose(ctx context.Context, files []string, arch string) error {
	var fit []fitting
	for _, path := range files {
		err := a.withPackage(ctx, path, func(p *packageFile) error {
			archs := p.Manifest().Hardware.Arch
			if archs != nil && !slices.Contains(archs, arch) {
				return nil
			}
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			f := fitting{path: path, id: string(p.Manifest().ID), version: p.Manifest().Version.String(), archs: len(archs), age: -info.ModTime().UnixNano()}
			if archs == nil {
				f.archs = len(architectures) + 1
			}
			fit = append(fit, f)
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(fit) == 0 {
		return fault.New(metav1.Reason_REASON_PACKAGE_ARCHITECTURE, "none of %d package files is for %s", len(files), arch).With("architecture", arch)
	}
	best := slices.MinFunc(fit, func(x, y fitting) int {
		if x.archs != y.archs {
			return x.archs - y.archs
		}
		return int(min(max(x.age-y.age, -1), 1))
	})
	for _, f := range fit {
		if f.id != best.id {
			return wrong("usage.select-several", "One", best.id, "Other", f.id)
		}
	}
	return a.printPath(best.path, map[string]any{"file": best.path, "id": best.id, "version": best.version})
}
