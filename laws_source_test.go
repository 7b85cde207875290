package laws_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sources lists the files below root whose names end in one of these, without what is installed, built or a copy.
func sources(t *testing.T, root string, suffixes ...string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if name == "node_modules" || name == "third_party" || name == "dist" || name == "testdata" || name != "." && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(path, s) }) {
			list = append(list, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, p := range goPackages(t) {
		if within(p.path(), "api/gen") || len(p.GoFiles)+len(p.CgoFiles) == 0 {
			continue
		}
		comment := ""
		for _, name := range append(slices.Clone(p.GoFiles), p.CgoFiles...) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Errorf("%s: %v", p.path(), err)
				continue
			}
			comment += file.Doc.Text()
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(comment, want) && !(p.Name == "main" && len(comment) > 40) {
			t.Errorf("%s has no package comment that begins with %q", p.path(), want)
		}
	}
}

// maxLines is the law; four hundred is the habit.
const maxLines = 800

func TestFilesHaveASizeOneCanRead(t *testing.T) {
	t.Parallel()
	for _, path := range sources(t, ".", ".go", ".ts", ".svelte", ".mjs", ".sh", ".proto") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		head := data[:min(len(data), 400)]
		if bytes.Contains(head, []byte("Code generated")) || bytes.Contains(head, []byte("@generated")) {
			continue
		}
		if lines := bytes.Count(data, []byte("\n")); lines > maxLines {
			t.Errorf("%s has %d lines: divide it by what is inside", path, lines)
		}
	}
}

// A test that is skipped says why, so that a green run tells what it did not show.
func TestSkippedTestsGiveAReason(t *testing.T) {
	t.Parallel()
	for _, path := range sources(t, ".", "_test.go") {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "SkipNow" || sel.Sel.Name == "Skip" && len(call.Args) == 0) {
				t.Errorf("%s: a skipped test gives its reason", set.Position(call.Pos()))
			}
			return true
		})
	}
}
