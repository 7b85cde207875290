package laws_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestARenamedFieldFailsInEachLayer renames two fields of the contract in a copy of the tree: one that clients send, one
// that package code's host sends. 'make check-layers' must stop at the contract while nothing was generated anew, and
// then find every consumer in its own layer.
func TestARenamedFieldFailsInEachLayer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it generates and checks everything: not with -short")
	}
	if _, err := os.Stat("node_modules/.bin/buf"); err != nil {
		t.Skip("buf is not installed: run 'make setup'")
	}
	copied := scratch(t)
	rename(t, filepath.Join(copied, "api/proto/hearth/state/v1/state.proto"), `repeated Target targets = 1`, `repeated Target aims = 1`)
	rename(t, filepath.Join(copied, "api/proto/hearth/effects/v1/effects.proto"), `string effect = 1;`, `string refused = 1;`)

	said, ok := inScratch(t, copied, "scripts/check-layers")
	if found := verdicts(said); ok || len(found) != 1 || found["contract"] != "FAILED" {
		t.Fatalf("it should stop at the contract, which is not generated: %v\n%s", found, said)
	}
	if said, ok = inScratch(t, copied, "scripts/generate"); !ok {
		t.Fatalf("cannot generate: %s", said)
	}
	said, ok = inScratch(t, copied, "scripts/check-layers", "--all")
	if ok {
		t.Error("it ends well although fields have other names")
	}
	found := verdicts(said)
	for layer, consumer := range map[string]string{
		"contract": "", "typescript": "",
		"go": `clients/go/.*Targets`, "sdk": `client\.test\.mjs.*'targets'`, "jshost": `host\.ts.*'effect'`, "python": `client\.py.*"targets"`,
	} {
		want := "ok"
		if consumer != "" {
			want = "FAILED"
		}
		if _, err := os.Stat(".cache/python/bin/mypy"); err != nil && layer == "python" {
			t.Log("the layer python is left out: 'make .cache/python/.installed' installs what checks it")
			continue
		}
		if found[layer] != want || !regexp.MustCompile(`(?m)^ +`+layer+`: .*`+consumer).MatchString(said) && consumer != "" {
			t.Errorf("layer %s is %q, and should be %q with %q", layer, found[layer], want, consumer)
		}
	}
	if t.Failed() {
		t.Log(said)
	}
}

// verdicts are the layers that were checked, with what was said of each.
func verdicts(said string) map[string]string {
	found := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^(ok|FAILED) +(\w+)$`).FindAllStringSubmatch(said, -1) {
		found[m[2]] = m[1]
	}
	return found
}

// rename replaces a text that is in a file once.
func rename(t *testing.T, path, before, after string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil || strings.Count(string(raw), before) < 1 {
		t.Fatalf("%s has no %q: %v", path, before, err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(raw), before, after)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// scratch copies the tree as it is, with what is installed linked in: packages of this repository lead to the copy.
func scratch(t *testing.T) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const copying = `set -euo pipefail
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done | tar -c --null -T - | tar -x -C "$0"
mkdir "$0/node_modules" "$0/.cache"
for installed in node_modules/* node_modules/.bin; do
  case $installed in
    node_modules/@hearthos | node_modules/hello-hearth-startos) cp -a "$installed" "$0/node_modules/" ;;
    *) ln -s "$1/$installed" "$0/node_modules/" ;;
  esac
done
[ ! -e .cache/python ] || ln -s "$1/.cache/python" "$0/.cache/"`
	if out, err := exec.CommandContext(t.Context(), "bash", "-c", copying, dir, here).CombinedOutput(); err != nil {
		t.Fatalf("cannot copy the tree: %v\n%s", err, out)
	}
	return dir
}

// inScratch runs a program in the copy and answers what it said, and whether it ended well.
func inScratch(t *testing.T, dir string, program string, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // half a minute where nobody else works
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, program), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "node_modules/.bin")+string(os.PathListSeparator)+os.Getenv("PATH"), "GOFLAGS=-trimpath")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s does not end: %s", program, out)
	}
	return string(out), err == nil
}
