package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hearthos/hearth/server/internal/testenv"
)

// clientBuilt builds the TypeScript client, once for all tests.
var clientBuilt = sync.OnceValue(func() error {
	out, err := exec.Command("npm", "run", "build", "--silent", "--prefix", "../../sdk-ts/packages/api").CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot build the TypeScript client: %w\n%s", err, out)
	}
	return nil
})

func needClient(t *testing.T) {
	t.Helper()
	testenv.Require(t, "node")
	if err := clientBuilt(); err != nil {
		t.Fatal(err)
	}
}

// A person's session by the TypeScript client: opened, rotated, ended by others and by a logout.
func TestSessionOfAPage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	needClient(t)
	m.start()
	m.hearthIn(t, firstPassword, "claim", "alex", "--password-stdin")
	t.Run("under node", func(t *testing.T) {
		script, _ := filepath.Abs("testdata/session.mjs")
		if out, err := m.run("node", script, server, m.publicRoot(t), firstPassword); err != nil || strings.TrimSpace(out) != "done" {
			t.Errorf("%s: %v", out, err)
		}
	})
	t.Run("in a browser", func(t *testing.T) {
		testenv.Require(t, "browser")
		bundle := filepath.Join(t.TempDir(), "page.js")
		outside(t, "../../node_modules/.bin/esbuild", "testdata/page.mjs", "--bundle", "--format=iife", "--global-name=page", "--outfile="+bundle)
		profile := t.TempDir()
		script, _ := filepath.Abs("testdata/chromium.mjs")
		if out, err := m.run("node", script, server, bundle, profile, firstPassword); err != nil || strings.TrimSpace(out) != "done" {
			t.Errorf("%s: %v", out, err)
		}
	})
}
