package laws_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// Every package of the contract, so that its descriptors are known here.
	_ "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/certificates/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/dns/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/exec/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/jshost/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/notifications/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"
	_ "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
)

// kinds are the resource kinds by number. Numbers are keys on people's disks: a line is added for a new kind, and none
// is ever changed, removed or used again.
var kinds = map[uint32]string{
	1: "operation", 2: "progress", 3: "package", 4: "artifact", 5: "healthcheck", 6: "dependency",
	7: "refusedeffect", 8: "container", 20: "action", 21: "task", 30: "host", 32: "gateway", 40: "token", 41: "account",
	42: "password", 43: "session", 47: "audit", 48: "key", 49: "signaturelease", 50: "preferences", 51: "usage", 52: "serverusage", 53: "healthchange", 54: "hardware", 70: "warning", 71: "calendarentry", 72: "urlplugin", 73: "reachability", 76: "dnssettings", 77: "hostgates",
	80: "registry", 81: "registrysigner", 82: "registrypackage", 83: "registryversion", 84: "registrycategory", 85: "registryosversion", 86: "registryidentity", 87: "registryday",
	100: "snapshot", 110: "effectpolicy", 111: "notification", 112: "settings", 113: "smtp", 114: "smtppassword", 115: "updatepolicy", 116: "packageupdate", 125: "actionrun", 130: "packagelimits", 135: "passthrough", 138: "registrytrust", 148: "packagemetrics", 139: "registrycheckins", 141: "registryupstream",
}

// contract are the files of the contract.
func contract(t *testing.T) []protoreflect.FileDescriptor {
	t.Helper()
	var files []protoreflect.FileDescriptor
	known := map[string]bool{}
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(fd.Path(), "hearth/") {
			files, known[fd.Path()] = append(files, fd), true
		}
		return true
	})
	for _, path := range sources(t, "api/proto", ".proto") {
		if !known[strings.TrimPrefix(path, "api/proto/")] {
			t.Errorf("%s is not known to the laws: add its package to the imports of laws_contract_test.go", path)
		}
	}
	return files
}

func eachMethod(t *testing.T, do func(protoreflect.MethodDescriptor)) {
	t.Helper()
	for _, fd := range contract(t) {
		for i := range fd.Services().Len() {
			for j := range fd.Services().Get(i).Methods().Len() {
				do(fd.Services().Get(i).Methods().Get(j))
			}
		}
	}
}

func TestEveryMethodSaysWhoMayCallIt(t *testing.T) {
	t.Parallel()
	eachMethod(t, func(m protoreflect.MethodDescriptor) {
		for _, fault := range accessFaults(m) {
			t.Errorf("%s %s", m.FullName(), fault)
		}
	})
}

// accessFaults says what is wrong with who may call a method.
func accessFaults(m protoreflect.MethodDescriptor) (faults []string) {
	// Who calls the first three has no credential yet, or does not trust the server yet; the others answer at any time.
	open := []string{"ClaimServer", "Login", "GetRoot", "GetState", "Ping"}
	access, _ := proto.GetExtension(m.Options(), optionsv1.E_Access).(*optionsv1.Access)
	switch who := access.GetWho().(type) {
	case nil:
		faults = append(faults, "has no option (hearth.options.v1.access)")
	case *optionsv1.Access_Role:
		if who.Role == optionsv1.Role_ROLE_UNSPECIFIED {
			faults = append(faults, "lets nobody in: its role is not given")
		}
	case *optionsv1.Access_Anonymous:
		catalogue := m.Parent().FullName() == "hearth.registry.v1.CatalogService" // it is there for everybody
		if !catalogue && !slices.Contains(open, string(m.Name())) {
			faults = append(faults, "lets everybody in: add it to the law if that is meant")
		}
	}
	area := strings.Split(m.ParentFile().Path(), "/")[1]
	if _, container := access.GetWho().(*optionsv1.Access_Container); container != slices.Contains([]string{"effects", "agent", "jshost"}, area) {
		faults = append(faults, "is in the wrong place: methods for containers are in effects, agent and jshost, and only they")
	}
	if _, internal := access.GetWho().(*optionsv1.Access_Internal); internal != (area == "door") {
		faults = append(faults, "is in the wrong place: internal methods are those of the door, and only they")
	}
	return faults
}

func TestNamesOfOtherWorldsAreUnique(t *testing.T) {
	t.Parallel()
	for what, ext := range map[string]protoreflect.ExtensionType{"legacy_rpc": optionsv1.E_LegacyRpc, "effect": optionsv1.E_Effect} {
		seen := map[string]protoreflect.FullName{}
		eachMethod(t, func(m protoreflect.MethodDescriptor) {
			name, _ := proto.GetExtension(m.Options(), ext).(string)
			if other, twice := seen[name]; twice && name != "" {
				t.Errorf("%s and %s have the same %s %q", m.FullName(), other, what, name)
			}
			seen[name] = m.FullName()
		})
	}
}

// eachKind calls do for each message that is a kind.
func eachKind(t *testing.T, do func(protoreflect.MessageDescriptor, *optionsv1.Kind)) {
	t.Helper()
	for _, fd := range contract(t) {
		for i := range fd.Messages().Len() {
			md := fd.Messages().Get(i)
			if kind, _ := proto.GetExtension(md.Options(), optionsv1.E_Kind).(*optionsv1.Kind); kind != nil {
				do(md, kind)
			}
		}
	}
}

func TestKindsAreStable(t *testing.T) {
	t.Parallel()
	found := map[uint32]string{}
	ids := map[string]protoreflect.FullName{}
	eachKind(t, func(md protoreflect.MessageDescriptor, kind *optionsv1.Kind) {
		number, id := kind.GetNumber(), kind.GetId()
		if other, twice := ids[id]; twice || found[number] != "" {
			t.Errorf("%s has number %d and id %q, which %s or %s has", md.FullName(), number, id, other, found[number])
		}
		found[number], ids[id] = id, md.FullName()
		if kinds[number] != id {
			t.Errorf("%s: kind %q has number %d, which the table of the laws gives to %q", md.FullName(), id, number, kinds[number])
		}
		if number == 0 || number > 65535 || kind.GetDurability() == 0 || kind.GetSpecWriter() == "" || kind.GetStatusWriter() == "" {
			t.Errorf("%s: the option is not complete: %v", md.FullName(), kind)
		}
		if meta := md.Fields().ByNumber(1); meta == nil || meta.Name() != "meta" || meta.Message() == nil || meta.Message().FullName() != "hearth.meta.v1.Meta" {
			t.Errorf("%s: field 1 of a kind is hearth.meta.v1.Meta meta", md.FullName())
		}
	})
	for number, id := range kinds {
		if found[number] == "" {
			t.Errorf("kind %d %q has gone: its rows are on people's disks; keep the message, or a migration and a reserved line", number, id)
		}
	}
}

func TestPublicKindsAreInTheFeed(t *testing.T) {
	t.Parallel()
	inFeed := map[protoreflect.FullName]bool{}
	arms := (&statev1.Resource{}).ProtoReflect().Descriptor().Fields()
	for i := range arms.Len() {
		inFeed[arms.Get(i).Message().FullName()] = true
	}
	eachKind(t, func(md protoreflect.MessageDescriptor, kind *optionsv1.Kind) {
		public := kind.GetReadRole() != optionsv1.Role_ROLE_UNSPECIFIED
		if public != inFeed[md.FullName()] {
			t.Errorf("%s: a kind somebody may read is in the oneof of hearth.state.v1.Resource, an internal one is not", md.FullName())
		}
		delete(inFeed, md.FullName())
	})
	for name := range inFeed {
		t.Errorf("%s is in hearth.state.v1.Resource and no kind", name)
	}
}

func TestReasonsAreExplained(t *testing.T) {
	t.Parallel()
	values := metav1.Reason(0).Descriptor().Values()
	for i := range values.Len() {
		for _, fault := range reasonFaults(values.Get(i)) {
			t.Errorf("%s %s", values.Get(i).Name(), fault)
		}
	}
}

// reasonFaults says what is wrong with a reason.
func reasonFaults(v protoreflect.EnumValueDescriptor) (faults []string) {
	if v.Number() == 0 {
		return nil
	}
	info, _ := proto.GetExtension(v.Options(), optionsv1.E_Reason).(*optionsv1.ReasonInfo)
	if info.GetCode() == optionsv1.Code_CODE_UNSPECIFIED {
		faults = append(faults, "needs a code")
	}
	if !strings.HasSuffix(info.GetRemedy(), ".") {
		faults = append(faults, "needs a remedy that is a sentence")
	}
	if len(v.Name()) > 63 {
		faults = append(faults, "is longer than 63 characters")
	}
	return faults
}

// TestGeneratedCodeIsCurrent generates everything anew, beside the tree, and compares.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("generating takes seconds: not with -short")
	}
	buf, err := filepath.Abs("node_modules/.bin/buf")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(buf); err != nil {
		t.Skip("buf is not installed: run 'make setup'")
	}
	fresh := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // seconds, but for the first time on a machine and where many work
	defer cancel()
	cmd := exec.CommandContext(ctx, "scripts/generate", fresh)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(buf)+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("scripts/generate: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	compareTrees(t, fresh)
}

// compareTrees compares each generated file with the committed one, and looks for committed ones that are no longer
// generated.
func compareTrees(t *testing.T, fresh string) {
	t.Helper()
	generated := map[string]bool{}
	err := filepath.WalkDir(fresh, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(fresh, path)
		if err != nil {
			return err
		}
		generated[rel] = true
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if got, err := os.ReadFile(rel); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the contract generates: run 'make generate' (%v)", rel, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	committed := append(sources(t, "api/gen/go", ".go"), sources(t, "sdk-ts/packages", "_pb.ts")...)
	if _, err := os.Stat(".cache/python"); err == nil {
		committed = append(committed, sources(t, "clients/gen/python/hearth", ".py")...)
	}
	for _, path := range committed {
		if !generated[path] {
			t.Errorf("%s is no longer generated from the contract: remove it", path)
		}
	}
}

// secretWords are the names of what only its owner may see, and notSecret the fields that have such a name and are none.
var (
	secretWords = []string{"password", "passphrase", "secret", "token", "code", "cookie", "ticket", "private", "credential"}
	notSecret   = []string{"page_token", "next_page_token", "exit_code", "status_code", "language_code", "country_code", "hearth.audit.v1.EntrySpec.credential" /* an id */}
)

func TestSecretsAreMarked(t *testing.T) {
	t.Parallel()
	found := 0
	eachField(t, func(f protoreflect.FieldDescriptor) {
		text := f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.BytesKind
		named := slices.ContainsFunc(strings.Split(string(f.Name()), "_"), func(word string) bool {
			return slices.Contains(secretWords, strings.TrimSuffix(word, "s"))
		})
		marked, _ := proto.GetExtension(f.Options(), optionsv1.E_Secret).(bool)
		target, _ := proto.GetExtension(f.Options(), optionsv1.E_Target).(bool)
		named = named && !strings.HasSuffix(string(f.Name()), "_hash")
		if named && text && !marked && !slices.Contains(notSecret, string(f.Name())) && !slices.Contains(notSecret, string(f.FullName())) {
			t.Errorf("%s is named like a secret: give it the option (hearth.options.v1.secret) = true, or the law an exception", f.FullName())
		}
		if marked && target {
			t.Errorf("%s is a secret and would be in the audit log", f.FullName())
		}
		if marked {
			found++
		}
	})
	if found == 0 {
		t.Error("no field is marked as a secret")
	}
}

// TestRowsHoldNoSecrets looks into every message that a kind somebody may read is made of.
func TestRowsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	eachKind(t, func(md protoreflect.MessageDescriptor, kind *optionsv1.Kind) {
		if kind.GetReadRole() == optionsv1.Role_ROLE_UNSPECIFIED {
			return
		}
		seen := map[protoreflect.FullName]bool{}
		var look func(md protoreflect.MessageDescriptor)
		look = func(md protoreflect.MessageDescriptor) {
			if seen[md.FullName()] {
				return
			}
			seen[md.FullName()] = true
			for i := range md.Fields().Len() {
				f := md.Fields().Get(i)
				if marked, _ := proto.GetExtension(f.Options(), optionsv1.E_Secret).(bool); marked {
					t.Errorf("%s is a secret in rows of kind %q, which somebody may watch", f.FullName(), kind.GetId())
				}
				if f.Message() != nil {
					look(f.Message())
				}
			}
		}
		look(md)
	})
}

// eachField calls do for each field of the contract.
func eachField(t *testing.T, do func(protoreflect.FieldDescriptor)) {
	t.Helper()
	var within func(list protoreflect.MessageDescriptors)
	within = func(list protoreflect.MessageDescriptors) {
		for i := range list.Len() {
			md := list.Get(i)
			for j := range md.Fields().Len() {
				do(md.Fields().Get(j))
			}
			within(md.Messages())
		}
	}
	for _, fd := range contract(t) {
		within(fd.Messages())
	}
}
