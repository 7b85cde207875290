package hostcmd_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/hostcmd"
)

func sh(script string) hostcmd.Cmd {
	return hostcmd.Cmd{Path: "sh", Args: []string{"-c", script}}
}

func TestOutputIsWhatTheProgramPrinted(t *testing.T) {
	t.Parallel()
	c := sh("cat; pwd")
	c.Stdin = strings.NewReader("hello\n")
	out, err := hostcmd.Output(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(out); got != "hello\n/\n" {
		t.Errorf("got %q", got)
	}
}

func TestEnvironmentIsFixed(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "leaked")
	c := sh("env")
	c.Env = []string{"ADDED=yes", "LANG=de_DE.UTF-8"}
	out, err := hostcmd.Output(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	got := string(out)
	if strings.Contains(got, "SECRET_OF_THE_DAEMON") {
		t.Error("the daemon's environment reached the program")
	}
	for _, want := range []string{"ADDED=yes", "LANG=de_DE.UTF-8", "PATH=/usr/local/sbin:"} {
		if !strings.Contains(got, want) {
			t.Errorf("environment lacks %s:\n%s", want, got)
		}
	}
}

func TestFailureCarriesLastLinesAndNoArguments(t *testing.T) {
	t.Parallel()
	_, err := hostcmd.Output(t.Context(), hostcmd.Cmd{
		Path: "sh", Args: []string{"-c", "seq 1 9000 >&2; echo the disk is full >&2; exit 7", "password"},
	})
	var fail *hostcmd.Error
	if !errors.As(err, &fail) || fail.ExitCode != 7 {
		t.Fatalf("got %v", err)
	}
	if !strings.HasSuffix(fail.Stderr, "9000\nthe disk is full") || len(fail.Stderr) > 100 {
		t.Errorf("stderr kept: %q", fail.Stderr)
	}
	if strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "\n") {
		t.Errorf("message %q", err)
	}
}

func TestFailureStillReturnsOutput(t *testing.T) {
	t.Parallel()
	out, err := hostcmd.Output(t.Context(), sh("echo why; exit 1"))
	if err == nil || string(out) != "why\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestOutputBeyondTheLimitEndsTheProgram(t *testing.T) {
	t.Parallel()
	c := hostcmd.Cmd{Path: "yes", MaxOutput: 4096}
	out, err := hostcmd.Output(t.Context(), c)
	if !errors.Is(err, hostcmd.ErrTooMuchOutput) || out != nil {
		t.Errorf("got %d bytes, %v", len(out), err)
	}
}

func TestContextEndsAStubbornProgramWithinASecond(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := hostcmd.Run(ctx, sh("trap '' TERM; while :; do sleep 0.05; done"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestGrandchildHoldingThePipeDoesNotHangTheCall(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	_, _ = hostcmd.Output(t.Context(), sh("sleep 5 & echo $!"))
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"no-such-program-here", "/nonexistent/program", "/etc/passwd"} {
		if err := hostcmd.Run(t.Context(), hostcmd.Cmd{Path: p}); !errors.Is(err, hostcmd.ErrNotFound) {
			t.Errorf("%s: got %v", p, err)
		}
	}
}

func TestFilesArePassed(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := sh("echo through descriptor three >&3")
	c.Files = []*os.File{w}
	err = hostcmd.Run(t.Context(), c)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, _ := r.Read(buf)
	if got := string(buf[:n]); got != "through descriptor three\n" {
		t.Errorf("got %q", got)
	}
}
