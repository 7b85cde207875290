package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/spf13/cobra"
)

// leaves are the files of a package by path, also those left out of this copy. Without the tables of folders that were
// left out whole, their members are not known.
func leaves(f *s9pk.File) map[string]merkle.Entry {
	all := map[string]merkle.Entry{}
	for e := range f.All() {
		if e.Kind != merkle.Dir {
			all[e.Path] = e
		}
	}
	return all
}

func unionOfPaths(a, b map[string]merkle.Entry) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]merkle.Entry{a, b} {
			for p := range maps.Keys(m) {
				if !yield(p) {
					return
				}
			}
		}
	}))
}

func (a *app) extractCommand() *cobra.Command {
	var to string
	var force bool
	c := &cobra.Command{
		Use: "extract FILE [PATH...]", Short: "Write the members of a package file into a folder", Args: cobra.MinimumNArgs(1),
		Long: `Write members of a package file into a folder: all, or those at or below the paths given.
Each is verified before it gets its name. Nothing is written outside of the folder, through
a link, or over a file that is there, unless --force says so.`,
		Example: "  hearth s9pk extract hello.s9pk\n  hearth s9pk extract hello.s9pk images/x86_64 --to out",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withPackage(cmd.Context(), args[0], func(p *packageFile) error {
				if to == "" {
					to = string(p.Manifest().ID)
				}
				return a.extract(cmd.Context(), p, args[1:], to, force)
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "folder to write into; the id of the package when not given")
	c.Flags().BoolVar(&force, "force", false, "write over files that are there")
	return c
}

func (a *app) extract(ctx context.Context, p *packageFile, paths []string, to string, force bool) error {
	chosen, total, err := choose(p.File, paths)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer root.Close()
	scratch, err := newScratch(to)
	if err != nil {
		return err
	}
	defer scratch.remove()
	part := filepath.Join(filepath.Base(scratch.dir), "part")
	show := a.newRate(a.say("progress.extracting", nil))
	defer show.end()
	var done int64
	for _, e := range chosen {
		if err := extractMember(ctx, root, p.File, e, part, force, func(n int64) { show.set(done+n, total) }); err != nil {
			return err
		}
		done += e.Size
	}
	show.end()
	if a.quiet {
		for _, e := range chosen {
			fmt.Fprintln(a.Out, printable(e.Path))
		}
		return nil
	}
	row := map[string]any{"folder": to, "files": len(chosen), "size": total}
	return a.print(row, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%d files (%s) in %s\n", len(chosen), sizeText(total), to)
		return err
	})
}

// choose answers the files at or below the paths, or all.
func choose(f *s9pk.File, paths []string) (chosen []merkle.Entry, total int64, err error) {
	for _, path := range paths {
		e, ok := f.Lookup(strings.TrimSuffix(path, "/"))
		if !ok || e.Kind == merkle.Missing {
			return nil, 0, &s9pk.Error{Reason: s9pk.NotFound, Path: path, Why: "there is no such member in this copy"}
		}
	}
	for e := range f.All() {
		below := func(path string) bool {
			path = strings.TrimSuffix(path, "/")
			return e.Path == path || strings.HasPrefix(e.Path, path+"/")
		}
		if e.Kind == merkle.File && (len(paths) == 0 || slices.ContainsFunc(paths, below)) {
			chosen = append(chosen, e)
			total += e.Size
		}
	}
	return chosen, total, nil
}

// extractMember writes one file to part and gives it its name once its hash was right.
func extractMember(ctx context.Context, root *os.Root, f *s9pk.File, e merkle.Entry, part string, force bool, progress func(int64)) error {
	if dir := path.Dir(e.Path); dir != "." {
		if err := checkNoLink(root, e.Path, dir); err != nil {
			return err
		}
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if _, err := root.Lstat(e.Path); err == nil && !force {
		return occupied{worded{"usage.file-there", map[string]any{"Name": e.Path}}}
	}
	r, err := f.Open(e.Path)
	if err != nil {
		return err
	}
	out, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(&counted{w: out, progress: progress}, contextReader{ctx, r})
	if err = errors.Join(err, out.Close()); err == nil {
		err = root.Rename(part, e.Path)
	}
	if err != nil {
		_ = root.Remove(part)
	}
	return err
}

// checkNoLink refuses to write a member below a link that somebody left in the folder.
func checkNoLink(root *os.Root, member, dir string) error {
	for at := dir; at != "."; at = path.Dir(at) {
		if info, err := root.Lstat(at); err == nil && info.Mode().Type() == os.ModeSymlink {
			return worded{"usage.link-there", map[string]any{"Name": member, "Link": at}}
		}
	}
	return nil
}

// counted tells how many bytes went through.
type counted struct {
	w        io.Writer
	n        int64
	progress func(int64)
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.progress(c.n)
	return n, err
}
