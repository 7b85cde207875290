// Package laws_test holds the rules of the repository that a compiler does not know. Each rule is an ordinary test and
// says in its failure what to do. What the rules protect is written in ARCHITECTURE.md and docs/decisions.md; a rule that is in the way is
// changed here, in the open, and never worked around.
//
//	laws_test.go           layers, restricted imports
//	laws_contract_test.go  the contract: access, kinds, reasons, names, generated code
//	laws_names_test.go     names that are none in some language
//	laws_owners_test.go    one writer for each part of a row
//	laws_layers_test.go    a change of the contract fails where it is used
//	laws_source_test.go    sources: package comments, sizes, skipped tests
//	laws_lawless_test.go   the laws of the contract held to one that breaks them
package laws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/hearthos/hearth/"

// goPackage is what the go command knows of a package.
type goPackage struct {
	Dir, ImportPath, Name string
	Imports               []string
	GoFiles, TestGoFiles  []string
	XTestGoFiles          []string
	CgoFiles              []string
}

// path is the import path within the module.
func (p goPackage) path() string { return strings.TrimPrefix(p.ImportPath, module) }

var listOnce = sync.OnceValues(func() ([]goPackage, error) {
	out, err := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,Name,Imports,GoFiles,TestGoFiles,XTestGoFiles,CgoFiles", "./...").Output()
	if err != nil {
		return nil, err
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
})

func goPackages(t *testing.T) []goPackage {
	t.Helper()
	list, err := listOnce()
	if err != nil || len(list) < 10 {
		t.Fatalf("cannot list the packages: %d found, %v", len(list), err)
	}
	return list
}

// layer is a place in the order "api, foundations, host, door, areas, rpc, daemon, cmd": a package imports only from
// layers before its own, and from its own package tree.
type layer int

const (
	api layer = iota
	foundation
	host
	door
	area
	rpc
	daemon
	command
	client // sees api alone
)

// inServer names the layer of each package tree of the server.
var inServer = map[string]layer{
	"atomicfile": foundation, "fair": foundation, "hostcmd": foundation, "inbox": foundation, "journal": foundation, "operation": foundation, "warn": foundation, "diagnose": foundation,
	"reconcile": foundation, "seal": foundation, "store": foundation, "testenv": foundation,
	"host": host, "door": door,
	"account": area, "action": area, "artifact": area, "audit": area, "backup": area, "cert": area, "custody": area, "depend": area, "effects": area, "exec": area,
	"forward": area, "gateway": area, "hosts": area, "install": area, "logs": area, "migrate": area, "monitor": area,
	"naming": area, "notify": area, "osupdate": area, "proxy": area, "reach": area, "registry": area, "registryd": area, "runner": area, "settings": area,
	"setup": area, "system": area, "trust": area, "tunnel": area, "tunneld": area, "update": area, "volume": area, "wireless": area,
	"rpc": rpc, "daemon": daemon,
}

// place tells the layer of a package and the tree within which its packages may import each other.
func place(path string) (l layer, tree string, ok bool) {
	segments := strings.Split(path, "/")
	switch {
	case segments[0] == "api":
		return api, "api", true
	case segments[0] == "clients", segments[0] == "runtime", segments[0] == "sdk-ts":
		return client, segments[0], true
	case strings.HasPrefix(path, "server/cmd/"), path == "server/servertest", within(path, "server/e2e"), path == "server/bench":
		return command, path, true
	case strings.HasPrefix(path, "server/internal/"):
		l, ok = inServer[segments[2]]
		tree = strings.Join(segments[:3], "/")
		if l == foundation || l == host {
			// Foundations build on each other, and so do mechanisms; the compiler keeps them free of circles.
			tree = "server/internal:" + map[layer]string{foundation: "foundations", host: "host"}[l]
		}
		return l, tree, ok
	}
	return 0, "", false
}

// sanctioned are the imports against the order that the design allows.
var sanctioned = map[string]string{
	"server/internal/daemon":     "clients/web", // the daemon carries the page
	"server/cmd/hearthd":         "clients/web",
	"server/cmd/hearth-registry": "clients/web", // and a registry its catalogue
}

func TestLayers(t *testing.T) {
	t.Parallel()
	for _, p := range goPackages(t) {
		from, tree, ok := place(p.path())
		if !ok {
			if p.ImportPath != strings.TrimSuffix(module, "/") {
				t.Errorf("%s has no layer: add it to the table in laws_test.go, or move it", p.path())
			}
			continue
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module) {
				continue
			}
			path := strings.TrimPrefix(imported, module)
			to, toTree, ok := place(path)
			if !ok || tree == toTree || mayImport(from, to, path) || sanctioned[p.path()] == path {
				continue
			}
			t.Errorf("%s must not import %s: packages import only from layers before their own, and areas meet in the store or through an interface the consumer declares", p.path(), path)
		}
	}
}

func mayImport(from, to layer, path string) bool {
	switch {
	case to == api:
		return true
	case from == client || to == client:
		return false
	case from == door: // the door lives without the store and what belongs to it
		return to == host || path == "server/internal/fair" || path == "server/internal/atomicfile" || path == "server/internal/journal" || path == "server/internal/hostcmd"
	case to == door:
		return from == command || path == "server/internal/door/doorctl" && from == daemon
	}
	return to < from
}

// restricted names, for each import that is confined, the package trees that may have it: each library has its home, and
// what it is used for is done there once.
var restricted = map[string][]string{
	"os/exec":                                {"server/internal/hostcmd", "server/internal/testenv", "runtime/agent", "clients/cli"},
	"C":                                      {},
	"io/ioutil":                              {},
	"buf.build/gen/go":                       {"api/gen"},
	"buf.build/go/protovalidate":             {"server/internal/rpc"},
	"connectrpc.com/connect/v2":              {"server/internal/rpc"},
	"github.com/coder/websocket":             {}, // a client of tests
	"github.com/dgraph-io/badger/v4":         {"server/internal/store"},
	"github.com/dgraph-io/ristretto/v2":      {"server/internal/store"},
	"github.com/dunglas/httpsfv":             {"api/httpsig"},
	"github.com/emersion":                    {"server/internal/settings"}, // mail is tried out
	"github.com/fsnotify/fsnotify":           {"clients/cli/internal/watched"},
	"github.com/fullstorydev/grpchan":        {"server/internal/rpc"},
	"github.com/fxamacker/cbor":              {"api/s9pk/legacy"},
	"github.com/google/go-cmp":               {"server/internal/host/lxc/lxctest"},
	"github.com/google/go-containerregistry": {"clients/cli", "server/internal/artifact"},
	"github.com/google/nftables":             {"server/internal/host/nft", "server/internal/host/platform"}, // the second asks the kernel for them
	"github.com/google/renameio":             {"server/internal/atomicfile"},
	"github.com/grpc-ecosystem/grpc-gateway": {"server/internal/rpc", "api/gen"},
	"github.com/hanwen/go-fuse":              {}, // disks of tests
	"github.com/johannesboyne/gofakes3":      {"server/internal/registryd/blob/blobtest"},
	"github.com/klauspost/compress":          {"clients/cli/internal/image", "server/internal/rpc"}, // the second keeps nothing between what it compresses
	"github.com/lxc/go-lxc":                  {"server/cmd/hearth-lxc"},
	"github.com/minio/minio-go":              {"server/internal/registryd/blob"},
	"github.com/mattn/go-runewidth":          {"clients/cli"},
	"github.com/mdlayher/netlink":            {"server/internal/host/nft"},
	"github.com/miekg/dns":                   {"server/internal/host/dnsserver", "server/internal/host/mdns"},
	"github.com/moby/sys/mountinfo":          {"server/internal/host/mount"},
	"github.com/nicksnyder/go-i18n":          {"api/text"},
	"github.com/oklog/ulid":                  {"api/ids"},
	"github.com/pires/go-proxyproto":         {"server/internal/rpc", "server/internal/door"},
	"github.com/prometheus":                  {"server/internal/rpc/telemetry"},
	"github.com/robfig/cron/v3":              {"server/internal/reconcile"},
	"github.com/sigstore/sigstore":           {"api/registry/export"}, // the interface by which the next one signs
	"github.com/theupdateframework/go-tuf":   {"api/registry/export"},
	"github.com/things-go/go-socks5":         {"server/internal/door"},
	"github.com/spf13/cobra":                 {"clients/cli", "server/cmd"},
	"github.com/spf13/pflag":                 {"clients/cli", "runtime/agent", "server/cmd"},
	"github.com/stretchr/testify":            {},
	"github.com/tidwall":                     {"clients/cli"},
	"github.com/vishvananda/netlink":         {"server/internal/host"},
	"github.com/zeebo/blake3":                {"api/merkle", "api/sign"},
	"go.opentelemetry.io":                    {"server/internal/rpc/telemetry"},
	"go.yaml.in/yaml/v3":                     {"clients/cli"},
	"golang.org/x/crypto/argon2":             {"server/internal/account", "server/internal/seal"}, // passwords are checked, keys are wrapped
	"golang.org/x/crypto/chacha20poly1305":   {"server/internal/seal"},
	"golang.org/x/crypto/cryptobyte":         {"server/internal/door"},
	"golang.org/x/crypto/nacl":               {"server/internal/seal"},
	"golang.org/x/net":                       {"server/internal/host/dnsserver", "server/internal/host/mdns", "server/internal/hosts", "server/internal/trust"}, // sockets that tell which link a packet came by; names of other scripts; a test reads a page
	"golang.org/x/sync":                      {"api/merkle", "server/internal/daemon", "server/internal/registryd"},
	"golang.org/x/term":                      {"clients/cli", "runtime/agent/internal/startcontainer", "server/cmd/hearthd"},
	"golang.org/x/text":                      {"api/text", "server/internal/host/handout"},
	"google.golang.org/genproto":             {"api/gen", "server/internal/rpc"},
	"google.golang.org/grpc/reflection":      {"server/internal/rpc"},
	"lukechampine.com/blake3":                {"api/merkle"},
	"google.golang.org/grpc": {"api/fault", "api/gen", "clients/cli", "clients/go", "runtime/agent/internal", "server/internal/door", "server/internal/rpc",
		"server/internal/host/sandbox", "server/internal/runner"}, // wires, and the ends of what outlives the daemon, or plays it
}

// anywhere are the libraries that any package may import: the contract's own form, and the kernel's.
var anywhere = []string{"google.golang.org/protobuf", "golang.org/x/sys"}

func TestRestrictedImports(t *testing.T) {
	t.Parallel()
	for _, p := range goPackages(t) {
		for _, imported := range p.Imports {
			if why := mayHave(p.path(), imported); why != "" {
				t.Errorf("%s must not import %s: %s", p.path(), imported, why)
			}
		}
	}
}

// mayHave says why a package may not import another, and nothing when it may.
func mayHave(path, imported string) string {
	home := false
	for name, trees := range restricted {
		if !within(imported, name) {
			continue
		}
		home = true
		if !slices.ContainsFunc(trees, func(tree string) bool { return within(path, tree) }) {
			return fmt.Sprintf("allowed in %q", trees)
		}
	}
	first, _, _ := strings.Cut(imported, "/")
	if foreign := strings.Contains(first, ".") && !strings.HasPrefix(imported, module); foreign && !home &&
		!slices.ContainsFunc(anywhere, func(name string) bool { return within(imported, name) }) {
		return "it has no home: give it one in the table 'restricted' of laws_test.go"
	}
	return ""
}

func TestTheImportLawTellsThemApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, imported string
		allowed        bool
	}{
		{"server/internal/store", "github.com/dgraph-io/badger/v4", true},
		{"server/internal/store", "github.com/dgraph-io/badger/v4/options", true},
		{"server/internal/install", "github.com/dgraph-io/badger/v4", false},
		{"server/internal/rpc/staterpc", "google.golang.org/grpc", true},
		{"server/internal/hosts", "google.golang.org/grpc/codes", false},
		{"clients/go", "google.golang.org/grpc/reflection", false}, // the narrower rule holds too
		{"server/internal/install", "google.golang.org/protobuf/proto", true},
		{"server/internal/install", "golang.org/x/sys/unix", true},
		{"server/internal/install", "os", true},
		{"server/internal/install", "os/exec", false},
		{"server/internal/install", "example.org/new/library", false},
		{"server/internal/install", module + "api/ids", true},
	} {
		if got := mayHave(c.path, c.imported) == ""; got != c.allowed {
			t.Errorf("%s imports %s: %v, should be %v", c.path, c.imported, got, c.allowed)
		}
	}
}

// A rule whose library is gone says nothing: it is taken out of the table.
func TestEveryRuleOfImportsIsNeeded(t *testing.T) {
	t.Parallel()
	used := make(map[string]bool)
	for _, p := range goPackages(t) {
		for _, imported := range p.Imports {
			for name := range restricted {
				used[name] = used[name] || within(imported, name)
			}
		}
	}
	for name, trees := range restricted {
		if len(trees) > 0 && !used[name] {
			t.Errorf("nothing imports %s: its rule can go", name)
		}
	}
}

// within tells whether path is root or below it.
func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func TestNamesOfPackagesSayWhatIsInside(t *testing.T) {
	t.Parallel()
	for _, p := range goPackages(t) {
		for _, segment := range strings.Split(p.path(), "/") {
			switch segment {
			case "util", "utils", "common", "helper", "helpers", "types", "models", "misc", "base", "pkg", "manager":
				t.Errorf("%s: %q says nothing about what is inside", p.path(), segment)
			}
		}
	}
}

// The law itself: what it lets pass and what not.
func TestTheLayerLawTellsThemApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"api/s9pk", "api/merkle", true},
		{"api/s9pk", "server/internal/store", false},
		{"server/internal/reconcile", "server/internal/store", true},
		{"server/internal/store", "server/internal/host/lxc", false},
		{"server/internal/host/lxc", "server/internal/host/mount", true},
		{"server/internal/host/lxc", "server/internal/hostcmd", true},
		{"server/internal/host/lxc", "server/internal/runner", false},
		{"server/internal/runner", "server/internal/host/lxc", true},
		{"server/internal/runner", "server/internal/volume", false},
		{"server/internal/runner", "server/internal/rpc", false},
		{"server/internal/rpc/staterpc", "server/internal/store", true},
		{"server/internal/rpc/packagesrpc", "server/internal/install", true},
		{"server/internal/rpc", "server/internal/daemon", false},
		{"server/internal/door", "server/internal/store", false},
		{"server/internal/door", "server/internal/proxy", false},
		{"server/internal/door", "server/internal/host/dnsserver", true},
		{"server/internal/proxy", "server/internal/door", false},
		{"server/internal/daemon", "server/internal/runner", true},
		{"server/internal/daemon", "clients/web", true},
		{"server/internal/daemon", "clients/go", false},
		{"server/cmd/hearthd", "server/internal/daemon", true},
		{"clients/cli", "clients/go", true},
		{"clients/cli", "api/s9pk", true},
		{"clients/cli", "server/internal/store", false},
		{"runtime/agent", "clients/go", false},
	} {
		from, tree, ok := place(c.from)
		to, toTree, ok2 := place(c.to)
		if !ok || !ok2 {
			t.Errorf("%s or %s has no layer", c.from, c.to)
		}
		if got := tree == toTree || mayImport(from, to, c.to) || sanctioned[c.from] == c.to; got != c.allowed {
			t.Errorf("%s imports %s: %v, should be %v", c.from, c.to, got, c.allowed)
		}
	}
}
