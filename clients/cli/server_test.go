package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hearthos/hearth/api/registry/export"
	"github.com/hearthos/hearth/server/servertest"
)

// What people type against a real server, on a machine that is played: testdata/server/*.txtar. Each script has a server
// of its own, found by $HEARTH_STATE, and a home of its own. $WEB is the URL of the server by TLS, $OTHER the same by its number, $CA
// its root certificate, $PACKAGE a package file of hello-hearth, $NEWER one of its next version, $HEAVY one that asks for more than machines have.
//
// registry.txtar, export.txtar and updates.txtar have a registry, too: $REGISTRY, whose administrator's key is $HEARTH_KEY, and $ONE, $TWO and $THREE, versions
// of a package to be listed, $MORE, one that may do more, $FLAVOR, one of another flavor, and $LATER, one that asks for an SDK which does not exist yet. export.txtar
// has $SITE, a web server that knows nothing but the files in site.
//
//	code N PATTERN PROGRAM ARG...   the program ends with N, and what it says on standard error matches
//	keep NAME                       what was printed last becomes the variable
//	root NAME DIR                   the fingerprint of the first root of an export becomes the variable
//	fails PACKAGE                   the next init of the package fails
//	spoil DIR                       the last byte of each file becomes another
func TestServerScripts(t *testing.T) {
	t.Parallel()
	file := servertest.Package(t, "hello-hearth", func(manifest map[string]any) { manifest["title"] = "Hello Hearth" })
	packages := map[string]string{}
	for name, version := range map[string]string{"ONE": "1.0.0:0", "TWO": "1.1.0:0", "THREE": "2.0.0:0", "LATER": "3.0.0:0", "MORE": "1.2.0:0", "FLAVOR": "#other:1.3.0:0"} {
		packages[name] = servertest.Package(t, "listed", func(m map[string]any) {
			m["version"], m["title"], m["description"] = version, "Listed", map[string]any{"short": "To be found", "long": "By its words"}
			switch name {
			case "LATER":
				m["sdkVersion"] = "9.0.0"
			case "MORE":
				m["hardwareAcceleration"] = true
			}
		})
	}
	newer := servertest.Package(t, "hello-hearth", func(manifest map[string]any) {
		manifest["title"], manifest["version"], manifest["hardwareAcceleration"] = "Hello Hearth", "1.1.0:0", true
		manifest["dependencies"] = map[string]any{"database": map[string]any{"description": "Keeps what is said.", "optional": true}}
	})
	heavy := servertest.Package(t, "hello-hearth", func(manifest map[string]any) {
		manifest["version"], manifest["hardwareRequirements"] = "1.2.0:0", map[string]any{"device": []any{}, "ram": 1 << 50, "arch": nil}
	})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/server", RequireExplicitExec: true, ContinueOnError: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": endsWith, "keep": keep, "root": root, "spoil": spoil, "fails": fails},
		Setup: func(env *testscript.Env) error {
			s := servertest.New(env.T().(testing.TB))
			env.Values[serverOf{}] = s
			if name := filepath.Base(env.WorkDir); name == "script-registry" || name == "script-export" || name == "script-updates" {
				url, key := servertest.Registry(env.T().(testing.TB))
				env.Setenv("REGISTRY", url)
				env.Setenv("HEARTH_KEY", key)
				for name, pkg := range packages {
					env.Setenv(name, pkg)
				}
			}
			if filepath.Base(env.WorkDir) == "script-export" {
				site := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(env.WorkDir, "site"))))
				env.Defer(site.Close)
				env.Setenv("SITE", site.URL)
			}
			for name, value := range map[string]string{
				"HOME": env.WorkDir, "HEARTH_STATE": s.State, "WEB": s.Web(), "OTHER": strings.Replace(s.Web(), "localhost", "127.0.0.1", 1), "CA": s.RootFile(), "PACKAGE": file, "NEWER": newer, "HEAVY": heavy, "TZ": "UTC", "FAR": farOff(),
			} {
				env.Setenv(name, value)
			}
			return nil
		},
	})
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	value := strings.TrimSpace(ts.ReadFile("stdout"))
	if neg || len(args) != 1 || value == "" {
		ts.Fatalf("usage: keep NAME, after something was printed")
	}
	ts.Setenv(args[0], value)
}

func root(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: root NAME DIR")
	}
	ts.Setenv(args[0], export.Fingerprint([]byte(ts.ReadFile(filepath.Join(args[1], "1.root.json")))))
}

// serverOf is the server of a script among its values.
type serverOf struct{}

func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fails PACKAGE")
	}
	ts.Value(serverOf{}).(*servertest.Server).FailInit(args[0])
}

func spoil(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range entries {
		path := filepath.Join(ts.MkAbs(args[0]), e.Name())
		raw, err := os.ReadFile(path)
		ts.Check(err)
		raw[len(raw)-1] ^= 1
		ts.Check(os.WriteFile(path, raw, 0o600))
	}
	if neg || len(entries) == 0 {
		ts.Fatalf("there is nothing in %s", args[0])
	}
}

// farOff is a time of day at which nothing is done by itself while a script runs.
func farOff() string { return time.Now().UTC().Add(12 * time.Hour).Format("15:04") }
