package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// What an uninstallation kept is listed, is there for the next installation, and goes when somebody says so.
func TestKeptDataAreListedUsedAgainAndRemoved(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	if _, err := m.tryHearth("package", "data", "remove", sample, "--yes"); err == nil || !strings.Contains(err.Error(), "PACKAGE_INSTALLED") {
		t.Errorf("data of an installed package: %v", err)
	}
	for _, op := range m.rows("operations", "list") {
		if parameters, ok := op["parameters"].(map[string]any); !ok || parameters["ticket"] != nil {
			t.Errorf("the parameters of the operation are %v", op["parameters"])
		}
	}
	m.hearth("package", "uninstall", sample, "--keep-data")
	kept := m.rows("package", "data", "list")
	if len(kept) != 1 || kept[0]["id"] != sample || kept[0]["bytes"] == "0" || !strings.Contains(kept[0]["signer"].(string), "PUBLIC KEY") {
		t.Fatalf("what is kept: %v", kept)
	}
	m.hearth("package", "install", filepath.Join(m.bin, "hello-hearth.s9pk"))
	m.healthy(sample)
	if page := m.curl(m.address(sample)); !strings.Contains(page, "Hello from the test") {
		t.Errorf("the page has forgotten its greeting:\n%s", page)
	}
	if kept := m.rows("package", "data", "list"); len(kept) > 0 {
		t.Errorf("what is kept of an installed package: %v", kept)
	}
	m.hearth("package", "uninstall", sample, "--keep-data")
	m.hearth("package", "data", "remove", sample, "--yes")
	if kept := m.rows("package", "data", "list"); len(kept) > 0 {
		t.Errorf("what is kept when it was removed: %v", kept)
	}
	if _, err := m.tryHearth("package", "data", "remove", sample, "--yes"); err == nil || !strings.Contains(err.Error(), "PACKAGE_DATA_NOT_FOUND") {
		t.Errorf("data that are gone: %v", err)
	}
	m.leftNothing(t)
}
