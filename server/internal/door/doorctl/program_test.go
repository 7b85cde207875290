package doorctl

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheDoorIsOfTheProgramThatTheDaemonNamed(t *testing.T) {
	t.Parallel()
	run, bin := t.TempDir(), t.TempDir()
	first, second := filepath.Join(bin, "first"), filepath.Join(bin, "second")
	for _, p := range []string{first, second} {
		if err := os.WriteFile(p, nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	look := func(when, want string) {
		t.Helper()
		if got := Program(run, "/own"); got != want {
			t.Errorf("%s it is %q, want %q", when, got, want)
		}
	}
	name := func(program string) {
		t.Helper()
		if err := (Options{RunDir: run, Program: program}).name(); err != nil {
			t.Fatal(err)
		}
	}
	look("with nothing named", "/own")
	name(first)
	look("once named", first)
	if err := os.WriteFile(link(run)+".next", nil, 0o600); err != nil { // of one that ended half-way
		t.Fatal(err)
	}
	name(second)
	name(second)
	look("named anew", second)
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	look("where the named one is gone", "/own")
	name(bin)
	look("where a folder is named", "/own")
	name("first")
	look("where the name is no path", "/own")
	if os.Geteuid() == 0 {
		name(first)
		if err := os.Lchown(link(run), 61234, 61234); err != nil {
			t.Fatal(err)
		}
		look("where somebody else named it", "/own")
	}
}
