package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/s9pk/legacy"
	"github.com/hearthos/hearth/api/sign"
	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// loadKey reads the packager's key and says how to get one.
func (a *app) loadKey(said string) (sign.PrivateKey, error) {
	path, err := a.keyPath(said)
	if err != nil {
		return sign.PrivateKey{}, err
	}
	key, err := sign.LoadKey(path)
	if errors.Is(err, os.ErrNotExist) {
		return key, absent{worded{"usage.no-key", map[string]any{"Path": path}}}
	}
	return key, err
}

// target answers where a changed package goes: the file given, else over the one it was read from.
func target(from, out string) (string, error) {
	if out == "" && (from == "-" || fetch.IsURL(from)) {
		return "", wrong("usage.in-place", "Name", from)
	}
	if out != "" {
		return out, nil
	}
	if info, err := os.Stat(from); err == nil && !info.Mode().IsRegular() {
		return "", wrong("usage.in-place-special", "Name", from)
	}
	return from, nil
}

// printWritten says what was made; nothing when that went to standard output itself.
func (a *app) printWritten(out string, m *s9pk.Manifest, c s9pk.Commitment) error {
	if out == "-" {
		return nil
	}
	row := map[string]any{"file": out, "id": m.ID, "version": m.Version.String(), "commitment": c}
	return a.print(row, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s  %s %s\n", out, m.ID, m.Version)
		return err
	})
}

func (a *app) editCommand() *cobra.Command {
	var e edits
	c := &cobra.Command{
		Use: "edit FILE", Short: "Change a package file and sign it again", Args: cobra.ExactArgs(1),
		Long: `Change a package file and sign it again with your key. --set changes one field of the
manifest: KEY=VALUE, where KEY may lead into objects by dots and VALUE is JSON or plain
text. Fields of the manifest that this release does not know are dropped by that.`,
		Example: `  hearth s9pk edit hello.s9pk --set version=1.0.1:0 --set description.short="Says hello"
  hearth s9pk edit hello.s9pk --add instructions.md=README.md --out changed.s9pk
  hearth s9pk edit hello.s9pk --remove assets.squashfs`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.edit(cmd.Context(), args[0], e) },
	}
	f := c.Flags()
	f.StringArrayVar(&e.set, "set", nil, "field of the manifest to change, as KEY=VALUE")
	f.StringVar(&e.manifest, "manifest", "", "file to take the whole manifest from")
	f.StringArrayVar(&e.add, "add", nil, "member to add or replace, as PATH=FILE")
	f.StringArrayVar(&e.remove, "remove", nil, "member to remove, as PATH")
	f.StringVarP(&e.out, "out", "f", "", "file to write; FILE itself when not given, - for standard output")
	keyFlag(f, &e.key, "key to sign with; $HEARTH_KEY, else that of hearth.yaml")
	return c
}

// edits are the flags of edit.
type edits struct {
	set, add, remove   []string
	manifest, out, key string
}

func (a *app) edit(ctx context.Context, name string, e edits) error {
	if len(e.set)+len(e.add)+len(e.remove) == 0 && e.manifest == "" {
		return wrong("usage.nothing-to-change")
	}
	out, err := target(name, e.out)
	if err != nil {
		return err
	}
	key, err := a.loadKey(e.key)
	if err != nil {
		return err
	}
	return a.withPackage(ctx, name, func(p *packageFile) error {
		in := s9pk.EditInput{Removed: e.remove, Key: key}
		if in.Members, err = addedMembers(e.add); err != nil {
			return err
		}
		if in.Manifest, err = editedManifest(p.ManifestJSON(), e); err != nil {
			return err
		}
		m := p.Manifest()
		if in.Manifest != nil {
			if m, err = s9pk.ParseManifest(in.Manifest); err != nil {
				return err
			}
		}
		var c s9pk.Commitment
		if err := a.write(out, a.say("progress.writing", nil), p.total(), func(w io.Writer) (err error) {
			c, err = p.Edit(ctx, w, in)
			return err
		}); err != nil {
			return err
		}
		return a.printWritten(out, m, c)
	})
}

func addedMembers(pairs []string) (map[string]merkle.Source, error) {
	members := map[string]merkle.Source{}
	for _, pair := range pairs {
		path, file, ok := strings.Cut(pair, "=")
		if !ok || path == "" || file == "" {
			return nil, wrong("usage.add-pair", "Value", pair)
		}
		if path == s9pk.PathManifest {
			return nil, wrong("usage.add-manifest")
		}
		source, err := s9pk.FromFile(file)
		if err != nil {
			return nil, err
		}
		members[path] = source
	}
	return members, nil
}

// editedManifest answers the changed manifest, nil when it stays.
func editedManifest(raw []byte, e edits) ([]byte, error) {
	if e.manifest != "" {
		f, err := openFile(e.manifest)
		if err != nil {
			return nil, err
		}
		raw, err = io.ReadAll(io.LimitReader(f, s9pk.MaxManifest+1))
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	} else if len(e.set) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, unable("failed.manifest", err)
	}
	for _, pair := range e.set {
		value, err := setField(fields, pair)
		if err != nil {
			return nil, err
		}
		// In the text itself, for the order of what stays means something: who lacks his language gets the first.
		if raw, err = sjson.SetRawBytes(raw, fieldPath(pair), value); err != nil {
			return nil, unable("failed.manifest-set", err, "Key", pair)
		}
	}
	m, err := s9pk.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	if raw, err = m.Encode(); err != nil {
		return nil, err
	}
	return raw, checkSet(raw, fields, e.set)
}

// checkSet refuses a field that was set and is not in the manifest for it: there is none of that name.
func checkSet(raw []byte, wanted map[string]any, set []string) error {
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	for _, pair := range set {
		key, _, _ := strings.Cut(pair, "=")
		var want, is any = wanted, fields
		for step := range strings.SplitSeq(key, ".") {
			in, _ := is.(map[string]any)
			of, _ := want.(map[string]any)
			var ok bool
			if is, ok = in[step]; !ok {
				return wrong("usage.set-unknown", "Key", key, "Field", step)
			}
			want = of[step]
		}
		if name := lost(want, is); name != "" {
			return wrong("usage.set-unknown", "Key", key, "Field", name)
		}
	}
	return nil
}

// lost answers the name of a field with a value that is in one object and not in the other.
func lost(from, in any) string {
	object, _ := from.(map[string]any)
	other, _ := in.(map[string]any)
	for name, value := range object {
		kept, ok := other[name]
		if !ok && value != nil {
			return name
		}
		if inner := lost(value, kept); inner != "" {
			return inner
		}
	}
	return ""
}

// fieldPath is the key of a pair as sjson takes it.
func fieldPath(pair string) string {
	key, _, _ := strings.Cut(pair, "=")
	steps := strings.Split(key, ".")
	for i, step := range steps {
		steps[i] = gjson.Escape(step)
	}
	return strings.Join(steps, ".")
}

// setField changes one field, KEY=VALUE, and answers the value as JSON.
func setField(fields map[string]any, pair string) (raw []byte, err error) {
	key, text, ok := strings.Cut(pair, "=")
	if !ok || key == "" {
		return nil, wrong("usage.set-pair", "Value", pair)
	}
	raw = []byte(text)
	if !json.Valid(raw) {
		if raw, err = json.Marshal(text); err != nil {
			return nil, err
		}
	}
	var value any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	path := strings.Split(key, ".")
	for _, step := range path[:len(path)-1] {
		next, ok := fields[step].(map[string]any)
		if !ok {
			return nil, wrong("usage.set-no-object", "Key", key, "Field", step)
		}
		fields = next
	}
	fields[path[len(path)-1]] = value
	return raw, nil
}

func (a *app) signCommand() *cobra.Command {
	var out, keyFile string
	c := &cobra.Command{
		Use: "sign FILE", Short: "Put your signature in place of the one on a package file", Args: cobra.ExactArgs(1),
		Long: `Put your signature in place of the one on a package file. Every byte is verified first; the
commitment stays the same.`,
		Example: "  hearth s9pk sign hello.s9pk --out mine.s9pk",
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := target(args[0], out)
			if err != nil {
				return err
			}
			key, err := a.loadKey(keyFile)
			if err != nil {
				return err
			}
			return a.withPackage(cmd.Context(), args[0], func(p *packageFile) error {
				if err := a.write(to, a.say("progress.signing", nil), p.total(), func(w io.Writer) error {
					return p.Sign(cmd.Context(), w, key, s9pk.Priority)
				}); err != nil {
					return err
				}
				return a.printWritten(to, p.Manifest(), p.Commitment())
			})
		},
	}
	c.Flags().StringVarP(&out, "out", "f", "", "file to write; FILE itself when not given, - for standard output")
	keyFlag(c.Flags(), &keyFile, "key to sign with; $HEARTH_KEY, else that of hearth.yaml")
	return c
}

func (a *app) convertCommand() *cobra.Command {
	var out, arch, keyFile string
	c := &cobra.Command{
		Use: "convert FILE", Short: "Rewrite a package file in its canonical order, or in today's format", Args: cobra.ExactArgs(1),
		Long: `Rewrite a package file so that what a catalogue shows comes first, and verify every byte of
it. The signature stays. With --arch the copy holds only what a machine of that
architecture needs, and is still the same package.

A package of StartOS 0.3 (the first format) becomes one of the second, signed with your key.
That needs mksquashfs.`,
		Example: "  hearth s9pk convert hello.s9pk\n  hearth s9pk convert hello.s9pk --arch x86_64 --out hello_x86_64.s9pk",
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := target(args[0], out)
			if err != nil {
				return err
			}
			return a.withOld(cmd.Context(), args[0],
				func(p *packageFile) error { return a.rewrite(cmd.Context(), p, to, arch) },
				func(f *legacy.File, _ fetch.File) error { return a.convertOld(cmd.Context(), f, to, arch, keyFile) })
		},
	}
	c.Flags().StringVarP(&out, "out", "f", "", "file to write; FILE itself when not given, - for standard output")
	c.Flags().StringVar(&arch, "arch", "", "keep only what this architecture needs, as in x86_64")
	keyFlag(c.Flags(), &keyFile, "key to sign with, for the first format; $HEARTH_KEY, else that of hearth.yaml")
	_ = c.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions(architectures, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) rewrite(ctx context.Context, p *packageFile, to, arch string) error {
	var keep *s9pk.Layout
	if arch != "" {
		var err error
		if keep, err = p.Layout(arch); err != nil {
			return err
		}
	}
	if err := a.write(to, a.say("progress.writing", nil), p.total(), func(w io.Writer) error {
		return p.Rewrite(ctx, w, keep, s9pk.Priority)
	}); err != nil {
		return err
	}
	return a.printWritten(to, p.Manifest(), p.Commitment())
}
