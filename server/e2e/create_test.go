package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// From nothing to a healthy page: the packages of the SDK as npm publishes them, a project that create-hearthos writes, its own
// test, its package file, and the service that people open.
func TestExampleThatCreateBegan(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tarballs, work := t.TempDir(), t.TempDir()
	// npm speaks with its registry, so it does not run on the machine of the test, which has no network.
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+m.bin+":"+os.Getenv("PATH"), "HOME="+work, "npm_config_prefer_offline=true")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	// Other tests read what is built in the repository.
	sdk := filepath.Join(work, "sdk")
	run(root, "node", "sdk-ts/packages/sdk/build.mjs", sdk)
	for _, dir := range []string{filepath.Join(root, "sdk-ts/packages/abi"), sdk, filepath.Join(root, "sdk-ts/packages/create")} {
		run(dir, "npm", "pack", "--silent", "--pack-destination", tarballs)
	}
	creator, err := filepath.Glob(filepath.Join(tarballs, "hearthos-create-*.tgz"))
	if err != nil || len(creator) != 1 {
		t.Fatalf("the creator: %v, %v", creator, err)
	}
	run(work, "npm", "exec", "--yes", "--package", creator[0], "--", "create-hearthos", "first-page", "--yes", "--packages", tarballs,
		"--title", "First page", "--image", "page:1", "--port", "80", "--data", "/data", "--env", "GREETING=Hello from the first page")
	project := filepath.Join(work, "first-page")
	// The image is here already, in place of one that a registry has.
	images := filepath.Join(project, "images", map[string]string{"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64"}[runtime.GOARCH])
	if err := os.MkdirAll(images, 0o755); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(root, "sdk-ts/examples/hello-hearth/images", filepath.Base(images))
	if err := os.Symlink(filepath.Join(from, "main.squashfs"), filepath.Join(images, "main.squashfs")); err != nil {
		t.Fatal(err)
	}
	command := `{"workdir":"/","user":"root","entrypoint":["sh","-c","echo \"<h1>$GREETING</h1>\" >/data/index.html; printf 'server.document-root = \"/data\"\nserver.port = 80\nindex-file.names = (\"index.html\")\n' >/tmp/conf; exec lighttpd -D -f /tmp/conf"],"cmd":null}`
	for name, text := range map[string]string{"main.json": command, "main.env": "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"} {
		if err := os.WriteFile(filepath.Join(images, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(project, "npm", "run", "--silent", "check")
	if out := run(project, "npm", "test", "--silent"); !strings.Contains(out, "it is installed, started and healthy") {
		t.Errorf("the test of the project:\n%s", out)
	}
	run(project, m.cli, "keys", "init")
	run(project, "npm", "run", "--silent", "pack")

	m.hearth("package", "install", filepath.Join(project, "first-page.s9pk"))
	m.healthy("first-page")
	if page := m.curl(m.address("first-page")); !strings.Contains(page, "Hello from the first page") {
		t.Errorf("the page says %s", page)
	}
	m.hearth("package", "action", "run", "first-page", "settings", "--input", `{"greeting":"Changed"}`)
	m.eventually(60*time.Second, "the page follows the settings", func() error {
		page, err := m.run("curl", "-sS", "--fail", "--cacert", m.root(), m.address("first-page"))
		if err == nil && !strings.Contains(page, "Changed") {
			err = errors.New(page)
		}
		return err
	})
	m.hearth("package", "uninstall", "first-page", "--yes")
	m.leftNothing(t)
}
