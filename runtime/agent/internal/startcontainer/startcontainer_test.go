package startcontainer_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/api/abi/subroot"
)

// insideEnv names the folder of programs for the test program that runs in namespaces like a service container's.
const insideEnv = "STARTCONTAINER_TEST_PROGRAMS"

// TestMain builds the real program and the probe, and runs the tests as root of a user namespace with 65536 ids, with
// mounts and processes of its own, as in a service container.
func TestMain(m *testing.M) {
	fuzzing := slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.fuzz") })
	if os.Getenv(insideEnv) != "" {
		// The proc of these processes, which are others than those outside.
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "cannot mount proc:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 || fuzzing {
		os.Exit(m.Run())
	}
	code, err := reenter()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func reenter() (int, error) {
	dir, err := os.MkdirTemp("", "startcontainer")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	for _, target := range []string{"../..", "./testdata/probe"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, map[string]string{"../..": "agent"}[target]), target)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("cannot build %s: %w\n%s", target, err, out)
		}
	}
	if err := os.Symlink("agent", filepath.Join(dir, "start-container")); err != nil {
		return 0, err
	}
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
	// The mapped root may not write beside the test program.
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool { return strings.HasPrefix(a, "-test.testlogfile=") })
	inside := exec.Command("/proc/self/exe", args...)
	inside.Env = append(os.Environ(), insideEnv+"="+dir)
	inside.Stdin, inside.Stdout, inside.Stderr = os.Stdin, os.Stdout, os.Stderr
	inside.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET,
		UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
		Credential: &syscall.Credential{}, Pdeathsig: syscall.SIGKILL,
	}
	err = inside.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// needContainer skips tests that need the namespaces of TestMain.
func needContainer(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(insideEnv)
	if dir == "" {
		if strings.Contains(os.Getenv("HEARTH_REQUIRE"), "root") {
			t.Fatal("namespaces need root, which is required here")
		}
		t.Skip("namespaces need root")
	}
	return dir
}

// subcontainer is a root file system with nothing but the probe in it.
type subcontainer struct {
	t    *testing.T
	bin  string
	root string
}

func newRoot(t *testing.T) *subcontainer {
	t.Helper()
	bin := needContainer(t)
	s := &subcontainer{t: t, bin: bin, root: t.TempDir()}
	for dir := s.root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755)
	}
	for _, d := range []string{"etc", "bin", "home/web", "tmp"} {
		must(t, os.MkdirAll(filepath.Join(s.root, d), 0o755))
	}
	s.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/home/web:/bin/false\nbare:x:44:44::\n")
	s.write("etc/group", "root:x:0:\nweb:x:34:\nssl:x:110:other,web\nmail:x:8:web\nalone:x:70:\n")
	s.write("image.env", "A=1\nB=two words=x\n\nnonsense\nPATH=/opt:/bin\nA=2\n")
	program, err := os.ReadFile(filepath.Join(bin, "probe"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.root, "bin/probe"), program, 0o755))
	return s
}

func (s *subcontainer) write(name, text string) {
	s.t.Helper()
	must(s.t, os.WriteFile(filepath.Join(s.root, name), []byte(text), 0o644))
}

// command prepares a call of start-container as an SDK makes it: by the environment of an image.
func (s *subcontainer) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, "start-container"), args...)
	cmd.Env = []string{"FOREIGN=1", "PATH=/nonexistent"}
	cmd.Stderr = os.Stderr
	return cmd
}

// launch starts a subcontainer and waits, as the SDK does, until its first process is seen.
func (s *subcontainer) launch(args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := s.command(append([]string{"subcontainer", "launch", s.root}, args...)...)
	s.start(cmd)
	return cmd
}

func (s *subcontainer) start(cmd *exec.Cmd) {
	s.t.Helper()
	must(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err := unix.Unmount(filepath.Join(s.root, "proc"), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			s.t.Errorf("cannot unmount proc: %v", err)
		}
	})
	s.waitProc(true)
}

func (s *subcontainer) waitProc(there bool) {
	s.t.Helper()
	for range 5000 {
		// Collecting the dead is the agent's part, which is absent here.
		stat, err := os.ReadFile(filepath.Join(s.root, "proc/1/stat"))
		if (err == nil && !bytes.Contains(stat, []byte(") Z "))) == there {
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.t.Fatalf("proc/1 there: want %v", there)
}

// exec runs a command in the subcontainer and returns what it printed.
func (s *subcontainer) exec(flagsAndCommand ...string) (string, int) {
	s.t.Helper()
	args := []string{"subcontainer", "exec"}
	for len(flagsAndCommand) > 0 && strings.HasPrefix(flagsAndCommand[0], "-") {
		args, flagsAndCommand = append(args, flagsAndCommand[0]), flagsAndCommand[1:]
	}
	cmd := s.command(append(append(args, s.root), flagsAndCommand...)...)
	var out bytes.Buffer
	cmd.Stdout = &out
	code := s.codeOf(cmd)
	return out.String(), code
}

func (s *subcontainer) codeOf(cmd *exec.Cmd) int {
	s.t.Helper()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

type report struct {
	UID, GID, PID, PPID, SID int
	Groups                   []int
	Env, Args, Root          []string
	Dir                      string
	Rows, Cols               uint16
	TTY                      [3]bool
}

func (s *subcontainer) report(flags ...string) report {
	s.t.Helper()
	cmd := s.command(append(append([]string{"subcontainer", "exec"}, flags...), s.root, "probe", "report", "-u", "x")...)
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		s.t.Fatalf("%q: %v", out, err)
	}
	return r
}

func TestACommandRunsAsUserInRootWithImageEnvironment(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	got := s.report("--env-file="+filepath.Join(s.root, "image.env"), "--user=web", "--workdir=/tmp", "--env=B=three=4", "-e", "C=")
	if got.UID != 33 || got.GID != 34 || got.Dir != "/tmp" {
		t.Errorf("runs as %d:%d in %s", got.UID, got.GID, got.Dir)
	}
	slices.Sort(got.Groups)
	if diff := cmp.Diff([]int{8, 34, 110}, got.Groups); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"A=2", "B=three=4", "PATH=/opt:/bin", "C=", "HOME=/home/web"}, got.Env); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"probe", "report", "-u", "x"}, got.Args); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(got.Root, "image.env") || slices.Contains(got.Root, "boot") {
		t.Errorf("the root holds %v", got.Root)
	}
	if got.PID == 1 || got.PPID != 0 || got.SID != got.PID {
		t.Errorf("pid %d, parent %d, session %d", got.PID, got.PPID, got.SID)
	}
}

func TestUsersAndGroups(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	for _, tc := range []struct {
		user, home string
		uid, gid   int
		groups     []int
	}{
		{"", "/root", 0, 0, []int{0}},
		{"root", "/root", 0, 0, []int{0}},
		{"33", "/home/web", 33, 34, []int{8, 34, 110}},
		{"web:alone", "/home/web", 33, 70, []int{70}},
		{"web:4242", "/home/web", 33, 4242, []int{4242}},
		{"1234", "/", 1234, 0, []int{0}},
		{"1234:5678", "/", 1234, 5678, []int{5678}},
	} {
		got := s.report("--user=" + tc.user)
		slices.Sort(got.Groups)
		if got.UID != tc.uid || got.GID != tc.gid || !slices.Equal(got.Groups, tc.groups) || !slices.Contains(got.Env, "HOME="+tc.home) {
			t.Errorf("user %q: %d:%d, groups %v, environment %v", tc.user, got.UID, got.GID, got.Groups, got.Env)
		}
	}
	if _, code := s.exec("--user=nobodyknows", "probe", "exit", "0"); code != 1 {
		t.Errorf("an unknown user: exit code %d", code)
	}
}

func TestExitCodesAreTheCommands(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.write("bin/data", "no program")
	s.launch()
	for want, command := range map[int][]string{
		0: {"probe", "exit", "0"}, 42: {"/bin/probe", "exit", "42"}, 143: {"probe", "exit", "143"},
		137: {"probe", "die", "9"}, 129: {"probe", "die", "1"}, 127: {"missing"}, 126: {"data"},
	} {
		if _, code := s.exec(command...); code != want {
			t.Errorf("%v: exit code %d, want %d", command, code, want)
		}
	}
	if _, code := s.exec("probe", "die", "15"); code != 0 {
		t.Errorf("death by SIGTERM: exit code %d", code)
	}
	if _, code := s.exec("-w/missing", "probe", "exit", "0"); code != 1 {
		t.Errorf("a missing working directory: exit code %d", code)
	}
	if out, err := s.command("subcontainer", "exec", newRoot(t).root, "probe", "exit", "0").CombinedOutput(); err == nil {
		t.Errorf("exec without launch: %s", out)
	}
}

func TestSignalsReachTheCommandAndKillEndsIt(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	cmd := s.command("subcontainer", "exec", s.root, "probe", "signals")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	expect(t, lines, "ready")
	must(t, cmd.Process.Signal(syscall.SIGUSR1))
	expect(t, lines, "user defined signal 1")
	must(t, cmd.Process.Signal(syscall.SIGHUP))
	expect(t, lines, "hangup")
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	expect(t, lines, "terminated")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code %d", code)
	}

	// An SDK's time-out kills what it spawned and means the command.
	sleeper := s.command("subcontainer", "exec", "--user=web", s.root, "probe", "sleep")
	r, w, err := os.Pipe()
	must(t, err)
	sleeper.Stdout = w
	must(t, sleeper.Start())
	w.Close()
	lines = bufio.NewScanner(r)
	expect(t, lines, "ready")
	must(t, sleeper.Process.Kill())
	if lines.Scan() {
		t.Errorf("the command said %q", lines.Text())
	}
	_ = sleeper.Wait() // the pipe ended: nobody holds it
}

func TestEarlySignalsAreKept(t *testing.T) {
	t.Parallel()
	for range 5 {
		s := newRoot(t)
		cmd := s.command("subcontainer", "launch", s.root)
		must(t, cmd.Start())
		s.waitProc(true)
		must(t, cmd.Process.Signal(syscall.SIGTERM)) // the first process is hardly there
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		s.waitProc(false)
	}
}

func TestTheLeaderTakesAllWithIt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]syscall.Signal{"asked": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newRoot(t)
			leader := s.launch()
			member := s.command("subcontainer", "exec", s.root, "probe", "sleep")
			out, err := member.StdoutPipe()
			must(t, err)
			must(t, member.Start())
			expect(t, bufio.NewScanner(out), "ready")
			must(t, leader.Process.Signal(end))
			_ = member.Wait()
			if code := member.ProcessState.ExitCode(); code != 137 {
				t.Errorf("the member ended with %d", code)
			}
			s.waitProc(false)
		})
	}
}

// An SDK launches once: what it runs in a subcontainer later has to find one, whatever was killed meanwhile.
func TestCommandsRunAfterTheLeaderWasKilled(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	must(t, unix.Mount(s.root, s.root, "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount(s.root, unix.MNT_DETACH) })
	leader := s.launch()
	kill := map[string]func(){
		"the supervisor": func() { must(t, leader.Process.Kill()); _ = leader.Wait() },
		"the new leader": func() {
			// A folder of proc is a handle of its process.
			first, err := unix.Open(filepath.Join(s.root, "proc/1"), unix.O_RDONLY|unix.O_DIRECTORY, 0)
			must(t, err)
			must(t, unix.PidfdSendSignal(first, unix.SIGKILL, nil, 0))
			unix.Close(first)
		},
	}
	for _, what := range []string{"the supervisor", "the new leader"} {
		kill[what]()
		s.waitProc(false)
		first, second := s.report(), s.report()
		if first.PID == 1 || second.PID <= first.PID {
			t.Errorf("after %s was killed, commands are processes %d and %d of one subcontainer", what, first.PID, second.PID)
		}
	}
	member := s.command("subcontainer", "exec", s.root, "probe", "sleep")
	out, err := member.StdoutPipe()
	must(t, err)
	must(t, member.Start())
	expect(t, bufio.NewScanner(out), "ready")
	// As the host takes a subcontainer away.
	must(t, unix.Unmount(s.root, unix.MNT_DETACH))
	_ = member.Wait()
	if code := member.ProcessState.ExitCode(); code != 137 {
		t.Errorf("when the root was taken away, a command ended with %d", code)
	}
	if out, code := s.exec("probe", "report"); code == 0 {
		t.Errorf("a command ran without a root: %s", out)
	}
}

func TestANewLaunchReplacesTheLeader(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	first := s.launch()
	second := s.command("subcontainer", "launch", "--user=web", s.root, "probe", "signals")
	out, err := second.StdoutPipe()
	must(t, err)
	s.start(second)
	_ = first.Wait()
	if code := first.ProcessState.ExitCode(); code != 137 {
		t.Errorf("the first leader ended with %d", code)
	}
	lines := bufio.NewScanner(out)
	expect(t, lines, "ready")
	if got := s.report(); got.PID == 1 {
		t.Error("the command is no member of the second subcontainer")
	}
	must(t, second.Process.Signal(syscall.SIGTERM))
	expect(t, lines, "terminated")
	_ = second.Wait()
	if code := second.ProcessState.ExitCode(); code != 5 {
		t.Errorf("the second leader ended with %d", code)
	}
}

// A command of a new subcontainer that comes before its first process waits for it and joins it.
func TestACommandWaitsForTheFirstProcess(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	root, err := os.OpenRoot(s.root)
	must(t, err)
	defer root.Close()
	must(t, subroot.Expect(root, 0))
	if _, err := os.Stat(filepath.Join(s.root, "proc/1")); err != nil {
		t.Fatalf("SDKs would give it up: %v", err)
	}
	early := make(chan report)
	go func() { early <- s.report() }()
	must(t, s.command("subcontainer", "exec", "--help").Run()) // it is under way for as long as it takes to start one
	leader := s.launch()
	got := <-early
	if later := s.report(); got.PID == 1 || later.PID <= got.PID {
		t.Errorf("processes %d and %d are not of one subcontainer", got.PID, later.PID)
	}
	must(t, leader.Process.Signal(syscall.SIGTERM))
	must(t, leader.Wait())
	if left, err := os.ReadDir(filepath.Join(s.root, "proc")); err != nil || len(left) > 0 {
		t.Errorf("the root's own proc has %v, %v", left, err)
	}
}

func TestProcAppearsWithinThePatienceOfSDKs(t *testing.T) {
	// Not parallel: SDKs look a hundred times with a millisecond between, and the machine shall have time for it.
	s := newRoot(t)
	for attempt := range 3 {
		cmd := s.command("subcontainer", "launch", s.root)
		must(t, cmd.Start())
		looks := 0
		for ; looks < 100; looks++ {
			if _, err := os.Stat(filepath.Join(s.root, "proc/1")); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		s.waitProc(true)
		must(t, cmd.Process.Signal(syscall.SIGTERM))
		must(t, cmd.Wait())
		if looks < 100 {
			return
		}
		t.Logf("attempt %d took too long", attempt)
	}
	t.Error("proc/1 appears too late for SDKs")
}

func TestTheLeaderReapsOrphans(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	for range 5 {
		if out, code := s.exec("probe", "orphans"); code != 0 {
			t.Fatalf("%q, exit code %d", out, code)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		left, err := filepath.Glob(filepath.Join(s.root, "proc/[0-9]*"))
		must(t, err)
		if len(left) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes are left", len(left))
		}
		time.Sleep(time.Millisecond)
	}
}

func TestOutputIsWholeAlthoughAGrandchildHoldsIt(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	// A socket, as node makes its pipes.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	cmd := s.command("subcontainer", "exec", s.root, "probe", "grandchild")
	cmd.Stdout = theirs
	must(t, cmd.Start())
	theirs.Close()
	got, err := io.ReadAll(ours)
	must(t, err)
	must(t, cmd.Wait())
	if n := bytes.Count(got, []byte("x")); n != 100000 {
		t.Errorf("%d of 100000 bytes came through", n)
	}
}

func TestAUserOpensItsOutputAgain(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	for _, kind := range []string{"pipe", "socket"} {
		cmd := s.command("subcontainer", "exec", "--user=web", s.root, "probe", "stdout")
		var ours, theirs *os.File
		var err error
		if kind == "pipe" {
			ours, theirs, err = os.Pipe()
			must(t, err)
		} else {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			must(t, err)
			ours, theirs = os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
		}
		cmd.Stdout = theirs
		must(t, cmd.Start())
		theirs.Close()
		got, err := io.ReadAll(ours)
		must(t, err)
		ours.Close()
		_ = cmd.Wait()
		if string(got) != "reopened\n" {
			t.Errorf("%s: %q", kind, got)
		}
	}
}

func TestInputReachesTheCommandAndItsEndToo(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	cmd := s.command("subcontainer", "exec", s.root, "probe", "cat")
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout = theirs, &out
	must(t, cmd.Start())
	theirs.Close()
	text := strings.Repeat("line\n", 50000)
	_, err = io.WriteString(ours, text)
	must(t, err)
	ours.Close()
	must(t, cmd.Wait())
	if out.String() != text {
		t.Errorf("%d of %d bytes came back", out.Len(), len(text))
	}
}

func TestATerminalWithItsSize(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	out, err := s.command("subcontainer", "exec", "--force-tty", "--force-stderr-tty", "--pty-size", "33x101:1x2", s.root, "probe", "report").Output()
	must(t, err)
	var r report
	must(t, json.Unmarshal(bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n")), &r))
	if r.Rows != 33 || r.Cols != 101 || r.TTY != [3]bool{true, true, true} {
		t.Errorf("terminal %v of %dx%d", r.TTY, r.Rows, r.Cols)
	}
	if r = s.report(); r.TTY[0] || r.TTY[1] {
		t.Error("a terminal nobody asked for")
	}
	if _, code := s.exec("--pty-size=wide", "probe", "exit", "0"); code != 2 {
		t.Errorf("a wrong size: exit code %d", code)
	}
}

func TestTheTerminalFollowsTheCallers(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	defer master.Close()
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	if errno != 0 {
		t.Fatal(errno)
	}
	slave := os.NewFile(fd, "slave")
	must(t, unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 20}))
	cmd := s.command("subcontainer", "exec", s.root, "probe", "size")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(t, cmd.Start())
	slave.Close()
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(master)
	expect(t, lines, "size 10 20")
	must(t, unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 40}))
	expect(t, lines, "size 30 40")
	// Ctrl-C goes through as a byte and becomes a signal at the inner terminal.
	_, err = master.Write([]byte{3})
	must(t, err)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("after Ctrl-C: exit code %d", code)
	}
}

func TestALinkNamedProcIsNotFollowed(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	outside := t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(s.root, "proc")))
	if out, err := s.command("subcontainer", "launch", s.root, "probe", "exit", "0").Output(); err == nil {
		t.Errorf("launched: %s", out)
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("the folder outside holds %v", left)
	}
}

func TestPipeWrap(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	cmd := s.command("pipe-wrap", "/bin/sh", "-c", `echo "$STARTOS_ENVIRONMENT"; echo err >&2; exit 6`)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if code := s.codeOf(cmd); code != 6 || out.String() != "1\n" || errOut.String() != "err\n" {
		t.Errorf("exit code %d, output %q and %q", code, out.String(), errOut.String())
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	for _, args := range [][]string{{}, {"nonsense"}, {"subcontainer"}, {"subcontainer", "exec", s.root}, {"bind-mount"}, {"subcontainer", "exec", "--wrong", s.root, "x"}} {
		cmd := s.command(args...)
		cmd.Stderr = nil
		if code := s.codeOf(cmd); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	out, err := s.command("echo", "a", "b").Output()
	if err != nil || string(out) != "a b\n" {
		t.Errorf("echo: %q, %v", out, err)
	}
	if out, err := s.command("--help").Output(); err != nil || !bytes.Contains(out, []byte("action create-task [--replay-id STRING]")) {
		t.Errorf("help: %v\n%s", err, out)
	}
}

func expect(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() {
		t.Fatalf("the end, want %q: %v", want, lines.Err())
	}
	if got := strings.TrimSpace(lines.Text()); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
