package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/text"
)

// What people read has five languages. This test holds the catalogue to the things it has texts of: every reason, every
// step of an operation, every command and flag, every sentence this program prints by a key.
//
//	go test ./clients/cli -run TestTexts            tells what is missing, in which language
//	go test ./clients/cli -run TestTexts -update    copies new English texts into api/text/en.json

const catalogue = "../../api/text/"

// entry is one text of a file of the catalogue.
type entry struct {
	Description string `json:"description"` // the English text that is translated
	Other       string `json:"other"`
	Few         string `json:"few"` // forms for numbers, of languages that have more than two
	Many        string `json:"many"`
}

func readTexts(t *testing.T, lang string) map[string]entry {
	t.Helper()
	raw, err := os.ReadFile(catalogue + lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]entry{}
	if lang == text.English {
		plain := map[string]string{}
		err = json.Unmarshal(raw, &plain)
		for key, s := range plain {
			out[key] = entry{Other: s}
		}
	} else {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatalf("%s.json: %v", lang, err)
	}
	return out
}

// copied tells whether the English text of a key has its source elsewhere.
func copied(key string) bool {
	kind, _, _ := strings.Cut(key, ".")
	return slices.Contains([]string{"reason", "remedy", "help", "warning", "check", "capability"}, kind)
}

// sources are the English texts that en.json repeats.
func sources(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, comment := range reasonComments(t) {
		out["reason."+name] = comment
		if remedy := fault.Info(metav1.Reason(metav1.Reason_value["REASON_"+name])).GetRemedy(); remedy != "" {
			out["remedy."+name] = remedy
		}
	}
	helpTexts(newTestApp().newRoot(), func(key string, at *string) { out[key] = *at })
	eachArea(t, func(files []*ast.File) {
		maps.Copy(out, literalTexts(files, "Condition", "warning."))
		maps.Copy(out, literalTexts(files, "Words", "check."))
		maps.Copy(out, literalTexts(files, "Answer", "capability."))
	})
	return out
}

var reasonLine = regexp.MustCompile(`^  REASON_([A-Z0-9_]+) = [1-9]`)

// reasonComments are what the contract says of each reason: the comments, which generated code does not have.
func reasonComments(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("../../api/proto/hearth/meta/v1/fault.proto")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var comment []string
	for line := range strings.Lines(string(raw)) {
		if words, ok := strings.CutPrefix(strings.TrimSpace(line), "//"); ok {
			comment = append(comment, strings.TrimSpace(words))
			continue
		}
		if m := reasonLine.FindStringSubmatch(line); m != nil {
			out[m[1]] = strings.Join(comment, " ")
		}
		comment = nil
	}
	if want := metav1.Reason(0).Descriptor().Values().Len() - 1; len(out) != want {
		t.Fatalf("found %d of %d reasons in the contract", len(out), want)
	}
	return out
}

func TestTextsAreWhole(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("texts may lag behind while something is being made; the full test wants them all")
	}
	english, want := readTexts(t, text.English), sources(t)
	if *update {
		writeEnglish(t, english, want)
		english = readTexts(t, text.English)
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if english[key].Other != want[key] {
			t.Errorf("en: %s is %q in the catalogue, and should be %q: run 'go test ./clients/cli -run TestTexts -update'", key, english[key].Other, want[key])
		}
	}
	used := usedKeys(t, english)
	for _, key := range slices.Sorted(maps.Keys(english)) {
		if _, ok := want[key]; !ok && !used[key] {
			t.Errorf("en: nothing has the text %s: remove it", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(used)) {
		if english[key].Other == "" {
			t.Errorf("en: %s is missing: write it in api/text/en.json", key)
		}
	}
	for _, lang := range text.Languages()[1:] {
		have := readTexts(t, lang)
		for _, key := range slices.Sorted(maps.Keys(english)) {
			switch e, ok := have[key]; {
			case !ok || e.Other == "":
				t.Errorf("%s: %s is missing: %q", lang, key, english[key].Other)
			case e.Description != english[key].Other:
				t.Errorf("%s: %s translates %q, which is now %q", lang, key, e.Description, english[key].Other)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(have)) {
			if _, ok := english[key]; !ok {
				t.Errorf("%s: there is no text %s any more", lang, key)
			}
		}
	}
}

// writeEnglish brings the copies in en.json up to date and leaves the rest.
func writeEnglish(t *testing.T, have map[string]entry, want map[string]string) {
	t.Helper()
	out := maps.Clone(want)
	for key, e := range have {
		if !copied(key) {
			out[key] = e.Other
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(catalogue+text.English+".json", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// literal are the parts of a text that are the same in every language: values, commands, flags, variables, file names.
var literal = regexp.MustCompile(`\{\{\.\w+\}\}|'hearth [^']*'|--[a-z][a-z-]+|\$[A-Z_]+|\b[A-Z]{3,}\b|~/[\w./-]*\w|\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b`)

// names are capitals in texts that are not the same in every language.
var names = regexp.MustCompile(`^(PKG|DNS|AND|NOT)$`)

func literals(s string) []string {
	list := slices.DeleteFunc(literal.FindAllString(s, -1), names.MatchString)
	slices.Sort(list)
	return list
}

// What a program said itself is in its own language: a sentence of the server that has it within would be half English for everybody.
func TestNoFindingHasAProgramsOwnWordsWithin(t *testing.T) {
	t.Parallel()
	for key, e := range readTexts(t, text.English) {
		kind, _, _ := strings.Cut(key, ".")
		if slices.Contains([]string{"check", "capability", "warning"}, kind) && strings.Contains(e.Other, "{{.Error}}") {
			t.Errorf("%s says %q: what the program said is to be quoted beside it", key, e.Other)
		}
	}
}

func TestTextsSayTheSameInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, lang := range text.Languages()[1:] {
		for key, e := range readTexts(t, lang) {
			if want, got := literals(e.Description), literals(e.Other); !slices.Equal(want, got) {
				t.Errorf("%s: %s has %q and should have %q as in %q", lang, key, got, want, e.Description)
			}
			if strings.HasSuffix(key, ".short") && strings.HasSuffix(e.Other, ".") {
				t.Errorf("%s: %s ends with a full stop", lang, key)
			}
			if full := strings.HasSuffix(e.Description, "."); full != strings.HasSuffix(e.Other, ".") {
				t.Errorf("%s: %s ends otherwise than %q", lang, key, e.Description)
			}
			for line := range strings.Lines(e.Other) {
				if strings.HasSuffix(key, ".long") && width(strings.TrimRight(line, "\n")) > 96 {
					t.Errorf("%s: %s has a line that is too long: %s", lang, key, line)
				}
			}
		}
	}
}

// usedKeys are the keys that code asks for by name: sentences of this program, steps of operations.
func usedKeys(t *testing.T, english map[string]entry) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, f := range parsed(t, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.CompositeLit); ok && nameOf(lit.Type) == "worded" && len(lit.Elts) > 0 {
				for _, key := range keysOf(lit.Elts[0], english) {
					out[key] = true
				}
			}
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if name := nameOf(call.Fun); name == "wrong" || name == "unable" {
				for _, key := range keysOf(call.Args[0], english) {
					out[key] = true
				}
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"say", "tell", "Lookup", "worded", "wrongUsage"}, sel.Sel.Name) {
				for _, key := range keysOf(call.Args[0], english) {
					out[key] = true
				}
			}
			return true
		})
	}
	for _, key := range pageKeys(t, english) {
		out[key] = true
	}
	steps := 0
	eachArea(t, func(files []*ast.File) {
		for _, key := range operationSteps(files) {
			out[key] = true
			steps++
		}
	})
	if steps < 4 {
		t.Fatalf("found %d steps of operations", steps)
	}
	maps.Copy(out, trustKeys(t, english))
	return out
}

// trustKeys are the texts of the page about trust: what its source names, and the steps of each system that it names.
func trustKeys(t *testing.T, english map[string]entry) map[string]bool {
	t.Helper()
	source, err := os.ReadFile("../../server/internal/trust/trust.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for key := range english {
		if name, ok := strings.CutPrefix(key, "trust."); ok {
			name, _, _ = strings.Cut(name, ".")
			out[key] = strings.Contains(string(source), strconv.Quote(name))
		}
	}
	return out
}

// pageKey is a key of the page in its sources: a text, or one that begins so when more is added to it.
var pageKey = regexp.MustCompile("[\"`](page\\.[a-z0-9.-]*)([\"`$])")

// pageKeys are the keys that the page asks for by name, and those that it makes of a beginning, of a count or of a role.
func pageKeys(t *testing.T, english map[string]entry) (keys []string) {
	t.Helper()
	err := filepath.WalkDir("../web/src", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(d.Name(), ".test") {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, m := range pageKey.FindAllStringSubmatch(string(raw), -1) {
			found := false
			for key := range english {
				more, ok := strings.CutPrefix(key, m[1])
				if ok && (m[2] == "$" || slices.Contains([]string{"", ".one", ".other", "-text"}, more)) {
					keys, found = append(keys, key), true
				}
			}
			if !found {
				keys = append(keys, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) < 100 {
		t.Fatalf("found %d keys in the sources of the page", len(keys))
	}
	return keys
}

// What the audit log of a server holds has words: every public method that changes something, but for those of a registry.
func TestWhatIsAuditedHasWords(t *testing.T) {
	t.Parallel()
	english, found := readTexts(t, text.English), 0
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				if !audited(m) || strings.HasPrefix(string(f.Package()), "hearth.registry.") {
					continue
				}
				found++
				if key := "page.audit.method." + string(m.Name()); english[key].Other == "" {
					t.Errorf("en: %s is missing: write it in api/text/en.json", key)
				}
			}
		}
		return true
	})
	if found < 50 {
		t.Fatalf("found %d methods", found)
	}
}

// What the server looks at when it is checked has words, as the page shows it.
func TestChecksHaveWords(t *testing.T) {
	t.Parallel()
	english := readTexts(t, text.English)
	source, err := os.ReadFile("../../server/internal/daemon/checks.go")
	if err != nil {
		t.Fatal(err)
	}
	checks := regexp.MustCompile(`\{Name: "([^"]+)", Look:`).FindAllStringSubmatch(string(source), -1)
	if len(checks) < 10 {
		t.Fatalf("found %d checks", len(checks))
	}
	for _, check := range checks {
		if key := "page.check." + check[1]; english[key].Other == "" {
			t.Errorf("en: %s is missing: write it in api/text/en.json", key)
		}
	}
}

// audited tells whether calls of a method are recorded when they succeed.
func audited(m protoreflect.MethodDescriptor) bool {
	opts := m.Options()
	if reads := opts.(*descriptorpb.MethodOptions).GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS; reads || proto.GetExtension(opts, optionsv1.E_RecordFailure).(bool) {
		return false
	}
	access, ok := proto.GetExtension(opts, optionsv1.E_Access).(*optionsv1.Access)
	return ok && access != nil && !access.GetContainer() && !access.GetInternal()
}

// nameOf is a plain name; empty for anything else.
func nameOf(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// Wrong usage is told in the person's language: none of it has its words in the code.
func TestWrongUsageIsToldFromTheCatalogue(t *testing.T) {
	t.Parallel()
	found := 0
	for _, f := range parsed(t, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || nameOf(lit.Type) != "usageError" {
				return true
			}
			found++
			for _, text := range madeOf(lit) {
				t.Errorf("wrong usage has the words %s: make them a text of the catalogue and say wrong(key, …)", text)
			}
			return true
		})
	}
	if found < 5 {
		t.Errorf("only %d places make wrong usage", found)
	}
	lawless, err := parser.ParseExpr("usageError{fmt.Errorf(\"cannot use %q\", \"x\")}")
	if err != nil || len(madeOf(lawless)) != 1 {
		t.Errorf("what has its own words counts as %q, %v", madeOf(lawless), err)
	}
}

// detail are functions whose errors are told behind the text of the reason of a fault.
var detail = []string{"parseConfig", "parseProject"}

// What goes wrong with what is at hand is told in the person's language, too: no error of a command has its words in the code.
func TestLocalErrorsAreToldFromTheCatalogue(t *testing.T) {
	t.Parallel()
	found := 0
	for _, f := range parsed(t, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return !slices.Contains(detail, n.Name.Name)
			case *ast.CallExpr:
				if nameOf(n.Fun) == "unable" {
					found++
				}
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"fmt", "errors"}, nameOf(sel.X)) {
					for _, text := range madeOf(n) {
						t.Errorf("an error has the words %s: make them a text of the catalogue and say unable(key, cause, …)", text)
					}
					return false
				}
			}
			return true
		})
	}
	if found < 20 {
		t.Errorf("only %d errors have a text of the catalogue", found)
	}
	for lawless, want := range map[string]int{
		`fmt.Errorf("cannot read %s: %w", x, err)`: 1, `errors.New("it is gone")`: 1, `fmt.Errorf("%s: %w", x, err)`: 0,
	} {
		e, err := parser.ParseExpr(lawless)
		if err != nil || len(madeOf(e)) != want {
			t.Errorf("of %s count the words %q, %v", lawless, madeOf(e), err)
		}
	}
}

// madeOf are the texts with words of which an error is made.
func madeOf(lit ast.Expr) (texts []string) {
	ast.Inspect(lit, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Errorf" && sel.Sel.Name != "New" {
			return true
		}
		if s, ok := call.Args[0].(*ast.BasicLit); ok && regexp.MustCompile(`[a-z]{2}`).MatchString(s.Value) {
			texts = append(texts, s.Value)
		}
		return true
	})
	return texts
}

// eachArea calls fn with the files of every package of the server.
func eachArea(t *testing.T, fn func([]*ast.File)) {
	t.Helper()
	err := filepath.WalkDir("../../server/internal", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() != "testdata" && d.Name() != "operationtest" {
			fn(parsed(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// literalTexts are the texts of literals of a type, with Name, Text and Remedy: of the conditions that a package warns of, of what
// checks find, and of what a machine offers.
func literalTexts(files []*ast.File, of, prefix string) map[string]string {
	known := constants(files)
	out := map[string]string{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			typ := lit.Type
			if sel, ok := typ.(*ast.SelectorExpr); ok {
				typ = sel.Sel
			}
			if name := constant(member(lit, "Name"), known); nameOf(typ) == of && name != "" {
				out[prefix+name+".text"] = constant(member(lit, "Text"), known)
				if remedy := constant(member(lit, "Remedy"), known); remedy != "" {
					out[prefix+name+".remedy"] = remedy
				}
			}
			return true
		})
	}
	return out
}

// keysOf are the keys an expression may be: itself, or those that begin as it does when more is added to it.
func keysOf(e ast.Expr, english map[string]entry) []string {
	if sum, ok := e.(*ast.BinaryExpr); ok {
		for {
			left, more := sum.X.(*ast.BinaryExpr)
			if !more {
				break
			}
			sum = left
		}
		first := constant(sum.X, nil)
		var keys []string
		for key := range english {
			if first != "" && strings.HasPrefix(key, first) && !copied(key) && !strings.HasPrefix(key, "step.") {
				keys = append(keys, key)
			}
		}
		return keys
	}
	if key := constant(e, nil); key != "" {
		return []string{key}
	}
	return nil
}

// parsed are the Go files of a folder, without tests.
func parsed(t *testing.T, dir string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// constants are the texts of a package's constants, by name.
func constants(files []*ast.File) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				for i := range min(len(spec.Names), len(spec.Values)) {
					if s := constant(spec.Values[i], nil); s != "" {
						out[spec.Names[i].Name] = s
					}
				}
			}
			return true
		})
	}
	return out
}

// constant is the text an expression stands for, empty when it is none.
func constant(e ast.Expr, known map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return s
		}
	case *ast.Ident:
		return known[e.Name]
	}
	return ""
}

// operationSteps are the keys of the steps of the operations that a package defines: literals with a Kind and Steps.
func operationSteps(files []*ast.File) []string {
	known := constants(files)
	var out []string
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			kind := constant(member(lit, "Kind"), known)
			if steps, ok := member(lit, "Steps").(*ast.CompositeLit); ok && kind != "" {
				for _, step := range steps.Elts {
					out = append(out, "step."+kind+"."+stepName(step, known))
				}
			}
			return true
		})
	}
	return out
}

// stepName is the name of a step: the member Name of a literal, or the first text given to a function that makes it.
func stepName(e ast.Expr, known map[string]string) string {
	switch e := e.(type) {
	case *ast.CompositeLit:
		return constant(member(e, "Name"), known)
	case *ast.CallExpr:
		for _, arg := range e.Args {
			if s := constant(arg, known); s != "" {
				return s
			}
		}
	}
	return ""
}

// member is the value of a member of a literal, nil when it is not given.
func member(lit *ast.CompositeLit, name string) ast.Expr {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == name {
				return kv.Value
			}
		}
	}
	return nil
}

// Heads of tables and words for states are in the catalogue: what is not would be English for everybody.
func TestTablesHaveTheirWords(t *testing.T) {
	t.Parallel()
	english := readTexts(t, text.English)
	wanted := map[string]bool{}
	for _, f := range parsed(t, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			head, isList := call.Args[0].(*ast.CompositeLit)
			if !ok || sel.Sel.Name != "table" || !isList {
				return true
			}
			for _, e := range head.Elts {
				if word := constant(e, nil); word != "" {
					wanted["head."+strings.ReplaceAll(word, " ", "-")] = true
				}
			}
			return true
		})
	}
	if len(wanted) < 40 {
		t.Fatalf("only %d heads are found", len(wanted))
	}
	for _, e := range []protoreflect.Enum{
		packagesv1.PackageStatus_STATE_ABSENT, packagesv1.HealthCheckStatus_RESULT_LOADING, operationsv1.OperationStatus_STATE_FAILED,
		operationsv1.Step_STATE_DONE, diagnosticsv1.Check_RESULT_FAIL, diagnosticsv1.WarningStatus_SEVERITY_NOTICE, actionsv1.TaskSpec_SEVERITY_CRITICAL,
	} {
		for _, word := range enumWords(e.Descriptor()) {
			wanted["word."+word] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if english[key].Other == "" {
			t.Errorf("%s is missing: write it in api/text/en.json", key)
		}
	}
}

// Every flag says what it is for, in words that fit the others.
func TestEveryFlagSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	seen := 0
	helpTexts(newTestApp().newRoot(), func(key string, at *string) {
		if !strings.Contains(key, ".flag.") {
			return
		}
		seen++
		if s := *at; s == "" || strings.HasSuffix(s, ".") || s[:1] != strings.ToLower(s[:1]) {
			t.Errorf("%s is %q: begin with a small letter, end without a full stop", key, s)
		}
	})
	if seen < 10 {
		t.Errorf("only %d flags", seen)
	}
}
