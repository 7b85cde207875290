package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/servertest"
)

// told is what a command has said so far.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newTold() *told { return &told{more: make(chan struct{}, 1)} }

func (s *told) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *told) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// until waits until a text was said so many times.
func (s *told) until(t *testing.T, text string, times int) {
	t.Helper()
	limit := time.After(60 * time.Second)
	for strings.Count(s.String(), text) < times {
		select {
		case <-s.more:
		case <-limit:
			t.Fatalf("%q was not said %d times:\n%s", text, times, s)
		}
	}
}

// devProject is a project whose build copies its code.
type devProject struct {
	t   *testing.T
	dir string
}

func newDevProject(t *testing.T) devProject {
	p := devProject{t, t.TempDir()}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64"}[runtime.GOARCH]
	for name, text := range map[string]string{
		"icon.svg": `<svg xmlns="http://www.w3.org/2000/svg"/>`, "LICENSE": "MIT", "instructions.md": "None.",
		"images/" + arch + "/main.json": "{}", "images/" + arch + "/main.env": "",
	} {
		p.write(name, text)
	}
	// Nothing of it is run on a played machine.
	if out, err := exec.CommandContext(t.Context(), "mksquashfs", t.TempDir(), filepath.Join(p.dir, "images", arch, "main.squashfs"), "-quiet", "-no-progress").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.code("In work", "1.0.0:0")
	return p
}

func (p devProject) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p devProject) code(title, version string) {
	p.t.Helper()
	manifest, err := json.Marshal(map[string]any{
		"id": "in-work", "version": version, "title": title, "canMigrateTo": "!", "canMigrateFrom": "*", "releaseNotes": "None.", "license": "MIT",
		"description": map[string]any{"short": "Is made", "long": "Is being made."}, "osVersion": "0.4.0-beta.9",
		"packageRepo": "https://example.org/package", "upstreamRepo": "https://example.org/upstream", "volumes": []string{"main"},
		"images":       map[string]any{"main": map[string]any{"source": "packed", "arch": []string{"aarch64", "riscv64", "x86_64"}, "emulateMissingAs": nil}},
		"dependencies": map[string]any{}, "hardwareRequirements": map[string]any{"device": []any{}, "ram": nil, "arch": nil},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("code.js", fmt.Sprintf("exports.manifest = %s;\n", manifest))
}

// A package that is being worked on: each change of it is built, packed and installed; what fails is told and the next
// change tries again; what the service prints and does is shown meanwhile; and the end of the command leaves it installed.
func TestPackageDev(t *testing.T) {
	t.Parallel()
	needs(t, "mksquashfs", "node")
	server := servertest.New(t)
	p := newDevProject(t)
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := sign.FromSeed([32]byte{9}).Save(key); err != nil {
		t.Fatal(err)
	}
	host := []string{"--host", server.Target()}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, said := newTold(), newTold()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("it said:\n%s%s", said, out)
		}
	})
	code := make(chan int, 1)
	build := "mkdir -p javascript && echo building >&2 && cp code.js javascript/index.js"
	go func() {
		code <- run(ctx, append([]string{"package", "dev", p.dir, "--key", key, "--build", build}, host...), Streams{In: strings.NewReader(""), Out: out, Err: said})
	}()
	out.until(t, "* in-work is installed", 1)
	out.until(t, " main: main begins", 1)
	out.until(t, "* running", 1)

	p.write("code.js", "this is no code")
	out.until(t, "* not installed", 1)
	if text := said.String(); !strings.Contains(text, "build: building") || !strings.Contains(text, "PROJECT_INVALID") || !strings.Contains(text, "SyntaxError") {
		t.Errorf("of code that is none it is said:\n%s", text)
	}
	p.code("Mended", "1.0.0:0")
	out.until(t, "* in-work is installed", 2)
	out.until(t, " main: main begins", 2)

	interrupt()
	if got := <-code; got != exitOK {
		t.Errorf("it ends with %d:\n%s", got, said)
	}
	if !strings.Contains(said.String(), "in-work stays installed") {
		t.Errorf("at its end it says:\n%s", said)
	}
	var list bytes.Buffer
	if got := run(t.Context(), append([]string{"package", "list"}, host...), Streams{Out: &list, Err: &list}); got != exitOK || !strings.Contains(list.String(), "Mended") {
		t.Errorf("installed is %d:\n%s", got, &list)
	}
}
