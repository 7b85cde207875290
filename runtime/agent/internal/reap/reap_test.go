package reap_test

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hearthos/hearth/runtime/agent/internal/reap"
)

// TestMain runs the tests in a child, so that adopted orphans and collected children are this program's alone.
func TestMain(m *testing.M) {
	switch os.Getenv("REAP_TEST") {
	case "orphans":
		leaveOrphans()
	case "sleep":
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

// leaveOrphans starts processes that outlive their parent by a moment.
func leaveOrphans() {
	n, _ := strconv.Atoi(os.Getenv("ORPHANS"))
	for range n {
		c := exec.Command("/bin/sh", "-c", "(sleep 0.02; exit 3) & exit 0")
		if err := c.Run(); err != nil {
			os.Exit(9)
		}
	}
	os.Exit(7)
}

func helper(mode string, env ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), append(env, "REAP_TEST="+mode)...)
	return cmd
}

// One test holds the reaper: a process has one.
func TestOrphansAndChildrenAreCollectedUnderLoad(t *testing.T) {
	r, err := reap.New()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	var children []*reap.Child
	const families, each = 4, 40
	for range families {
		c, err := r.Start(helper("orphans", "ORPHANS="+strconv.Itoa(each)))
		if err != nil {
			t.Fatal(err)
		}
		children = append(children, c)
	}
	// Children that end at once, while orphans pour in, must not be mistaken for them.
	for i := range 60 {
		c, err := r.Start(exec.Command("/bin/sh", "-c", "exit "+strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		if c.Status().ExitStatus() != i {
			t.Fatalf("child %d ended with %s", i, reap.Describe(c.Status()))
		}
	}
	for _, c := range children {
		<-c.Done()
		if c.Status().ExitStatus() != 7 {
			t.Fatalf("a family ended with %s", reap.Describe(c.Status()))
		}
	}
	if err := r.WaitAll(ctx); err != nil {
		t.Fatal(err)
	}
	if got := r.Orphans(); got != families*each {
		t.Fatalf("collected %d orphans, want %d", got, families*each)
	}

	c, err := r.Start(helper("sleep"))
	if err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	if err := r.WaitAll(short); err == nil {
		t.Error("no child was left while one slept")
	}
	stop()
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT, syscall.SIGSTOP} {
		was, turned := c.Stopped()
		if was != (sig == syscall.SIGCONT) {
			t.Errorf("before %v it is told to be stopped: %t", sig, was)
		}
		if err := c.Signal(sig); err != nil {
			t.Fatal(err)
		}
		select {
		case <-turned:
		case <-ctx.Done():
			t.Fatalf("%v is not noticed", sig)
		}
	}
	if err := c.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if got := reap.Describe(c.Status()); got != "killed by signal 9 (SIGKILL)" {
		t.Error(got)
	}
	if err := c.Signal(syscall.SIGKILL); err != nil {
		t.Errorf("signal after the end: %v", err)
	}
}
