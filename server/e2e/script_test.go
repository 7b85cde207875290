package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// What people type against a real server, as scripts: testdata/script/*.txtar. All run on one machine, beside each other,
// with the sample installed, each with a home of its own. $STATE is the state folder, $BIN has the programs.
//
//	code N PATTERN PROGRAM ARG...   the program ends with N, and what it says on standard error matches
//	keep NAME                       what was printed last becomes the variable
func TestScripts(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.hearth("package", "install", filepath.Join(m.bin, sample+".s9pk"))
	m.healthy(sample)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, ContinueOnError: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": endsWith, "keep": keep},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("HEARTH_STATE", m.state)
			env.Setenv("STATE", m.state)
			env.Setenv("BIN", m.bin)
			env.Setenv("PATH", filepath.Join(env.WorkDir, ".bin")+":"+os.Getenv("PATH"))
			return m.enter(filepath.Join(env.WorkDir, ".bin"), "hearth", "curl")
		},
	})
}

// enter writes programs into a folder that run on the machine, where they were called.
func (m *machine) enter(dir string, programs ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range programs {
		path := name
		if name == "hearth" {
			path = filepath.Join(m.bin, name)
		}
		text := fmt.Sprintf("#!/bin/sh\nexec nsenter -t %d -n -m -- env -C \"$PWD\" -- PATH=%q %s \"$@\"\n", m.holder.Process.Pid, os.Getenv("PATH"), path)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func endsWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: code N PATTERN PROGRAM ARG...")
	}
	err := ts.Exec(args[2], args[3:]...)
	code := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	said := ts.ReadFile("stderr")
	if strconv.Itoa(code) != args[0] || !regexp.MustCompile(args[1]).MatchString(said) {
		ts.Fatalf("%q ends with %d, want %s and %q:\n%s", args[2:], code, args[0], args[1], said)
	}
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	value := strings.TrimSpace(ts.ReadFile("stdout"))
	if neg || len(args) != 1 || value == "" {
		ts.Fatalf("usage: keep NAME, after something was printed")
	}
	ts.Setenv(args[0], value)
}
