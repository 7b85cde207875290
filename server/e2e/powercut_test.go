package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/testenv"
)

// stateSize is how large the disk of the state is; what was not written to takes nothing.
const stateSize = 4 << 30

// fileSystems are those that the state may lie on, with how they are mounted here: by themselves they secure nothing for
// minutes, so that only what the server secures is.
var fileSystems = map[string]string{"ext4": "commit=300,noinit_itable", "xfs": "nouuid", "btrfs": "commit=300"}

// mountState puts the state on a device, for the machine alone.
func (m *machine) mountState(kind string, device *os.File) {
	m.t.Helper()
	m.must("mkdir", "-p", m.state)
	m.must("mount", "-t", kind, "-o", fileSystems[kind], device.Name(), m.state)
	device.Close()
}

// ofState is a path in the state as this process sees it, which is not within the machine's mounts.
func (m *machine) ofState(elem ...string) string {
	return filepath.Join(append([]string{"/proc", fmt.Sprint(m.holder.Process.Pid), "root", m.state}, elem...)...)
}

// A disk that loses power keeps what it was told to make durable, and nothing else is sure.
func TestRecordedDiskLosesWhatWasNotSecured(t *testing.T) {
	t.Parallel()
	for kind := range fileSystems {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			if testing.Short() {
				t.Skip("the fast lane mounts nothing")
			}
			d := newRecordedDisk(t, kind, 512<<20)
			m := newMachine(t)
			rest := d.newRemains(t)
			m.mountState(kind, d.attach(t))
			m.must("dd", "if=/dev/urandom", "of="+m.state+"/secured", "bs=64k", "count=20", "conv=fsync", "status=none")
			m.must("sync", m.state)
			m.must("dd", "if=/dev/urandom", "of="+m.state+"/loose", "bs=64k", "count=20", "status=none")
			want := m.must("sha256sum", m.state+"/secured")
			for _, how := range []loss{lossOfSectors, lossOfWrites, lossOfAll, lossOfNone} {
				t.Run(string(how), func(t *testing.T) {
					m := newMachine(t)
					m.cleaned = true
					image := rest.after(t, d.now(), how, rand.New(rand.NewPCG(1, 1)))
					m.mountState(kind, blockDevice(t, int(image.Fd())))
					if got := m.must("sha256sum", m.state+"/secured"); strings.Fields(got)[0] != strings.Fields(want)[0] {
						t.Errorf("what was secured is %s, want %s", got, want)
					}
					if info, err := os.Stat(m.ofState("loose")); err == nil && info.Size() > 0 {
						t.Errorf("what was not secured is there: %v", info)
					}
				})
			}
			m.cleaned = true
		})
	}
}

// rest is a state of the machine in which no operation is under way.
type rest struct {
	begun, acknowledged int // from the first it may be so, from the second on nothing before it
	named               int // from when on the server has its name
	version             string
	kept                []string
	says                string
	settings            string // what the package's init wrote
	contents            string // of the data; empty where the package still writes them
	name                string // of the server
	own                 bool   // the package's code alone wrote, when it liked: what it does not secure is its own affair
}

// life is what happened on a recorded disk.
type life struct {
	kind  string
	disk  *recordedDisk
	rests []rest
}

// step does something that is acknowledged when it returns, and describes what is then.
func (l *life) step(m *machine, do func()) {
	name := fmt.Sprint("life ", len(l.rests))
	r := rest{begun: l.disk.now(), name: name}
	do()
	r.acknowledged = l.disk.now()
	m.hearth("system", "name", name)
	r.named = l.disk.now()
	if len(m.rows("package", "list")) > 0 {
		m.healthy(sample)
		r.version, r.kept = m.version()
		r.settings = m.must("cat", m.settingsFile())
	}
	l.rests = append(l.rests, r)
}

func (m *machine) settingsFile() string { return filepath.Join(m.volume(), "settings.json") }

// knows completes the last rest by what is on the page and in the data.
func (l *life) knows(m *machine, greeting string) {
	m.says(greeting)
	r := &l.rests[len(l.rests)-1]
	r.says, r.contents = greeting, m.contents()
}

// liveOn takes the sample through a life on a recorded disk.
func liveOn(t *testing.T, kind string) (*life, *remains) {
	t.Helper()
	l := &life{kind: kind, disk: newRecordedDisk(t, kind, stateSize)}
	m := newMachine(t)
	before := l.disk.newRemains(t)
	m.mountState(kind, l.disk.attach(t))
	l.step(m, func() { m.start() })
	l.step(m, func() { m.hearth("package", "install", m.first()) })
	l.step(m, func() {
		m.hearth("package", "action", "run", sample, "set-greeting", "--input", `{"greeting":"Hello","color":"#203050"}`)
	})
	l.rests[len(l.rests)-1].own = true
	l.step(m, func() {
		m.must("sh", "-c", `echo of the first version > "$0"/keepsake && sync -f "$0"`, m.volume())
	})
	l.knows(m, "Hello")
	l.rests[len(l.rests)-1].own = true
	l.step(m, func() { m.hearth("package", "install", m.next()) })
	l.knows(m, "Hello (migrated)")
	l.step(m, func() { m.must("sh", "-c", `echo since the update > "$0"/since && sync "$0"/since "$0"`, m.volume()) })
	l.knows(m, "Hello (migrated)")
	l.rests[len(l.rests)-1].own = true
	l.step(m, func() { m.hearth("package", "rollback", sample, "--yes") })
	l.knows(m, "Hello")
	l.step(m, func() { m.hearth("package", "uninstall", sample, "--yes") })
	m.kill(syscall.SIGKILL)
	return l, before
}

// cut is a moment at which the power goes.
type cut struct {
	events int
	how    loss
	seed   int
}

// cuts chooses moments of a life, in order: first when each of its steps was acknowledged, then at a random place of a
// random stretch between two flushes of each of its operations in turn.
func (l *life) cuts(count int, chance *rand.Rand) []cut {
	var flushes []int
	for i, e := range l.disk.events {
		if e.n == 0 {
			flushes = append(flushes, i+1)
		}
	}
	moments := l.rests[1:]
	operations := slices.DeleteFunc(slices.Clone(l.rests[1:]), func(r rest) bool { return r.own })
	var list []cut
	for seed := range count {
		if seed < len(moments) {
			list = append(list, cut{events: moments[seed].acknowledged, how: lossOfAll, seed: seed})
			continue
		}
		r := operations[seed%len(operations)]
		within := slices.DeleteFunc(slices.Clone(flushes), func(at int) bool { return at < r.begun || at > r.acknowledged })
		from := within[chance.IntN(len(within))]
		to := l.disk.now()
		if next := slices.IndexFunc(flushes, func(at int) bool { return at > from }); next >= 0 {
			to = flushes[next]
		}
		how := []loss{lossOfAll, lossOfWrites, lossOfSectors, lossOfNone}[chance.IntN(4)]
		list = append(list, cut{events: from + chance.IntN(to-from), how: how, seed: seed})
	}
	slices.SortFunc(list, func(a, b cut) int { return a.events - b.events })
	return list
}

// The power may go at any moment of an installation, an update, a rollback or a removal, and the disk lose or tear what no
// flush followed: the server ends in a good state by itself, with the data of before or after, and has what it
// acknowledged.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the fast lane runs no containers")
	}
	testenv.Require(t, "root", "lxc", "netns")
	kinds, count := []string{"ext4"}, 8
	if soak() {
		kinds, count = []string{"ext4", "xfs", "btrfs"}, 20
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l, before := liveOn(t, kind)
			t.Logf("%d writes and flushes", l.disk.now())
			for _, c := range l.cuts(count, rand.New(rand.NewPCG(uint64(len(kind)), 8))) {
				t.Run(fmt.Sprint("seed ", c.seed), func(t *testing.T) { l.recovers(t, before, c) })
			}
		})
	}
}

// recovers starts the server on what a cut left.
func (l *life) recovers(t *testing.T, before *remains, c cut) {
	image := before.after(t, c.events, c.how, rand.New(rand.NewPCG(uint64(c.seed), 13)))
	m := newMachine(t)
	m.mountState(l.kind, blockDevice(t, int(image.Fd())))
	last := 0
	for i, r := range l.rests {
		if r.acknowledged <= c.events {
			last = i
		}
	}
	may := l.rests[last : last+1]
	if last+1 < len(l.rests) && l.rests[last+1].begun <= c.events {
		may = l.rests[last : last+2]
	}
	t.Logf("the power goes after event %d of %d, after %q, and takes %s", c.events, l.disk.now(), l.rests[last].name, c.how)
	m.start()
	m.eventually(90*time.Second, "all operations have ended", func() error {
		if left := m.unfinished(); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})
	m.isAtRest(may)
	m.knowsItsName(l.rests, c.events)
	if len(m.rows("package", "list")) > 0 {
		m.hearth("package", "uninstall", sample, "--yes")
	}
	m.expireUploads() // of whom the power went with
	m.leftNothing(t)
}

// isAtRest checks that the machine is as it was at one of several times.
func (m *machine) isAtRest(may []rest) {
	m.t.Helper()
	now := rest{}
	if len(m.rows("package", "list")) > 0 {
		m.healthy(sample)
		now.version, now.kept = m.version()
		now.settings = m.must("cat", m.settingsFile())
		if recorded := m.must("cat", filepath.Join(m.state, "volumes", sample, ".version")); recorded != now.version {
			m.t.Errorf("version %s runs on data of %q", now.version, recorded)
		}
	}
	var why []string
	for _, r := range may {
		if now.version != r.version || fmt.Sprint(now.kept) != fmt.Sprint(r.kept) || now.settings != r.settings {
			why = append(why, fmt.Sprintf("%+v", r))
			continue
		}
		if r.says != "" {
			m.says(r.says)
		}
		if r.contents == "" {
			return
		}
		if have := m.contents(); have != r.contents {
			why = append(why, fmt.Sprintf("the data\n%s", r.contents))
			now.contents = have
			continue
		}
		return
	}
	m.t.Errorf("after the cut there is %+v, and should be one of\n%s", now, strings.Join(why, "\n"))
}

// knowsItsName checks that the server is called as was acknowledged last, or as it was about to be called.
func (m *machine) knowsItsName(rests []rest, events int) {
	m.t.Helper()
	var may []string
	for _, r := range rests {
		if r.named <= events {
			may = nil
		}
		if r.begun <= events {
			may = append(may, r.name)
		}
	}
	if name := fmt.Sprint(m.rows("system", "settings")[0]["name"]); !slices.Contains(may, name) {
		m.t.Errorf("the server is called %q, and was called one of %q", name, may)
	}
}
