package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hearthos/hearth/server/servertest"
)

// What people type against a real server, on a machine that is played: testdata/server/*.txtar. Each script has a server
// of its own, found by $HEARTH_STATE, and a home of its own. $WEB is the URL of the server by TLS, $OTHER the same by its number, $CA
// its root certificate, $PACKAGE a package file of hello-hearth.
//
//	code N PATTERN PROGRAM ARG...   the program ends with N, and what it says on standard error matches
//	keep NAME                       what was printed last becomes the variable
func TestServerScripts(t *testing.T) {
	t.Parallel()
	file := servertest.Package(t, "hello-hearth", func(manifest map[string]any) { manifest["title"] = "Hello Hearth" })
	testscript.Run(t, testscript.Params{
		Dir: "testdata/server", RequireExplicitExec: true, ContinueOnError: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": endsWith, "keep": keep},
		Setup: func(env *testscript.Env) error {
			s := servertest.New(env.T().(testing.TB))
			for name, value := range map[string]string{
				"HOME": env.WorkDir, "HEARTH_STATE": s.State, "WEB": s.Web(), "OTHER": strings.Replace(s.Web(), "localhost", "127.0.0.1", 1), "CA": s.RootFile(), "PACKAGE": file, "TZ": "UTC",
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
