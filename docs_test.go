package laws_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
)

// What people read is held to the code here: the pages that follow from the contract are made by it, and every file
// that a page names is there.
//
//	go test . -run TestGeneratedPages -update    writes docs/reasons.md, docs/methods.md and the table of api/README.md anew

var update = flag.Bool("update", false, "write the generated pages anew")

func TestGeneratedPages(t *testing.T) {
	t.Parallel()
	for path, page := range map[string]string{"docs/reasons.md": reasonsPage(), "docs/methods.md": methodsPage(t), "api/README.md": surfacePage(t)} {
		if *update {
			if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
				t.Error(err)
			}
			continue
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(page, string(have)); diff != "" {
			t.Errorf("%s is not what the contract says: run 'go test . -run TestGeneratedPages -update'\n%s", path, diff)
		}
	}
}

func reasonsPage() string {
	var b strings.Builder
	b.WriteString(`# Fault reasons

Every refusal and failure carries one of these reasons. They are a closed list: a number never changes its meaning. The
numbers of the codes are those of gRPC. "Retry" says that the same call may succeed later without a change by the caller.

This page is made from ` + "`api/proto/hearth/meta/v1/fault.proto`" + ` by a test; do not edit it.

| reason | number | code | retry | what to do |
|---|---:|---|---|---|
`)
	values := metav1.Reason(0).Descriptor().Values()
	for i := range values.Len() {
		v := values.Get(i)
		info, _ := proto.GetExtension(v.Options(), optionsv1.E_Reason).(*optionsv1.ReasonInfo)
		if v.Number() == 0 {
			continue
		}
		retry := ""
		if info.GetRetryable() {
			retry = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s |\n", strings.TrimPrefix(string(v.Name()), "REASON_"), v.Number(),
			strings.TrimPrefix(info.GetCode().String(), "CODE_"), retry, info.GetRemedy())
	}
	return b.String()
}

func methodsPage(t *testing.T) string {
	var b strings.Builder
	b.WriteString(`# Methods

Every public method, who may call it, its REST route and the name by which JSON-RPC clients of StartOS know it. "stream"
marks methods that answer with a stream, "fresh" those that want a [fresh proof](api.md#proving-again-who-asks) of who asks.

Who may call follows from one option of each method, on every wire: nobody needs no credential; the roles are those of
accounts, their sessions and tokens; local is the local socket, as root or the daemon's own user, who is an owner. A
method may refuse more than its option does: see [accounts](accounts.md). A token with a scope of packages may call only
the methods marked "pkg", and those only for its packages.

This page is made from the contract by a test; do not edit it.
`)
	last := protoreflect.FullName("")
	var rows []protoreflect.MethodDescriptor
	eachMethod(t, func(m protoreflect.MethodDescriptor) { rows = append(rows, m) })
	slices.SortStableFunc(rows, func(a, b protoreflect.MethodDescriptor) int {
		return strings.Compare(string(a.Parent().FullName()), string(b.Parent().FullName()))
	})
	for _, m := range rows {
		access, _ := proto.GetExtension(m.Options(), optionsv1.E_Access).(*optionsv1.Access)
		if access.GetContainer() || access.GetInternal() {
			continue // not on a public listener
		}
		if service := m.Parent().FullName(); service != last {
			fmt.Fprintf(&b, "\n## %s\n\n| method | nobody | viewer | operator | admin | owner | local | scope | REST | JSON-RPC |\n|---|---|---|---|---|---|---|---|---|---|\n", service)
			last = service
		}
		name := string(m.Name())
		if m.IsStreamingServer() {
			name += " (stream)"
		}
		if fresh, _ := proto.GetExtension(m.Options(), optionsv1.E_StepUp).(bool); fresh {
			name += " (fresh)"
		}
		legacy, _ := proto.GetExtension(m.Options(), optionsv1.E_LegacyRpc).(string)
		if legacy != "" {
			legacy = "`" + legacy + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, strings.Join(mayCall(access), " | "), scopeOf(m), route(m), legacy)
	}
	return b.String()
}

// mayCall marks who may call a method: nobody in particular, each role, and the local socket.
func mayCall(access *optionsv1.Access) []string {
	marks := make([]string, 0, 6)
	mark := func(may bool) {
		marks = append(marks, map[bool]string{true: "x"}[may])
	}
	role := access.GetRole()
	mark(access.GetAnonymous())
	for r := optionsv1.Role_ROLE_VIEWER; r <= optionsv1.Role_ROLE_OWNER; r++ {
		mark(access.GetAnonymous() || role != optionsv1.Role_ROLE_UNSPECIFIED && r >= role)
	}
	mark(true)
	return marks
}

// surfacePage is api/README.md with its table of the whole surface as the contract has it: each method that is there is
// in it, and none of those to come is there already, by its name or by that of StartOS.
func surfacePage(t *testing.T) string {
	have, err := os.ReadFile("api/README.md")
	if err != nil {
		t.Fatal(err)
	}
	const rule = "|---|---|---|---|---|---|---|\n"
	head, table, ok := strings.Cut(string(have), "| package | service | method | resource | access | StartOS | there |\n"+rule)
	if !ok {
		t.Fatal("api/README.md has no table of the surface")
	}
	var rows []string
	there := map[string]bool{}
	eachMethod(t, func(m protoreflect.MethodDescriptor) {
		who := whoMayCall(m)
		if who == "" {
			return
		}
		legacy, _ := proto.GetExtension(m.Options(), optionsv1.E_LegacyRpc).(string)
		if legacy != "" {
			legacy = "`" + legacy + "`"
			there[legacy] = true
		}
		there[string(m.FullName())] = true
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s | yes |", m.ParentFile().Package(), m.Parent().Name(), m.Name(), resourceOf(m), who, legacy))
	})
	for _, row := range strings.Split(strings.TrimSpace(table), "\n") {
		cells := strings.Split(row, "|")
		if len(cells) != 9 {
			t.Errorf("api/README.md: the row %q has not seven cells", row)
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		name := strings.Trim(cells[1], "`") + "." + cells[2] + "." + cells[3]
		elsewhere := strings.Contains(cells[1], ".registry.") || strings.Contains(cells[1], ".tunnel.") // with methods of the same names
		if cells[7] == "" && !there[name] && (elsewhere || !there[cells[6]]) {
			rows = append(rows, row)
		}
	}
	slices.Sort(rows)
	return head + "| package | service | method | resource | access | StartOS | there |\n" + rule + strings.Join(rows, "\n") + "\n"
}

// resourceOf is the id of the kind that the answer of a method holds.
func resourceOf(m protoreflect.MethodDescriptor) string {
	fields := m.Output().Fields()
	for i := range fields.Len() {
		if md := fields.Get(i).Message(); md != nil {
			if kind, _ := proto.GetExtension(md.Options(), optionsv1.E_Kind).(*optionsv1.Kind); kind != nil {
				return kind.GetId()
			}
		}
	}
	return ""
}

// whoMayCall is the least role that may call a public method; empty for the others.
func whoMayCall(m protoreflect.MethodDescriptor) string {
	access, _ := proto.GetExtension(m.Options(), optionsv1.E_Access).(*optionsv1.Access)
	switch who := access.GetWho().(type) {
	case *optionsv1.Access_Role:
		return strings.ToLower(strings.TrimPrefix(who.Role.String(), "ROLE_"))
	case *optionsv1.Access_Anonymous:
		return "everyone"
	case *optionsv1.Access_Local:
		return "local root"
	}
	return ""
}

// scopeOf marks the methods that a scope of packages leaves.
func scopeOf(m protoreflect.MethodDescriptor) string {
	if heeds, _ := proto.GetExtension(m.Options(), optionsv1.E_Scoped).(bool); heeds {
		return "pkg"
	}
	for i := range m.Input().Fields().Len() {
		if names, _ := proto.GetExtension(m.Input().Fields().Get(i).Options(), optionsv1.E_Package).(bool); names {
			return "pkg"
		}
	}
	return ""
}

// route is the REST route of a method, empty where it has none.
func route(m protoreflect.MethodDescriptor) string {
	rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	switch pattern := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return "`GET " + pattern.Get + "`"
	case *annotations.HttpRule_Post:
		return "`POST " + pattern.Post + "`"
	case *annotations.HttpRule_Delete:
		return "`DELETE " + pattern.Delete + "`"
	case *annotations.HttpRule_Patch:
		return "`PATCH " + pattern.Patch + "`"
	case *annotations.HttpRule_Put:
		return "`PUT " + pattern.Put + "`"
	}
	return ""
}

// treePath is a path from the root of the repository as pages write it, in backticks.
var (
	treePath = regexp.MustCompile("`((?:api|server|clients|runtime|sdk-ts|docs|scripts)/[A-Za-z0-9_./-]*[A-Za-z0-9/])`")
	pageLink = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
)

func TestPagesNameFilesThatAreThere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "STYLE.md", "api/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range treePath.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names %s, which is not there: the page or the file has moved on", page, m[1])
			}
		}
		for _, m := range pageLink.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}

// Whoever writes packages finds every effect of the contract on the page of effects.
func TestEveryEffectIsOnItsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/effects.md")
	if err != nil {
		t.Fatal(err)
	}
	eachMethod(t, func(m protoreflect.MethodDescriptor) {
		effect, _ := proto.GetExtension(m.Options(), optionsv1.E_Effect).(string)
		if effect != "" && !strings.Contains(string(page), "\n| `"+effect+"` |") {
			t.Errorf("docs/effects.md has no row of %s", effect)
		}
	})
}
