package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// guest is the package that shows the page of the sample.
const guest = "hello-guest"

// registry is the address of a registry on the machine, which runs until the test ends and whose administrator is whoever
// uses the command line there. The server knows it as "mine".
func (m *machine) registry() string {
	m.t.Helper()
	const address = "127.0.0.1:5959"
	m.hearth("keys", "init")
	key := filepath.Join(filepath.Dir(m.state), "registry.pub.pem")
	m.must("sh", "-c", `"$0" keys show > "$1"`, m.cli, key)
	cmd := m.command(filepath.Join(m.bin, "hearth-registry"), "--dir", filepath.Join(filepath.Dir(m.state), "registry"), "--listen", address, "--admin", key)
	cmd.Stderr = m.log
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed when the test's context ends
	}()
	m.t.Cleanup(func() { <-ended })
	url := "http://" + address
	m.eventually(30*time.Second, "the registry answers", func() error {
		_, err := m.tryHearth("registry", "add", url, "--id", "mine", "--local")
		return err
	})
	return url
}

// shows waits until the page of a package says a greeting.
func (m *machine) shows(pkg, greeting string) {
	m.t.Helper()
	page := m.address(pkg)
	m.eventually(60*time.Second, "the page of "+pkg+" says "+greeting, func() error {
		body, err := m.run("curl", "-sS", "--fail", "--cacert", m.root(), page)
		if err == nil && !strings.Contains(body, ">"+greeting+"<") {
			err = errors.New(body)
		}
		return err
	})
}

// A person finds packages in a registry, installs one with what it needs, updates, and goes back in each way there is: the
// data go with the version, and nothing that fails leaves a trace in them.
func TestRegistryFlow(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	url := m.registry()
	publish := func(files ...string) {
		t.Helper()
		for _, file := range files {
			m.hearth("s9pk", "publish", file, "--registry", url)
		}
	}
	both := func(version, greeting string) {
		t.Helper()
		m.healthy(sample)
		m.shows(sample, greeting)
		m.shows(guest, greeting)
		if got, _ := m.version(); got != version {
			t.Errorf("installed is %s, want %s", got, version)
		}
	}

	publish(m.first(), filepath.Join(m.bin, guest+".s9pk"))
	m.hearth("registry", "category", "add", "pages", "Pages", "--registry", url)
	m.hearth("registry", "category", "put", "pages", guest, "--registry", url)
	if found := m.rows("registry", "search", "page", "--category", "pages"); len(found) != 1 || found[0]["packageId"] != guest {
		t.Fatalf("found is %v", found)
	}
	if found := m.rows("registry", "search"); len(found) != 2 {
		t.Errorf("listed is %v", found)
	}
	if offer := m.hearth("registry", "show", guest); !strings.Contains(offer, "needs: "+sample) {
		t.Errorf("the offer is\n%s", offer)
	}
	if plan := m.hearth("package", "install", guest, "--validate-only"); !strings.Contains(plan, "needs "+sample+": not installed") {
		t.Errorf("the plan is\n%s", plan)
	}

	m.hearth("package", "install", guest, "--with-dependencies")
	m.healthy(guest)
	both("1.0.0:0", "Hello from Hearth")
	// It comes back where it alone is missing.
	m.hearth("package", "uninstall", sample, "--yes")
	m.hearth("package", "install", guest, "--with-dependencies")
	m.healthy(sample)
	m.hearth("package", "restart", guest) // it had the volume that is gone
	m.healthy(guest)
	both("1.0.0:0", "Hello from Hearth")
	m.greet("Hello")
	both("1.0.0:0", "Hello")

	publish(m.next())
	if found := m.rows("registry", "search", "hearth"); !slices.ContainsFunc(found, func(o map[string]any) bool {
		return o["packageId"] == sample && o["installedVersion"] == "1.0.0:0"
	}) {
		t.Errorf("found is %v", found)
	}
	m.hearth("package", "update", sample)
	both("1.1.0:0", "Hello (migrated)")

	publish(strings.TrimSuffix(m.first(), ".s9pk") + "-third.s9pk")
	m.greet("fail")
	both("1.1.0:0", "fail")
	before := m.contents()
	if _, err := m.tryHearth("package", "update", sample); err == nil || !strings.Contains(err.Error(), "this migration fails") {
		t.Errorf("the update ends with %v", err)
	}
	both("1.1.0:0", "fail")
	if after := m.contents(); after != before {
		t.Errorf("the data were\n%s\nand are\n%s", before, after)
	}

	m.greet("Hello (migrated)")
	m.hearth("package", "update", sample)
	both("1.2.0:0", "Hello (migrated) twice")
	m.hearth("package", "rollback", sample, "--yes")
	both("1.1.0:0", "Hello (migrated)")

	m.hearth("package", "install", sample+"@1.0.0:0")
	both("1.0.0:0", "Hello")

	m.hearth("package", "uninstall", sample, "--keep-data")
	if kept := m.rows("package", "data", "list"); len(kept) != 1 || kept[0]["id"] != sample {
		t.Errorf("kept is %v", kept)
	}
	m.hearth("package", "install", sample+"@=1.0.0:0")
	both("1.0.0:0", "Hello")
	if row := m.rows("package", "show", sample)[0]; fmt.Sprint(row["registry"]) != "mine" {
		t.Errorf("it came from %v", row["registry"])
	}

	m.hearth("package", "uninstall", guest, "--yes")
	m.hearth("package", "uninstall", sample, "--yes")
	m.leftNothing(t)
}

// The daemon may die at any moment of what it does with a registry: each installation, update and rollback ends by itself, and the
// data are, to the last byte, those from before or those from after.
func TestRegistryKills(t *testing.T) {
	t.Parallel()
	seeds := 5
	if soak() {
		seeds = 200
	}
	m := newMachine(t)
	m.start()
	url := m.registry()
	m.hearth("s9pk", "publish", m.first(), "--registry", url)
	m.hearth("s9pk", "publish", m.next(), "--registry", url)
	m.hearth("package", "install", sample+"@1.0.0:0")
	m.healthy(sample)
	m.greet("Hello")
	data := map[string]string{"1.0.0:0": m.contents()}
	m.hearth("package", "update", sample)
	m.healthy(sample)
	m.says("Hello (migrated)")
	data["1.1.0:0"] = m.contents()

	is := func(seed int) string {
		version, kept := m.version()
		m.healthy(sample)
		m.says(map[string]string{"1.0.0:0": "Hello", "1.1.0:0": "Hello (migrated)"}[version])
		if now := m.contents(); now != data[version] {
			t.Errorf("seed %d: the data of %s were\n%s\nand are\n%s", seed, version, data[version], now)
		}
		if len(kept) > 1 {
			t.Errorf("seed %d: the snapshots are %v", seed, kept)
		}
		return version
	}
	hits := map[string]int{}
	for seed := range seeds {
		chance := rand.New(rand.NewPCG(uint64(seed), 9))
		within := []time.Duration{400 * time.Millisecond, 3 * time.Second}[chance.IntN(2)] // the file arrives in the first moments
		m.crashDuring(chance, hits, within, "package", "rollback", sample, "--yes")
		if is(seed) == "1.1.0:0" {
			m.hearth("package", "rollback", sample, "--yes")
			is(seed)
		}
		if chance.IntN(2) == 0 {
			m.hearth("package", "uninstall", sample, "--keep-data")
			m.crashDuring(chance, hits, within, "package", "install", sample+"@1.0.0:0")
			if now := m.contents(); now != data["1.0.0:0"] {
				t.Errorf("seed %d: the data that were kept are\n%s\nand were\n%s", seed, now, data["1.0.0:0"])
			}
			if len(m.rows("package", "list")) == 0 {
				m.hearth("package", "install", sample+"@1.0.0:0")
			}
			m.hearth("package", "start", sample)
			is(seed)
		}
		m.crashDuring(chance, hits, within, "package", "update", sample)
		if is(seed) == "1.0.0:0" {
			m.hearth("package", "update", sample)
			is(seed)
		}
	}
	t.Logf("the daemon was killed in %v", hits)
	if len(hits) == 0 {
		t.Error("no kill met an operation: nothing was tried")
	}
	m.hearth("package", "uninstall", sample, "--yes")
	m.leftNothing(t)
}
