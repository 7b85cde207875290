package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/testenv"
)

// next is the file of the sample's next version, whose migration marks the greeting. With the greetings "fail" and
// "hang" it does so, half way through.
func (m *machine) next() string { return filepath.Join(m.bin, sample+"-next.s9pk") }

func (m *machine) first() string { return filepath.Join(m.bin, sample+".s9pk") }

// volume is the folder of the sample's data on the server's disk.
func (m *machine) volume() string { return filepath.Join(m.state, "volumes", sample, "main") }

// version is the version of the installed sample, and the snapshots of it as "version cause".
func (m *machine) version() (string, []string) {
	m.t.Helper()
	row := m.rows("package", "show", sample)[0]
	var kept []string
	for _, s := range m.rows("package", "snapshots", "list", sample) {
		kept = append(kept, fmt.Sprint(s["version"], " ", s["cause"]))
	}
	return fmt.Sprint(row["version"]), kept
}

// says waits until the page of the sample has a greeting, whole.
func (m *machine) says(greeting string) {
	m.t.Helper()
	page := m.address(sample)
	m.eventually(60*time.Second, "the page says "+greeting, func() error {
		body, err := m.run("curl", "-sS", "--fail", "--cacert", m.root(), page)
		if err == nil && !strings.Contains(body, ">"+greeting+"<") {
			err = errors.New(body)
		}
		return err
	})
}

// greet has the page say something.
func (m *machine) greet(greeting string) {
	m.t.Helper()
	m.hearth("package", "action", "run", sample, "set-greeting", "--input", fmt.Sprintf(`{"greeting":%q,"color":"#203050"}`, greeting))
	m.says(greeting)
}

// contents lists the files of the data and what is in them, with owners and modes.
func (m *machine) contents() string {
	m.t.Helper()
	return m.must("sh", "-c", `cd "$0" && find . -printf '%p %y %U:%G %m %n %l\n' | sort && find . -type f | sort | xargs -d '\n' sha256sum`, m.volume())
}

func (m *machine) expect(version string, kept ...string) {
	m.t.Helper()
	if got, snapshots := m.version(); got != version || fmt.Sprint(snapshots) != fmt.Sprint(kept) {
		m.t.Errorf("installed is %s with the snapshots %v, want %s with %v", got, snapshots, version, kept)
	}
}

// A person updates a service, goes back, forth, and down again: the data go with the version, whole.
func TestUpdate(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.hearth("package", "install", m.first())
	m.healthy(sample)
	m.greet("Good morning")
	keepsake, since := filepath.Join(m.volume(), "keepsake"), filepath.Join(m.volume(), "since")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	write(keepsake, "of the first version")

	out := m.must(m.cli, "package", "install", m.next())
	if !strings.Contains(out, "1.0.0:0") || !strings.Contains(out, "1.1.0:0") {
		t.Errorf("the update says:\n%s", out)
	}
	m.healthy(sample)
	m.says("Good morning (migrated)")
	m.expect("1.1.0:0", "1.0.0:0 update")
	write(since, "written since the update")
	write(keepsake, "of the next version")

	m.hearth("package", "rollback", sample, "--yes")
	m.healthy(sample)
	m.says("Good morning")
	m.expect("1.0.0:0", "1.1.0:0 rollback")
	if raw, err := os.ReadFile(keepsake); err != nil || string(raw) != "of the first version" {
		t.Errorf("after the rollback the keepsake is %q, %v", raw, err)
	}
	if _, err := os.Stat(since); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was written since is there: %v", err)
	}

	m.hearth("package", "rollback", sample, "--yes")
	m.healthy(sample)
	m.says("Good morning (migrated)")
	m.expect("1.1.0:0", "1.0.0:0 rollback")
	if raw, err := os.ReadFile(since); err != nil || string(raw) != "written since the update" {
		t.Errorf("after the second rollback: %q, %v", raw, err)
	}

	t.Run("down by the package's own migration", func(t *testing.T) {
		m.hearth("package", "install", m.first())
		m.healthy(sample)
		m.says("Good morning")
		m.expect("1.0.0:0", "1.1.0:0 update")
		if _, err := os.Stat(since); err != nil {
			t.Errorf("what was written before the downgrade is gone: %v", err)
		}
	})
	id := m.rows("package", "snapshots", "list", sample)[0]["id"].(string)
	m.hearth("package", "snapshots", "remove", sample, strings.TrimPrefix(id, sample+"/"), "--yes")
	m.expect("1.0.0:0")
	if _, err := m.tryHearth("package", "rollback", sample, "--yes"); err == nil || !strings.Contains(err.Error(), "PACKAGE_NO_PREVIOUS") {
		t.Errorf("a rollback to nothing: %v", err)
	}
	m.hearth("package", "install", m.next())
	m.hearth("package", "uninstall", sample, "--yes")
	m.leftNothing(t)
}

// A migration that fails, or does not end, brings back the old version and its data, and the service runs on.
func TestUpdateThatFails(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.hearth("package", "install", m.first())
	m.healthy(sample)
	for greeting, c := range map[string]struct {
		flags []string
		says  string
	}{
		"fail": {nil, "this migration fails"},
		"hang": {[]string{"--time-limit", "3s"}, "PACKAGE_CODE_TIMEOUT"},
	} {
		m.greet(greeting)
		before := m.contents()
		_, err := m.tryHearth(append([]string{"package", "install", m.next()}, c.flags...)...)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the update ends with %v, want %q", greeting, err, c.says)
		}
		m.healthy(sample)
		m.says(greeting)
		m.expect("1.0.0:0")
		if after := m.contents(); after != before {
			t.Errorf("%s: the data were\n%s\nand are\n%s", greeting, before, after)
		}
	}
	m.hearth("package", "uninstall", sample, "--yes")
	m.leftNothing(t)
}

// The daemon may die at any moment of an update or a rollback: in the end code and data belong together.
func TestUpdateSurvivesKills(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root", "lxc", "netns")
	seeds := 4
	if soak() {
		seeds = 100
	}
	m := newMachine(t)
	m.start()
	m.hearth("package", "install", m.first())
	m.healthy(sample)
	m.greet("Hello")
	hits := map[string]int{}
	for seed := range seeds {
		chance := rand.New(rand.NewPCG(uint64(seed), 6))
		m.crashDuring(chance, hits, 3*time.Second, "package", "install", m.next())
		m.belongsTogether(seed)
		if version, _ := m.version(); version == "1.0.0:0" {
			m.hearth("package", "install", m.next())
			m.belongsTogether(seed)
		}
		m.crashDuring(chance, hits, 2*time.Second, "package", "rollback", sample, "--yes")
		m.belongsTogether(seed)
		if version, _ := m.version(); version == "1.1.0:0" {
			m.hearth("package", "rollback", sample, "--yes")
			m.belongsTogether(seed)
		}
	}
	t.Logf("the daemon was killed in %v", hits)
	if len(hits) == 0 {
		t.Error("no kill met an operation: nothing was tried")
	}
	m.hearth("package", "uninstall", sample, "--yes")
	m.leftNothing(t)
}

// belongsTogether checks that the service runs and says what its version does.
func (m *machine) belongsTogether(seed int) {
	m.t.Helper()
	m.healthy(sample)
	version, kept := m.version()
	m.says(map[string]string{"1.0.0:0": "Hello", "1.1.0:0": "Hello (migrated)"}[version])
	if len(kept) > 1 {
		m.t.Errorf("seed %d: the snapshots are %v", seed, kept)
	}
	recorded, err := os.ReadFile(filepath.Join(m.state, "volumes", sample, ".version"))
	if err != nil || string(recorded) != version {
		m.t.Errorf("seed %d: version %s runs on data of %q, %v", seed, version, recorded, err)
	}
}
