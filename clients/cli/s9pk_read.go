package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/s9pk/legacy"
	"github.com/spf13/cobra"
)

func sizeText(n int64) string { return size(uint64(max(n, 0))) }

func (a *app) inspectCommand() *cobra.Command {
	return &cobra.Command{
		Use: "inspect FILE", Short: "Show what a package file says it is", Args: cobra.ExactArgs(1),
		Example: "  hearth s9pk inspect hello.s9pk\n  hearth s9pk inspect hello.s9pk --output json | jq .manifest",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withOld(cmd.Context(), args[0], func(p *packageFile) error {
				m := p.Manifest()
				row := map[string]any{"id": m.ID, "version": m.Version.String(), "title": m.Title, "size": p.bytes.Size(),
					"signer": p.Signer().PEM(), "commitment": p.Commitment(), "manifest": m}
				if !p.bytes.Known() {
					delete(row, "size")
				}
				return a.print(row, func(w io.Writer) error {
					fmt.Fprintf(w, "%s  %s  %s\n%s, root %s\n\n", m.ID, m.Version, printable(m.Title), p.sizeText(), p.Commitment().Name())
					var rows [][]string
					for e := range p.All() {
						if e.Kind == merkle.File {
							rows = append(rows, []string{e.Path, sizeText(e.Size), e.Hash.Hex()[:16]})
						}
					}
					return a.table([]string{"member", "size", "hash"}, rows)
				})
			}, a.inspectOld)
		},
	}
}

func (a *app) manifestCommand() *cobra.Command {
	return &cobra.Command{
		Use: "manifest FILE", Short: "Print the manifest of a package file", Args: cobra.ExactArgs(1),
		Long:    "Print manifest.json of a package file: indented, or with --output json as it stands in the file.",
		Example: "  hearth s9pk manifest hello.s9pk\n  hearth s9pk manifest hello.s9pk --output json | jq -r .version",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withOld(cmd.Context(), args[0],
				func(p *packageFile) error { return a.printManifest(p.ManifestJSON()) },
				func(f *legacy.File, _ fetch.File) error { return a.printManifest(f.ManifestJSON()) })
		},
	}
}

func (a *app) printManifest(raw []byte) error {
	return a.print(json.RawMessage(raw), func(w io.Writer) error {
		var b bytes.Buffer
		if err := json.Indent(&b, raw, "", "  "); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w, harmless(b.String()))
		return err
	})
}

// harmless writes what a terminal would obey, and what turns a line around, as JSON escapes it. Both stand in strings only.
func harmless(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r != '\n' && printable(string(r)) != string(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// kindWord is the type of a member as it is printed.
func kindWord(k merkle.Kind) string {
	switch k {
	case merkle.File:
		return "file"
	case merkle.Dir:
		return "dir"
	}
	return "missing"
}

func (a *app) membersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list FILE", Short: "List the members of a package file", Args: cobra.ExactArgs(1),
		Long: `List the members of a package file: type, size, BLAKE3 hash and path, one a line.

A member of type missing was left out of this copy, which is still the same package under
the same signature. The hash of a folder is that of its table.`,
		Example: "  hearth s9pk list hello.s9pk\n  hearth s9pk list hello.s9pk --output json | jq -r 'select(.type == \"file\").path'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withPackage(cmd.Context(), args[0], func(p *packageFile) error {
				for e := range p.All() {
					row := map[string]any{"path": e.Path, "type": kindWord(e.Kind), "size": e.Size, "blake3": e.Hash.Hex()}
					if a.quiet {
						fmt.Fprintln(a.Out, printable(e.Path))
						continue
					}
					if err := a.print(row, func(w io.Writer) error {
						_, err := fmt.Fprintf(w, "%-7s %12d %s %s\n", kindWord(e.Kind), e.Size, e.Hash.Hex(), printable(e.Path))
						return err
					}); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func (a *app) catCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cat FILE PATH", Short: "Print a member of a package file", Args: cobra.ExactArgs(2),
		Long: `Print the bytes of a member of a package file. They are verified on their way: when the
command ends with 0, what was printed is what was signed.`,
		Example: "  hearth s9pk cat hello.s9pk LICENSE.md\n  hearth s9pk cat hello.s9pk icon.svg > icon.svg",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withPackage(cmd.Context(), args[0], func(p *packageFile) error {
				r, err := p.Open(args[1])
				if err != nil {
					return err
				}
				out := a.Out
				if e, ok := p.Lookup(args[1]); ok && obeys(a.Err) && !isTerminal(a.Out) {
					show := a.newRate(a.say("progress.reading", nil))
					defer show.end()
					out = &counted{w: a.Out, progress: func(n int64) { show.set(n, e.Size) }}
				}
				_, err = io.Copy(out, contextReader{cmd.Context(), r})
				return err
			})
		},
	}
}

// contextReader ends a copy soon after its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// rate shows how far work on bytes is and how fast it goes.
type rate struct {
	show  *progress
	step  string
	began time.Time
}

func (a *app) newRate(step string) *rate {
	return &rate{a.newProgress(), step, time.Now()}
}

func (r *rate) set(done, total int64) {
	perSecond := float64(done) / max(time.Since(r.began).Seconds(), 0.001)
	r.show.set(r.step, float64(done)/float64(max(total, 1)),
		fmt.Sprintf("%s of %s, %s/s", sizeText(done), sizeText(total), sizeText(int64(perSecond))))
}

func (r *rate) end() { r.show.end() }

// verifyAll verifies every byte and shows how far it is.
func (a *app) verifyAll(ctx context.Context, verify func(context.Context, func(done, total int64)) error) error {
	show := a.newRate(a.say("progress.verifying", nil))
	defer show.end()
	return verify(ctx, show.set)
}

func (a *app) printVerified(id, version, size string, begin time.Time) error {
	return a.print(map[string]any{"id": id, "version": version, "valid": true}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, a.say("s9pk.verified", map[string]any{
			"ID": printable(id), "Version": printable(version), "Size": size, "Took": time.Since(begin).Round(time.Millisecond),
		}))
		return err
	})
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify FILE", Short: "Check every byte of a package file", Args: cobra.ExactArgs(1),
		Long: `Check every byte of a package file against its signature. The command ends with 0 when the
file is whole, and otherwise says the reason. Whether the signer is to be trusted is not
checked; 'hearth s9pk inspect --output json' shows the key.`,
		Example: "  hearth s9pk verify hello.s9pk\n  hearth s9pk verify https://example.com/hello.s9pk",
		RunE: func(cmd *cobra.Command, args []string) error {
			begin := time.Now()
			return a.withOld(cmd.Context(), args[0], func(p *packageFile) error {
				if err := a.verifyAll(cmd.Context(), p.VerifyAll); err != nil {
					return err
				}
				if err := p.CheckNoMore(); err != nil {
					return err
				}
				return a.printVerified(string(p.Manifest().ID), p.Manifest().Version.String(), p.sizeText(), begin)
			}, func(f *legacy.File, bytes fetch.File) error {
				if err := a.verifyAll(cmd.Context(), f.Verify); err != nil {
					return err
				}
				return a.printVerified(f.Manifest().ID, f.Manifest().Version, sizeText(bytes.Size()), begin)
			})
		},
	}
}

func (a *app) commitmentCommand() *cobra.Command {
	return &cobra.Command{
		Use: "commitment FILE", Short: "Print what identifies a package", Args: cobra.ExactArgs(1),
		Long: `Print the commitment of a package file: the hash of its tree (base64) and the length of its
root table. That is what its signer signed and what registries list.`,
		Example: "  hearth s9pk commitment hello.s9pk",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withPackage(cmd.Context(), args[0], func(p *packageFile) error {
				c := p.Commitment()
				if a.quiet {
					_, err := fmt.Fprintln(a.Out, base64.RawStdEncoding.EncodeToString(c.RootSighash[:]))
					return err
				}
				return a.print(c, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "rootSighash  %s\nrootMaxsize  %d\n", base64.RawStdEncoding.EncodeToString(c.RootSighash[:]), c.RootMaxSize)
					return err
				})
			})
		},
	}
}

// difference is a member that is not the same in two packages.
type difference struct {
	Path   string `json:"path"`
	Change string `json:"change"`
	Before *int64 `json:"before,omitempty"`
	After  *int64 `json:"after,omitempty"`
}

// compare lists the files that differ, in the order of their paths. What was left out of a copy still has its hash.
func compare(before, after *s9pk.File) []difference {
	old, now := leaves(before), leaves(after)
	out := append(folders(now, before, "left out"), folders(old, after, "put back")...)
	known := len(out)
	for _, path := range unionOfPaths(old, now) {
		if slices.ContainsFunc(out[:known], func(d difference) bool { return path == d.Path || strings.HasPrefix(path, d.Path+"/") }) {
			continue
		}
		was, before := old[path]
		is, after := now[path]
		switch {
		case !after:
			out = append(out, difference{path, "removed", &was.Size, nil})
		case !before:
			out = append(out, difference{path, "added", nil, &is.Size})
		case was.Hash != is.Hash || was.Size != is.Size:
			out = append(out, difference{path, "changed", &was.Size, &is.Size})
		}
	}
	slices.SortFunc(out, func(a, b difference) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// folders lists what one package has no more than the hash of and the other as a folder: the same one, by word, or another.
func folders(without map[string]merkle.Entry, with *s9pk.File, word string) (out []difference) {
	for path, e := range without {
		whole, ok := with.Lookup(path)
		if e.Kind != merkle.Missing || !ok || whole.Kind != merkle.Dir {
			continue
		}
		d := difference{Path: path, Change: word}
		if whole.Hash != e.Hash {
			d.Change = "changed"
		}
		out = append(out, d)
	}
	return out
}

func (a *app) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use: "diff BEFORE AFTER", Short: "Show which members two package files do not share", Args: cobra.ExactArgs(2),
		Long: `Show which members two package files do not share. Members are compared by their signed
hashes, so nothing but the tables is read. A folder that one of two copies was made without is
"left out" or "put back", and in both the same.`,
		Example: "  hearth s9pk diff hello-1.0.s9pk hello-1.1.s9pk",
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "-" && args[1] == "-" {
				return wrong("usage.both-from-input")
			}
			return a.withPackage(cmd.Context(), args[0], func(before *packageFile) error {
				return a.withPackage(cmd.Context(), args[1], func(after *packageFile) error {
					return a.printDifferences(before, after)
				})
			})
		},
	}
}

func (a *app) printDifferences(before, after *packageFile) error {
	list := compare(before.File, after.File)
	if a.quiet {
		for _, d := range list {
			fmt.Fprintln(a.Out, printable(d.Path))
		}
		return nil
	}
	if a.rows() {
		for _, d := range list {
			if err := a.printRow(d); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintf(a.Out, "%s %s: both hold the same\n", after.Manifest().ID, after.Manifest().Version)
		return nil
	}
	var rows [][]string
	for _, d := range list {
		rows = append(rows, []string{d.Change, optionalSize(d.Before), optionalSize(d.After), d.Path})
	}
	return a.table([]string{"change", "before", "after", "member"}, rows)
}

func optionalSize(n *int64) string {
	if n == nil {
		return "-"
	}
	return sizeText(*n)
}
