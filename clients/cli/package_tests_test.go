package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/servertest"
)

// testedProject is a project with a played server to test it on.
type testedProject struct {
	devProject
	host, key, state string
}

const copyCode = "mkdir -p javascript && cp code.js javascript/index.js"

func newTestedProject(t *testing.T) *testedProject {
	t.Helper()
	needs(t, "mksquashfs", "node")
	server := servertest.New(t)
	p := &testedProject{devProject: newDevProject(t), host: server.Target(), key: filepath.Join(t.TempDir(), "key.pem"), state: server.State}
	if err := sign.FromSeed([32]byte{9}).Save(p.key); err != nil {
		t.Fatal(err)
	}
	return p
}

// on runs the tests on the server, and answers the exit code with the rows and what was said beside them.
func (p *testedProject) on(ctx context.Context, out *told, flags ...string) (code int, rows []map[string]any, said string) {
	p.t.Helper()
	var beside bytes.Buffer
	args := append([]string{"package", "test", p.dir, "--server", "--key", p.key, "--build", copyCode, "--host", p.host, "--output", "json"}, flags...)
	code = run(ctx, args, Streams{In: strings.NewReader(""), Out: out, Err: &beside})
	for line := range strings.Lines(out.String()) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			p.t.Errorf("no row: %s", line)
		}
		rows = append(rows, row)
	}
	return code, rows, beside.String()
}

// hearth runs another command against the server.
func (p *testedProject) hearth(args ...string) (int, string) {
	p.t.Helper()
	var out bytes.Buffer
	code := run(p.t.Context(), append(args, "--host", p.host), Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	return code, out.String()
}

func events(rows []map[string]any) (list []string) {
	for _, r := range rows {
		name, _ := r["event"].(string)
		if result, ok := r["result"].(string); ok {
			name += " " + result
		}
		list = append(list, name)
	}
	return list
}

const seesThePackage = `import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
test("it is told what it checks", () => {
  const told = JSON.parse(process.env.HEARTH_TESTED);
  assert.equal(told.id, "in-work");
  assert.ok(told.command.some((word) => word.startsWith("--host=")));
  assert.ok(Array.isArray(told.addresses));
  assert.match(readFileSync(process.env.NODE_EXTRA_CA_CERTS, "utf8"), /BEGIN CERTIFICATE/);
});
`

// The tests of a project in memory: what Node finds is run, and its result is the command's.
func TestPackageTestInMemory(t *testing.T) {
	t.Parallel()
	needs(t, "node")
	p := newDevProject(t)
	p.write("some.test.mjs", `import { test } from "node:test"; import { existsSync } from "node:fs";
test("the code is built", () => { if (!existsSync("javascript/index.js")) throw new Error("it is not"); }); test("later", { skip: true }, () => {});`)
	tests := func(flags ...string) (int, string) {
		var out, said bytes.Buffer
		code := run(t.Context(), append([]string{"package", "test", p.dir, "--build", copyCode}, flags...), Streams{In: strings.NewReader(""), Out: &out, Err: &said})
		return code, out.String() + said.String()
	}
	if code, out := tests(); code != exitOK || !strings.Contains(out, "the code is built") {
		t.Errorf("it ends with %d:\n%s", code, out)
	}
	code, out := tests("--output", "json")
	if code != exitOK || !strings.Contains(out, `"name":"the code is built"`) || strings.Count(out, `"result":"passed"`) != 1 || !strings.Contains(out, `"result":"skipped"`) {
		t.Errorf("it ends with %d:\n%s", code, out)
	}
	p.write("wrong.test.mjs", `import { test } from "node:test"; test("it is wrong", () => { throw new Error("so it is"); });`)
	if code, out := tests("--output", "json"); code != exitOther || !strings.Contains(out, `"message":"so it is"`) {
		t.Errorf("with a test that fails it ends with %d:\n%s", code, out)
	}
	if code, out := tests("--update"); code != exitUsage {
		t.Errorf("--update without --server ends with %d:\n%s", code, out)
	}
	if code, out := tests("--build", "false"); code != exitUsage || strings.Contains(out, "so it is") {
		t.Errorf("a build that fails ends with %d:\n%s", code, out)
	}
}

// The tests of a project on a server: it is installed for them and is gone afterwards, however they end.
func TestPackageTestOnAServer(t *testing.T) {
	t.Parallel()
	p := newTestedProject(t)
	gone := func(after string) {
		t.Helper()
		if _, out := p.hearth("package", "list"); strings.Contains(out, "in-work") {
			t.Errorf("after %s it is installed:\n%s", after, out)
		}
	}
	code, rows, said := p.on(t.Context(), newTold())
	if code != exitOK || !slices.Equal(events(rows), []string{"installed", "well", "unchecked", "restored"}) {
		t.Errorf("without checks it ends with %d: %v\n%s", code, events(rows), said)
	}
	gone("no checks")
	p.write("checks/page.mjs", seesThePackage)
	code, rows, said = p.on(t.Context(), newTold())
	if code != exitOK || !slices.Equal(events(rows), []string{"installed", "well", "test passed", "restored"}) {
		t.Errorf("it ends with %d: %v\n%s", code, rows, said)
	}
	gone("checks that pass")
	p.write("checks/wrong.mjs", `import { test } from "node:test"; test("it is wrong", () => { throw new Error("so it is"); });`)
	code, rows, said = p.on(t.Context(), newTold())
	if code != exitOther || !slices.Contains(events(rows), "test failed") || !slices.Contains(events(rows), "restored") {
		t.Errorf("with a check that fails it ends with %d: %v\n%s", code, rows, said)
	}
	gone("a check that fails")

	p.write("checks/wrong.mjs", `import { test } from "node:test"; test("it hangs", { timeout: 300000 }, () => { console.log("hanging"); return new Promise((done) => setTimeout(done, 200000)); });`)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := newTold()
	ended := make(chan int, 1)
	go func() {
		code, _, _ := p.on(ctx, out)
		ended <- code
	}()
	out.until(t, "hanging", 1)
	interrupt()
	if code := <-ended; code != exitCancelled {
		t.Errorf("told to end it ends with %d:\n%s", code, out)
	}
	gone("an interruption")
}

// What people have on the server is left alone unless they say otherwise, and comes back where they do.
func TestPackageTestLeavesAloneWhatIsInstalled(t *testing.T) {
	t.Parallel()
	p := newTestedProject(t)
	p.write("checks/page.mjs", seesThePackage)
	p.write("javascript/index.js", "")
	file := servertest.Package(t, "in-work", func(m map[string]any) { m["version"] = "0.9.0:0" })
	if code, out := p.hearth("package", "install", file); code != exitOK {
		t.Fatalf("it is not installed: %d\n%s", code, out)
	}
	if code, rows, said := p.on(t.Context(), newTold()); code != exitConflict || len(rows) > 0 || !strings.Contains(said, "PACKAGE_INSTALLED") {
		t.Errorf("beside an installed package it ends with %d: %v\n%s", code, rows, said)
	}
	code, rows, said := p.on(t.Context(), newTold(), "--update", "--yes")
	if code != exitOK || !slices.Equal(events(rows), []string{"installed", "well", "test passed", "restored"}) {
		t.Errorf("as an update it ends with %d: %v\n%s", code, rows, said)
	}
	if _, out := p.hearth("package", "list"); !strings.Contains(out, "0.9.0:0") {
		t.Errorf("what was installed is not back:\n%s", out)
	}
	if code, out := p.hearth("package", "uninstall", "in-work", "--keep-data"); code != exitOK {
		t.Fatalf("%d\n%s", code, out)
	}
	// Also those of a package that recorded no version of them.
	for _, act := range []func() error{func() error { return nil }, func() error { return os.Remove(filepath.Join(p.state, "volumes", "in-work", ".version")) }} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
		if code, rows, said := p.on(t.Context(), newTold()); code != exitConflict || len(rows) > 0 || !strings.Contains(said, "were kept") {
			t.Errorf("beside data that were kept it ends with %d: %v\n%s", code, rows, said)
		}
	}
}
