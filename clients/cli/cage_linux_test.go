package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// probe tries all by which code could get out. Its manifest tells what it reached.
const probe = `
const fs = require("node:fs"), net = require("node:net"), dgram = require("node:dgram"), path = require("node:path");
const [folder, port, parent] = [%q, %d, %d];
const reached = [], attempt = (what, fn) => { try { if (fn() !== false) reached.push(what); } catch {} };
attempt("a file", () => fs.readFileSync(folder + "/home/secret"));
attempt("a file by a link", () => fs.readFileSync(path.join(__dirname, "link")));
attempt("a folder", () => fs.readdirSync(folder + "/home"));
attempt("a file to write", () => fs.writeFileSync(folder + "/home/written", ""));
attempt("a program", () => require("node:child_process").execFileSync("true"));
attempt("a thread", () => new (require("node:worker_threads").Worker)("", { eval: true }));
attempt("a process", () => process.kill(parent, 0));
attempt("root", () => process.getuid() === 0);
attempt("an inspector", () => require("node:inspector").open(0, "127.0.0.1"));
const connects = (what, at) => new Promise((done) => { try { net.connect(at).on("connect", () => done(reached.push(what))).on("error", done); } catch { done(); } });
exports.tried = Promise.all([
  connects("a unix socket", { path: folder + "/s" }), connects("TCP", { host: "127.0.0.1", port }),
  new Promise((done) => { try { dgram.createSocket("udp4").on("error", done).send("x", port, "127.0.0.1", (err) => done(err || reached.push("UDP"))); } catch { done(); } }),
  new Promise((done) => net.createServer().on("error", done).listen(0, () => done(reached.push("a port")))),
]).then(() => reached.join(", "));
`

// Who asks, and whether that is root, makes no difference: what a package's code reaches is nothing but itself.
func TestCodeThatIsAskedReachesNothing(t *testing.T) {
	script := []byte(`require(process.argv[2]).tried.then((text) => { require("node:fs").writeFileSync(process.argv[3], "reached [" + text + "]"); process.exit(0); });`)
	ask := func(dir string, trusted bool) string {
		answer, err := packageCode{dir: dir, foreign: true, trusted: trusted}.ask(t.Context(), question{script: script, env: []string{"PATH=" + os.Getenv("PATH")}})
		return fmt.Sprintf("%s %v", answer, err)
	}
	if dir := os.Getenv(askEnv); dir != "" {
		fmt.Println(ask(dir, false))
		return
	}
	needs(t, "node")
	place, err := os.MkdirTemp("/tmp", "cage")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(place) })
	unix, err := net.Listen("unix", filepath.Join(place, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for name, text := range map[string]string{"home/secret": "it", "javascript/index.js": fmt.Sprintf(probe, place, tcp.Addr().(*net.TCPAddr).Port, os.Getpid())} {
		path := filepath.Join(place, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(place, "home/secret"), filepath.Join(place, "javascript/link")); err != nil {
		t.Fatal(err)
	}
	// All of it is there for anybody.
	for name, mode := range map[string]os.FileMode{"": 0o755, "home": 0o777, "s": 0o777} {
		if err := os.Chmod(filepath.Join(place, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := ask(place, false), "reached [] <nil>"; got != want {
		t.Errorf("it says %s", got)
	}
	if got := ask(place, true); !strings.Contains(got, "a file, a file by a link") || !strings.Contains(got, "a unix socket") || !strings.Contains(got, "TCP") {
		t.Errorf("code that is trusted says %s, so the test proves nothing", got)
	}
	if os.Geteuid() != 0 {
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=/tmp", askEnv + "=" + place}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "reached [] <nil>\n") {
		t.Errorf("asked by another user it says %s, %v", out, err)
	}
}
