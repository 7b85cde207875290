package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/hearthos/hearth/api/s9pk"
)

// asked are the forms of a package's actions.
type asked struct {
	Forms []struct {
		ID   string          `json:"id"`
		Spec json.RawMessage `json:"spec"`
	} `json:"forms"`
	// Unknown are the actions whose form the package's code could not make outside of a service.
	Unknown []string `json:"unknown"`
}

func (a *app) typesCommand() *cobra.Command {
	var trust bool
	c := &cobra.Command{
		Use: "types DIR|FILE", Short: "Write what the actions of a package take, as types", Args: cobra.ExactArgs(1),
		Long: `Write what the forms of a package's actions take, its settings above all, as types of
TypeScript for packages that depend on it: with them a task for its people and what is
read of its settings are checked by the compiler.

The package's code is loaded by node and asked for its forms, in the same cage as
by 'hearth s9pk lint'. A form that it makes only in a running service is named in a
comment. What is written is the same for the same package.`,
		Example: "  hearth s9pk types database.s9pk > database.ts\n  hearth s9pk types ../database > database.ts",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.types(cmd.Context(), args[0], trust) },
	}
	trustFlag(c.Flags(), &trust)
	return c
}

func (a *app) types(ctx context.Context, name string, trust bool) error {
	work, err := newScratch("")
	if err != nil {
		return err
	}
	defer work.remove()
	manifest, code, err := a.codeOf(ctx, name, work, trust)
	if err != nil {
		return err
	}
	raw, err := code.look(ctx, "forms")
	if err != nil {
		return err
	}
	var seen asked
	if err := json.Unmarshal(raw, &seen); err != nil {
		return badProject("cannot look at the package: %v", err)
	}
	text, err := typesOf(manifest, seen)
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.Out, text)
	return err
}

// codeOf finds the manifest and the code of a package project or file.
func (a *app) codeOf(ctx context.Context, name string, work *scratch, trust bool) (manifest *s9pk.Manifest, code packageCode, err error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		p := &project{app: a, dir: name, packing: packing{trustCode: trust}}
		err := p.readManifest(ctx)
		return p.manifest, p.code(), err
	}
	err = a.withPackage(ctx, name, func(p *packageFile) error {
		manifest = p.Manifest()
		return unpackCode(ctx, p, work.dir)
	})
	return manifest, packageCode{dir: work.dir, foreign: true, trusted: trust}, err
}

// Bounds of what is written of a form, which the package's code says as it likes.
const (
	maxForms      = 512
	maxFormDepth  = 16
	maxFormFields = 10_000
)

// typesOf writes the types of forms. All that is the package's own in them are texts in quotes and names that were made of its ids: what
// is written goes into somebody else's sources.
func typesOf(manifest *s9pk.Manifest, seen asked) (string, error) {
	if len(seen.Forms) > maxForms {
		return "", badProject("the package has more than %d forms", maxForms)
	}
	w := &typeWriter{}
	fmt.Fprintf(&w.out, "// What the actions of %s %s take, as written by hearth s9pk types.\nimport type { ActionInfo } from \"@hearthos/sdk\";\n", manifest.ID, manifest.Version)
	taken := map[string]bool{}
	for _, form := range seen.Forms {
		name := formName(form.ID)
		for n := 2; taken[name]; n++ {
			name = formName(form.ID) + strconv.Itoa(n)
		}
		taken[name] = true
		fmt.Fprintf(&w.out, "\nexport type %s = ActionInfo<%s, ", name, quoted(form.ID))
		if err := w.form(form.Spec, 0); err != nil {
			return "", badProject("cannot read the form of %q: %v", form.ID, err)
		}
		w.out.WriteString(">;\n")
	}
	slices.Sort(seen.Unknown)
	for _, id := range seen.Unknown {
		fmt.Fprintf(&w.out, "\n// The form of %s is made only in a running service.\n", quoted(id))
	}
	return w.out.String(), nil
}

// formName makes the name of a type of an id: SetPerson of set-person.
func formName(id string) string {
	var name strings.Builder
	for _, word := range strings.FieldsFunc(id, func(r rune) bool { return !isLetter(r) && (r < '0' || r > '9') }) {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	if text := name.String(); text != "" && isLetter(rune(text[0])) {
		return text
	}
	return "Action" + name.String()
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// quoted is a text in TypeScript, of ASCII alone: what turns the direction of a line would make it read as something else.
func quoted(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err) // of a text there is none
	}
	var out strings.Builder
	for _, unit := range utf16.Encode([]rune(string(raw))) {
		if unit < 0x7f {
			out.WriteByte(byte(unit))
		} else {
			fmt.Fprintf(&out, "\\u%04x", unit)
		}
	}
	return out.String()
}

// typeWriter writes types of forms.
type typeWriter struct {
	out    strings.Builder
	fields int
}

// formField is what of a field decides its type.
type formField struct {
	Type     string                     `json:"type"`
	Required *bool                      `json:"required"`
	Values   map[string]json.RawMessage `json:"values"`
	Spec     json.RawMessage            `json:"spec"`
	Variants map[string]struct {
		Spec json.RawMessage `json:"spec"`
	} `json:"variants"`
}

func (w *typeWriter) form(raw json.RawMessage, depth int) error {
	var spec map[string]json.RawMessage
	if err := json.Unmarshal(raw, &spec); err != nil {
		return err
	}
	if len(spec) == 0 {
		w.out.WriteString("{}")
		return nil
	}
	indent := strings.Repeat("  ", depth)
	w.out.WriteString("{\n")
	for _, name := range slices.Sorted(maps.Keys(spec)) {
		fmt.Fprintf(&w.out, "%s  %s: ", indent, quoted(name))
		if err := w.field(spec[name], depth+1); err != nil {
			return err
		}
		w.out.WriteString(";\n")
	}
	w.out.WriteString(indent + "}")
	return nil
}

func (w *typeWriter) field(raw json.RawMessage, depth int) error {
	if w.fields++; w.fields > maxFormFields || depth > maxFormDepth {
		return unable("failed.form-large", nil, "Count", maxFormFields, "Depth", maxFormDepth)
	}
	var f formField
	if err := json.Unmarshal(raw, &f); err != nil {
		return err
	}
	orNothing := ""
	if f.Required != nil && !*f.Required {
		orNothing = " | null"
	}
	switch f.Type {
	case "text", "textarea", "color", "datetime":
		w.out.WriteString("string" + orNothing)
	case "number":
		w.out.WriteString("number" + orNothing)
	case "toggle":
		w.out.WriteString("boolean")
	case "triState":
		w.out.WriteString("boolean | null")
	case "select":
		w.oneOf(f.Values)
	case "multiselect":
		w.out.WriteByte('(')
		w.oneOf(f.Values)
		w.out.WriteString(")[]")
	case "object":
		return w.form(f.Spec, depth)
	case "list":
		return w.list(f.Spec, depth)
	case "union":
		return w.union(f, depth)
	default:
		w.out.WriteString("unknown")
	}
	return nil
}

func (w *typeWriter) oneOf(values map[string]json.RawMessage) {
	names := slices.Sorted(maps.Keys(values))
	for i, name := range names {
		names[i] = quoted(name)
	}
	w.out.WriteString(cmp.Or(strings.Join(names, " | "), "never"))
}

func (w *typeWriter) list(raw json.RawMessage, depth int) error {
	var items formField
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	if items.Type != "object" {
		w.out.WriteString("string[]")
		return nil
	}
	err := w.form(items.Spec, depth)
	w.out.WriteString("[]")
	return err
}

func (w *typeWriter) union(f formField, depth int) error {
	if len(f.Variants) == 0 {
		w.out.WriteString("never")
	}
	for i, name := range slices.Sorted(maps.Keys(f.Variants)) {
		if i > 0 {
			w.out.WriteString(" | ")
		}
		fmt.Fprintf(&w.out, "{ selection: %s; value: ", quoted(name))
		if err := w.form(f.Variants[name].Spec, depth); err != nil {
			return err
		}
		w.out.WriteString(" }")
	}
	return nil
}
