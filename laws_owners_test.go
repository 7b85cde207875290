package laws_test

import (
	"fmt"
	"go/ast"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"golang.org/x/tools/go/packages"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A row has two owners: one area writes what is wanted, one what is observed. The law reads the sources with their types:
// who puts or deletes rows of a kind, and who sets its spec or its status.

// writers are the areas that own a kind.
type writers struct {
	kind, spec, status string
}

// written is a place where a part of a kind is written: "row", "spec", "status" or "delete".
type written struct {
	part, message, area, at string
}

func TestEachPartOfAKindHasOneWriter(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it loads the types of the whole server: not with -short")
	}
	owners := make(map[string]writers)
	eachKind(t, func(md protoreflect.MessageDescriptor, kind *optionsv1.Kind) {
		owners[goName(md)] = writers{kind: kind.GetId(), spec: kind.GetSpecWriter(), status: kind.GetStatusWriter()}
	})
	// A file that breaks the law in each way, for as long as the test runs: the law must find it all.
	lawless, err := filepath.Abs("server/internal/warn/lawless.go")
	if err != nil {
		t.Fatal(err)
	}
	const breaks = `package warn
import (packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"; "github.com/hearthos/hearth/server/internal/store")
func lawless(tx *store.Tx, p *packagesv1.Package) error {
	p.Spec.Desired = 0
	p.GetStatus().Fault = nil
	p.Status = nil
	if err := store.Delete[*packagesv1.Package](tx, "x"); err != nil { return err }
	return store.Put(tx, p)
}
`
	list, err := packages.Load(&packages.Config{
		Mode:    packages.NeedName | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedExportFile,
		Context: t.Context(), Overlay: map[string][]byte{lawless: []byte(breaks)},
	}, "./server/internal/...")
	if err != nil {
		t.Fatal(err)
	}
	seen, caught := 0, []string{}
	for _, p := range list {
		for _, w := range writesOf(p) {
			o, known := owners[w.message]
			if !known {
				continue
			}
			seen++
			switch {
			case strings.HasPrefix(w.at, lawless):
				if !o.allows(w) {
					caught = append(caught, w.part)
				}
			case !o.allows(w):
				t.Errorf("%s: %s writes the %s of kind %q, which %s and %s own", w.at, w.area, w.part, o.kind, o.spec, o.status)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d places that write rows: the law looks past them", seen)
	}
	if slices.Sort(caught); !slices.Equal(caught, []string{"delete", "row", "spec", "status", "status"}) {
		t.Errorf("of what breaks the law it finds %v", caught)
	}
}

// allows tells whether a place may write what it writes.
func (o writers) allows(w written) bool {
	switch w.part {
	case "spec":
		return w.area == o.spec
	case "status":
		return w.area == o.status
	}
	return w.area == o.spec || w.area == o.status
}

// goName is the name of a message's type as types has it.
func goName(md protoreflect.MessageDescriptor) string {
	folder := strings.TrimSuffix(md.ParentFile().Path(), "/"+lastSegment(md.ParentFile().Path()))
	return module + "api/gen/go/" + folder + "." + string(md.Name())
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// writesOf finds the places of a package that write rows.
func writesOf(p *packages.Package) []written {
	segments := strings.Split(strings.TrimPrefix(p.PkgPath, module+"server/internal/"), "/")
	var list []written
	add := func(n ast.Node, part string, of types.Type) {
		if name := messageName(of); name != "" {
			list = append(list, written{part: part, message: name, area: segments[0], at: p.Fset.Position(n.Pos()).String()})
		}
	}
	for _, file := range p.Syntax {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				instance, ok := p.TypesInfo.Instances[n]
				if f := p.TypesInfo.Uses[n]; ok && f != nil && f.Pkg() != nil && f.Pkg().Path() == module+"server/internal/store" {
					switch f.Name() {
					case "Put", "SetEphemeral":
						add(n, "row", instance.TypeArgs.At(0))
					case "Delete", "DeleteBelow", "DropEphemeral":
						add(n, "delete", instance.TypeArgs.At(0))
					}
				}
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					partOf(p.TypesInfo, left, add)
				}
			case *ast.IncDecStmt:
				partOf(p.TypesInfo, n.X, add)
			}
			return true
		})
	}
	return list
}

// partOf finds the spec or the status that an assignment goes into: row.Spec = …, row.Status.State = …,
// row.GetStatus().State = ….
func partOf(info *types.Info, e ast.Expr, add func(ast.Node, string, types.Type)) {
	for {
		switch x := e.(type) {
		case *ast.SelectorExpr:
			if part := strings.ToLower(strings.TrimPrefix(x.Sel.Name, "Get")); part == "spec" || part == "status" {
				add(x, part, info.TypeOf(x.X))
			}
			e = x.X
		case *ast.CallExpr:
			e = x.Fun
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return
		}
	}
}

// messageName is the full name of the named type that t is or points to.
func messageName(t types.Type) string {
	if t == nil {
		return ""
	}
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return ""
	}
	return fmt.Sprintf("%s.%s", named.Obj().Pkg().Path(), named.Obj().Name())
}
