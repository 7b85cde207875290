package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Packages come from a signed export in a folder, as on a stick: installed, updated when the folder was made anew, and refused when it is
// the one of before or was changed. Nothing of the registry runs where they are installed.
func TestInstallFromAnExport(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	url := m.registry()
	folder, before := filepath.Join(filepath.Dir(m.state), "stick"), filepath.Join(filepath.Dir(m.state), "before")
	keys := filepath.Join(filepath.Dir(m.state), "export-keys")
	export := func() string {
		t.Helper()
		return fmt.Sprint(m.rows("registry", "export", folder, "--keys", keys, "--registry", url)[0]["fingerprint"])
	}
	m.hearth("s9pk", "publish", m.first(), "--registry", url)
	fingerprint := export()
	m.must("cp", "-a", folder, before)
	m.hearth("registry", "remove", "mine")
	if _, err := m.tryHearth("registry", "add", "file://"+folder, "--id", "stick", "--fingerprint", strings.Repeat("00", 32)); err == nil || !strings.Contains(err.Error(), "EXPORT_ROOT_OTHER") {
		t.Errorf("an export with another fingerprint is added: %v", err)
	}
	m.hearth("registry", "add", "file://"+folder, "--id", "stick", "--fingerprint", fingerprint)
	m.hearth("package", "install", sample)
	m.healthy(sample)
	m.greet("Hello")
	m.says("Hello")

	m.hearth("s9pk", "publish", m.next(), "--registry", url)
	if again := export(); again != fingerprint {
		t.Errorf("made anew it has the fingerprint %s, and had %s", again, fingerprint)
	}
	m.hearth("package", "update", sample)
	m.healthy(sample)
	m.says("Hello (migrated)")
	if row := m.rows("package", "show", sample)[0]; fmt.Sprint(row["registry"]) != "stick" {
		t.Errorf("it came from %v", row["registry"])
	}

	newer := folder + "-newer"
	m.must("mv", folder, newer)
	m.must("cp", "-a", before, folder)
	if _, err := m.tryHearth("registry", "search", "--registry", "stick"); err == nil || !strings.Contains(err.Error(), "EXPORT_ROLLBACK") {
		t.Errorf("the export of before is believed: %v", err)
	}
	m.must("rm", "-r", folder)
	m.must("mv", newer, folder)
	m.hearth("package", "uninstall", sample, "--yes")
	files, err := filepath.Glob(filepath.Join(folder, "targets", "files", "*.s9pk"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the export has the files %v, %v", files, err)
	}
	for _, file := range files {
		flip(t, file)
	}
	if _, err := m.tryHearth("package", "install", sample); err == nil || !strings.Contains(err.Error(), "reason: ") {
		t.Errorf("a file that was changed is installed: %v", err)
	}
	for _, file := range files {
		m.must("rm", file)
	}
	if _, err := m.tryHearth("package", "install", sample); err == nil || !strings.Contains(err.Error(), "EXPORT_INCOMPLETE") {
		t.Errorf("a file that is withheld: %v", err)
	}
	m.leftNothing(t)
}

// flip changes a byte in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	if _, err := f.ReadAt(one, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	one[0] ^= 1
	if _, err := f.WriteAt(one, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}
