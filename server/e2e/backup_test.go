package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A package makes a backup with its own code into a folder of the machine, and takes its data from it when it is
// installed anew.
func TestBackupsAreMadeByPackagesAndRestored(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	dir := t.TempDir()
	m.hearth("package", "backup", sample, dir)
	m.healthy(sample) // it runs again
	of := filepath.Join(dir, sample)
	for _, name := range []string{"data/volumes/main", "data/dataVersion.txt", sample + ".s9pk", "backup.json"} {
		if _, err := os.Stat(filepath.Join(of, name)); err != nil {
			t.Errorf("the backup has no %s: %v", name, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(of, "*.new")); err != nil || len(left) > 0 {
		t.Errorf("there is more in the folder: %v, %v", left, err)
	}
	if seen, err := m.inside(sample, "ls", "/media/startos/backup"); err != nil || strings.TrimSpace(seen) != "" {
		t.Errorf("the backup can still be reached: %q, %v", seen, err)
	}

	// What is said from here on is not in the backup.
	m.hearth("package", "action", "run", sample, "set-greeting", "--input", `{"greeting":"Said later","color":"#203050"}`)
	m.hearth("package", "uninstall", sample, "--yes")
	m.hearth("package", "restore", sample, dir)
	m.healthy(sample)
	if page := m.curl(m.address(sample)); !strings.Contains(page, "Hello from the test") {
		t.Errorf("the page does not say what was backed up:\n%s", page)
	}
	if seen, err := m.inside(sample, "ls", "/media/startos/backup"); err != nil || strings.TrimSpace(seen) != "" {
		t.Errorf("the backup can be reached after the restore: %q, %v", seen, err)
	}
	m.used(t)
}

// used looks at what is measured of a service that runs for real.
func (m *machine) used(t *testing.T) {
	t.Helper()
	if page := m.curl(m.address(sample)); page == "" {
		t.Error("the page is empty")
	}
	rows := m.rows("package", "stats", sample)
	if len(rows) != 1 {
		t.Fatalf("what the service uses: %v", rows)
	}
	for _, name := range []string{"memoryBytes", "memoryLimitBytes", "processes", "receivedBytes", "sentBytes"} {
		if n, ok := rows[0][name].(float64); !ok || n <= 0 {
			t.Errorf("%s is %v", name, rows[0][name])
		}
	}
	if spent, _ := rows[0]["cpuTime"].(string); spent == "" || spent == "0s" {
		t.Errorf("it took %q of the processor", spent)
	}
	history := m.rows("package", "health", sample, "--history")
	if len(history) == 0 {
		t.Error("nothing is remembered of its health")
	}
}
