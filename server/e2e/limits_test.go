package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/testenv"
)

// countingDisk puts the state on a disk of its own whose file system counts what each service takes.
func (m *machine) countingDisk() {
	m.t.Helper()
	testenv.Require(m.t, "btrfs")
	image := filepath.Join(filepath.Dir(m.state), "disk")
	m.must("truncate", "-s", "3G", image)
	m.must("mkfs.btrfs", "-q", image)
	m.must("mkdir", "-p", m.state)
	m.must("mount", "-o", "loop", image, m.state)
	m.must("btrfs", "quota", "enable", m.state)
}

// limited chooses limits for the sample. The test is skipped, with the server's reason, where the kernel cannot bound that.
func (m *machine) limited(t *testing.T, args ...string) {
	t.Helper()
	out, err := m.tryHearth(append([]string{"package", "limits", sample}, args...)...)
	if err != nil && strings.Contains(err.Error()+out, "LIMIT_UNSUPPORTED") {
		t.Skipf("this machine bounds no %s: %v", args[0], err)
	}
	if err != nil {
		t.Fatalf("limits %v: %v", args, err)
	}
}

// throttled is how often the kernel has kept the sample from the processor.
func (m *machine) throttled() int {
	m.t.Helper()
	out := m.must("sh", "-c", `cat /sys/fs/cgroup/"$0"/cpu.stat /sys/fs/cgroup/*/"$0"/cpu.stat 2>/dev/null | sed -n 's/^nr_throttled //p' | sort -n | tail -n1`,
		fmt.Sprintf("hearth/%s/payload/%s", m.tag(), sample))
	n, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		m.t.Fatalf("the kernel tells no throttling: %q", out)
	}
	return n
}

// What people allow a service is what it gets, from when they say so, while it runs: each limit stops it in the container, is gone when it
// is taken back, and the server is asked for changes all the while and makes them.
func TestEachLimitBitesInsideTheServiceAlone(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.countingDisk()
	m.start()
	m.installSample()
	m.hearth("package", "install", m.packTwin())
	m.healthy(twin)
	refused := m.commits(twin)

	const volume = "/media/startos/volumes/main/"
	script := func(text string) (string, error) { return m.inside(sample, "sh", "-c", text) }
	for _, c := range []struct{ flag, least, hog string }{
		{"--pids", "60", `for i in $(seq 150); do sleep 2 & done; wait`},
		{"--memory", "256M", `head -c 300M /dev/zero | tail -c 250M | wc -c | grep -x 262144000`},
		{"--disk", "200M", `head -c 400M /dev/zero >` + volume + `full && sync ` + volume + `full`},
	} {
		t.Run(strings.TrimPrefix(c.flag, "--"), func(t *testing.T) {
			m.limited(t, c.flag, c.least)
			if out, err := script(c.hog); err == nil {
				t.Errorf("with %s of %s this works: %s\n%s", c.flag, c.least, c.hog, out)
			}
			_, _ = script(`rm -f ` + volume + `full`)
			m.limited(t, c.flag, "default")
			if out, err := script(c.hog); err != nil {
				t.Errorf("without a limit this does not work: %s: %v\n%s", c.hog, err, out)
			}
			_, _ = script(`rm -f ` + volume + `full`)
		})
	}

	t.Run("what ended is told with the memory it lacked", func(t *testing.T) {
		m.limited(t, "--memory", "256M")
		if out, err := script(`head -c 300M /dev/zero | tail -c 250M >/dev/null && echo done`); strings.Contains(out, "done") {
			t.Fatalf("the limit does not bite: %v\n%s", err, out)
		}
		if m.strike(sample, func(p process) bool { return p.script }) == 0 {
			t.Fatal("the JavaScript host is not there")
		}
		m.eventually(time.Minute, "the end is told with its reason", func() error {
			crashes, _ := m.pkg(sample)["crashes"].(map[string]any)
			if reason := fmt.Sprint(crashes["reason"]); !strings.Contains(reason, "for want of memory, of which it may have 256 MiB") {
				return errors.New(reason)
			}
			return nil
		})
		m.limited(t, "--memory", "default")
		m.healthy(sample)
	})
	t.Run("cpu", func(t *testing.T) {
		m.limited(t, "--cpu", "0.1")
		before := m.throttled()
		m.eventually(time.Minute, "who would keep a processor busy, and may a tenth of it, is held back", func() error {
			_, _ = script(`timeout 3 sh -c 'while :; do :; done'`)
			if n := m.throttled() - before; n < 10 {
				return fmt.Errorf("it was held back %d times", n)
			}
			return nil
		})
		m.limited(t, "--cpu", "default")
	})
	for flag, copies := range map[string]string{
		"--io-write": `dd if=/dev/zero of=` + volume + `wide bs=1M count=12 oflag=direct`,
		"--io-read":  `dd if=` + volume + `wide of=/dev/null bs=1M iflag=direct`,
	} {
		t.Run(strings.TrimPrefix(flag, "--"), func(t *testing.T) {
			if _, err := script(`dd if=/dev/zero of=` + volume + `wide bs=1M count=12 oflag=direct`); err != nil {
				t.Fatal(err)
			}
			m.limited(t, flag, "3M")
			began := time.Now()
			if out, err := script(copies); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if took := time.Since(began); took < 3*time.Second {
				t.Errorf("12 MiB at 3 MiB a second took %s", took)
			}
			m.limited(t, flag, "default")
		})
	}

	m.healthy(sample) // what was ended for memory is made anew
	if done, not := refused(); done == 0 || len(not) > 0 {
		t.Errorf("of what was asked of the server %d was done, and this not: %v", done, not)
	}
	if row := m.rows("package", "show", twin)[0]; row["state"] != "running" {
		t.Errorf("its neighbour is %v", row["state"])
	}
}
