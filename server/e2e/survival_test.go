package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

// twin is the sample under another id: what is changed while the sample must not notice anything.
const twin = "hello-twin"

// soak tells whether the full counts of the chaos loops are wanted.
func soak() bool { return os.Getenv("HEARTH_SOAK") == "full" }

// packTwin makes the package file of the twin, with changes of its manifest: what is replaced and by what, in turn.
func (m *machine) packTwin(changes ...string) string { return m.packTwinWith("", changes...) }

// packed is a package file that was built with the programs, open until the end of the test.
func (m *machine) packed(name string) *s9pk.File {
	m.t.Helper()
	f, err := os.Open(filepath.Join(m.bin, name+".s9pk"))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		m.t.Fatal(err)
	}
	file, err := s9pk.Open(f, info.Size(), s9pk.Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	return file
}

// packTwinWith is packTwin with code of its own at the end of the package's.
func (m *machine) packTwinWith(more string, changes ...string) string {
	m.t.Helper()
	file := m.packed(sample)
	members := map[string]merkle.Source{}
	for e := range file.All() {
		if e.Kind != merkle.File || e.Path == s9pk.PathManifest {
			continue
		}
		content, err := file.ReadFile(e.Path, 1<<30)
		if err != nil {
			m.t.Fatal(err)
		}
		if e.Path == s9pk.PathJavaScript {
			content = m.renameCode(content, more)
		}
		members[e.Path] = s9pk.FromBytes(content)
	}
	manifest := file.ManifestJSON()
	changes = append(changes, `"id":"`+sample+`"`, `"id":"`+twin+`"`)
	for i := 0; i < len(changes); i += 2 {
		if !bytes.Contains(manifest, []byte(changes[i])) {
			m.t.Fatalf("the manifest has no %s", changes[i])
		}
		manifest = bytes.Replace(manifest, []byte(changes[i]), []byte(changes[i+1]), 1)
	}
	var out bytes.Buffer
	if _, err := s9pk.Build(m.t.Context(), &out, s9pk.BuildInput{Manifest: manifest, Members: members, Key: sign.FromSeed([32]byte{9})}); err != nil {
		m.t.Fatal(err)
	}
	path := filepath.Join(m.t.TempDir(), twin+".s9pk")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// renameCode makes the sample's code the twin's: a package's code knows its id, and speaks of its own actions by it.
func (m *machine) renameCode(image []byte, more string) []byte {
	m.t.Helper()
	dir := m.t.TempDir()
	packed, code := filepath.Join(dir, "code.squashfs"), filepath.Join(dir, "code", "index.js")
	if err := os.WriteFile(packed, image, 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.must("unsquashfs", "-quiet", "-no-progress", "-d", filepath.Dir(code), packed)
	text, err := os.ReadFile(code)
	if err != nil {
		m.t.Fatal(err)
	}
	renamed := bytes.ReplaceAll(text, []byte(`"`+sample+`"`), []byte(`"`+twin+`"`))
	if bytes.Equal(renamed, text) {
		m.t.Fatal("the code does not name its package")
	}
	if err := os.WriteFile(code, append(renamed, more...), 0o644); err != nil {
		m.t.Fatal(err)
	}
	m.must("mksquashfs", filepath.Dir(code), packed, "-noappend", "-quiet", "-no-progress", "-all-root")
	if image, err = os.ReadFile(packed); err != nil {
		m.t.Fatal(err)
	}
	return image
}

// stream is a program that prints JSON lines and is still running.
type stream struct {
	cmd  *exec.Cmd
	mu   sync.Mutex // guards rows
	rows []map[string]any
	done chan struct{}
}

// stream starts the command line with JSON output.
func (m *machine) stream(args ...string) *stream {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	m.t.Cleanup(cancel)
	s := &stream{cmd: m.commandContext(ctx, m.cli, append(args, "--output", "json")...), done: make(chan struct{})}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	s.cmd.Stderr = m.log
	if err := s.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var row map[string]any
			if json.Unmarshal(lines.Bytes(), &row) != nil {
				continue
			}
			s.mu.Lock()
			s.rows = append(s.rows, row)
			s.mu.Unlock()
		}
	}()
	return s
}

// all is what has been printed so far.
func (s *stream) all() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows)
}

// end ends the program and answers all it printed.
func (s *stream) end() []map[string]any {
	_ = s.cmd.Process.Kill()
	<-s.done
	_ = s.cmd.Wait()
	return s.all()
}

// alive tells whether the program has not ended by itself.
func (s *stream) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// changes are the durable changes of a watch after a revision, spelled.
func changes(rows []map[string]any, after float64) []string {
	var list []string
	for _, r := range rows {
		revision, _ := r["revision"].(float64)
		if r["kind"] == nil || revision <= after {
			continue
		}
		raw, _ := json.Marshal(r["resource"])
		list = append(list, fmt.Sprintf("%.0f %v %v deleted=%v %s", revision, r["kind"], r["id"], r["deleted"], raw))
	}
	return list
}

// bookmark is the newest bookmark of a watch and its revision.
func bookmark(rows []map[string]any) (string, float64) {
	for _, r := range slices.Backward(rows) {
		if b, ok := r["bookmark"].(string); ok {
			return b, r["revision"].(float64)
		}
	}
	return "", 0
}

// pkg is the row of a package.
func (m *machine) pkg(id string) map[string]any {
	m.t.Helper()
	for _, row := range m.rows("package", "list") {
		if row["id"] == id {
			return row
		}
	}
	m.t.Fatalf("%s is not installed", id)
	return nil
}

// sameLife is what of a package's row stays the same while its container does.
func (m *machine) sameLife(id string) map[string]any {
	m.t.Helper()
	row := m.pkg(id)
	maps.DeleteFunc(row, func(k string, _ any) bool {
		return !slices.Contains([]string{"container", "startTime", "ipv4", "state", "restarts", "observedRestarts", "initializedArtifact"}, k)
	})
	row["containers"] = strings.Join(m.containers(), " ")
	return row
}

// The daemon may die at any moment and as often as it likes: nobody who uses a service notices.
func TestSurvival(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			rounds := 5
			if sig == syscall.SIGTERM {
				rounds = 2
			}
			if soak() {
				rounds *= 3
			}
			survive(t, sig, rounds)
		})
	}
}

func survive(t *testing.T, sig syscall.Signal, rounds int) {
	m := newMachine(t)
	m.start()
	m.installSample()
	m.hearth("package", "install", m.packTwin())
	m.healthy(twin)
	m.eventually(30*time.Second, "the page has the greeting", func() error {
		body, err := m.run("curl", "-sS", "--fail", "--cacert", m.root(), m.address(sample))
		if err == nil && !strings.Contains(body, "Hello from the test") {
			err = errors.New("another greeting")
		}
		return err
	})
	m.healthy(sample)
	before := m.sameLife(sample)
	if before["container"] == nil || !strings.Contains(before["containers"].(string), before["container"].(string)) {
		t.Fatalf("the container is not to be seen: %v", before)
	}
	watch := m.stream("watch")
	m.eventually(30*time.Second, "the watch has a bookmark", func() error {
		if mark, _ := bookmark(watch.all()); mark == "" {
			return errors.New("none yet")
		}
		return nil
	})
	from, after := bookmark(watch.all())
	logs := m.stream("package", "logs", twin, "--follow", "--tail", "1000")
	page := m.visit("page", m.address(sample), m.root(), "Hello from the test")
	name := m.visit("name", "10.0.3.1:53", sample+".startos.", before["ipv4"].(string))

	away := time.Duration(0)
	chance := rand.New(rand.NewPCG(uint64(sig), 1))
	for round := range rounds {
		m.changeTwin(round)
		pause := time.NewTimer(time.Duration(chance.IntN(400)) * time.Millisecond)
		<-pause.C
		killed := time.Now()
		m.kill(sig)
		m.start()
		away = max(away, time.Since(killed))
	}
	t.Logf("the daemon was away for at most %s", away)
	m.hearth("package", "restart", twin)
	m.healthy(twin)
	page.leave(t)
	name.leave(t)
	m.healthy(sample)
	if diff := cmp.Diff(before, m.sameLife(sample)); diff != "" {
		t.Errorf("the service has another life than before:\n%s", diff)
	}
	m.compareWatches(watch, from, after)
	m.compareLogs(logs)
	m.callbacksLive()
}

// changeTwin makes the feed move: a restart, an action, a stop and start, in turn. It waits for none of it.
func (m *machine) changeTwin(round int) {
	m.t.Helper()
	switch round % 3 {
	case 0:
		m.hearth("package", "action", "run", twin, "set-greeting", "--input", fmt.Sprintf(`{"greeting":"round %d","color":"#2b5d34"}`, round))
	case 1:
		m.hearth("package", "restart", twin)
	case 2:
		m.hearth("package", "stop", twin)
		m.hearth("package", "start", twin)
	}
}

// compareWatches holds a watch that lived through everything against one that begins now at its first bookmark.
func (m *machine) compareWatches(lived *stream, from string, after float64) {
	m.t.Helper()
	// The last change both must have: one made now.
	m.hearth("package", "stop", twin)
	last := m.pkg(twin)["generation"]
	saw := func(s *stream) func() error {
		return func() error {
			if !s.alive() {
				return errors.New("it ended by itself")
			}
			for _, r := range slices.Backward(s.all()) {
				resource, _ := r["resource"].(map[string]any)
				if r["kind"] == "package" && r["id"] == twin && resource["generation"] == last && resource["state"] == "stopped" &&
					resource["observedGeneration"] == last {
					return nil
				}
			}
			return errors.New("not yet")
		}
	}
	again := m.stream("watch", "--from", from)
	m.eventually(30*time.Second, "the watch that lived through it saw the last change", saw(lived))
	m.eventually(30*time.Second, "the watch from the bookmark saw the last change", saw(again))
	m.t.Logf("watches: %d rows lived, %d again", len(lived.all()), len(again.all()))
	got, want := changes(lived.end(), after), changes(again.end(), after)
	short := min(len(got), len(want)) // one may have been ended in the middle of what came after the last change
	if diff := cmp.Diff(want[:short], got[:short]); diff != "" {
		m.t.Errorf("the two watches saw different changes:\n%s", diff)
	}
	seen, newest := map[string]bool{}, 0.0
	for _, c := range want {
		var revision float64
		var kind, id string
		fmt.Sscanf(c, "%f %s %s", &revision, &kind, &id)
		key := fmt.Sprint(revision, kind, id)
		if seen[key] {
			m.t.Errorf("a change came twice: %s", c)
		}
		if revision < newest {
			m.t.Errorf("a change came late: %s", c)
		}
		seen[key], newest = true, revision
		if kind == "healthcheck" && strings.HasPrefix(id, sample+"/") {
			m.t.Errorf("the health of the service changed: %s", c)
		}
	}
	if len(want) < 10 {
		m.t.Errorf("only %d changes were seen", len(want))
	}
	m.t.Logf("watches: %d changes, each once", len(want))
}

// compareLogs holds a log followed through everything against the log as it is.
func (m *machine) compareLogs(followed *stream) {
	m.t.Helper()
	lines := func(rows []map[string]any) []string {
		var list []string
		for _, r := range rows {
			list = append(list, fmt.Sprint(r["time"], r["cursor"], r["message"]))
		}
		return list
	}
	want := lines(m.rows("package", "logs", twin, "--tail", "1000"))
	m.eventually(30*time.Second, "the followed log has all lines", func() error {
		if got := len(followed.all()); got < len(want) {
			return fmt.Errorf("%d of %d", got, len(want))
		}
		return nil
	})
	got := lines(followed.end())
	if diff := cmp.Diff(want, got[:len(want)]); diff != "" || len(want) < 5 {
		m.t.Errorf("the log was followed with gaps or repeats (%d lines):\n%s", len(want), diff)
	}
	m.t.Logf("logs: %d lines, each once", len(want))
}

// callbacksLive changes what the sample waits for, with the daemon there and away: it restarts itself once each time.
func (m *machine) callbacksLive() {
	m.t.Helper()
	page := m.address(sample)
	settled := func(greeting string, restarts float64) {
		m.t.Helper()
		m.eventually(30*time.Second, "the page says "+greeting, func() error {
			body, err := m.run("curl", "-sS", "--fail", "--cacert", m.root(), page)
			if err == nil && !strings.Contains(body, greeting) {
				err = errors.New("another greeting")
			}
			return err
		})
		m.healthy(sample)
		if got := m.pkg(sample)["restarts"].(float64); got != restarts {
			m.t.Errorf("the service was restarted %v times and not %v", got, restarts)
		}
	}
	restarts, _ := m.pkg(sample)["restarts"].(float64)
	m.hearth("package", "action", "run", sample, "set-greeting", "--input", `{"greeting":"Watched after a restart","color":"#2b5d34"}`)
	settled("Watched after a restart", restarts+1)
	m.kill(syscall.SIGKILL)
	file := filepath.Join(m.state, "volumes", sample, "main", "settings.json")
	if err := os.WriteFile(file, []byte(`{"greeting":"Changed while nobody looked","color":"#123456"}`), 0o644); err != nil {
		m.t.Fatal(err)
	}
	pause := time.NewTimer(2 * time.Second) // for the service to ask a daemon that is not there
	<-pause.C
	m.start()
	settled("Changed while nobody looked", restarts+2)
}

// A daemon that is told to end does so; the services go on, unless they shall end with it.
func TestShutdown(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, dir := range []string{m.state, filepath.Join(m.state, "upper")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.start()
	for _, dir := range []string{m.state, filepath.Join(m.state, "upper")} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("others look into %s: %v, %v", dir, info.Mode(), err)
		}
	}
	m.installSample()
	before := m.sameLife(sample)
	ended := func() {
		t.Helper()
		select {
		case <-m.exited:
		case <-time.After(30 * time.Second):
			t.Fatal("the daemon does not end")
		}
		if code := m.daemon.ProcessState.ExitCode(); code != 0 {
			t.Errorf("the daemon ends with %d", code)
		}
		m.daemon = nil
	}
	m.hearth("system", "shutdown")
	ended()
	m.start()
	m.healthy(sample)
	if diff := cmp.Diff(before, m.sameLife(sample)); diff != "" {
		t.Errorf("the service has another life than before:\n%s", diff)
	}
	m.hearth("system", "shutdown", "--services")
	ended()
	if left := m.containers(); len(left) > 0 {
		t.Errorf("containers left: %v", left)
	}
	m.start()
	m.healthy(sample)
	if after := m.sameLife(sample); after["container"] == before["container"] {
		t.Error("the service is said to be in a container that has ended")
	}
}

// The front door's parent keeps it alive; when that is killed, the daemon starts both again.
func TestTheDoorComesBack(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	for range 3 {
		m.must("sh", "-c", "for p in $(pgrep -x hearth-door); do if [ /proc/$p/ns/net -ef /proc/self/ns/net ]; then kill -9 $p || :; fi; done")
		m.eventually(30*time.Second, "the page is back", func() error {
			_, err := m.run("curl", "-sS", "--fail", "--cacert", m.root(), m.address(sample))
			return err
		})
	}
	m.eventually(30*time.Second, "the status says so", func() error {
		if row := m.rows("status")[0]; row["doorConnected"] != true {
			return fmt.Errorf("%v", row)
		}
		return nil
	})
}

// Restarts that follow each other while the daemon is killed leave one main behind: older ones neither run on nor
// report.
func TestRestartsThroughTheDaemonsEndLeaveOneMain(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	rounds := 4
	if soak() {
		rounds = 15
	}
	for i := range rounds {
		for j := range 3 + rand.N(3) {
			if _, err := m.tryHearth("package", "restart", sample, "--no-wait"); err != nil {
				t.Fatal(err)
			}
			input := fmt.Sprintf(`{"greeting":"Good %d %d","color":"#2b5d34"}`, i, j)
			if _, err := m.tryHearth("package", "action", "run", sample, "set-greeting", "--input", input); err != nil {
				t.Log(err) // the code may be between two mains
			}
			pause := time.NewTimer(rand.N(600 * time.Millisecond))
			<-pause.C
		}
		m.kill(syscall.SIGKILL)
		pause := time.NewTimer(rand.N(800 * time.Millisecond))
		<-pause.C
		m.start()
	}
	m.hearth("package", "restart", sample)
	m.healthy(sample)
	// Checks come every few seconds: that of an older main would show.
	for range 10 {
		pause := time.NewTimer(time.Second)
		<-pause.C
		for _, c := range m.rows("package", "health", sample) {
			if c["result"] != "success" {
				t.Fatalf("the health of the service changes by itself: %v", c)
			}
		}
	}
}
