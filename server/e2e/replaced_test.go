package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The programs that are exchanged under load.
const (
	daemonProgram = "hearthd"
	doorProgram   = "hearth-door"
)

// releases are the programs of a machine that has its own, and the versions that are on its disk.
type releases struct {
	*machine
	versions map[string]string
	count    int
}

// ownPrograms gives a machine without a server programs of its own, which can be exchanged.
func (m *machine) ownPrograms() *releases {
	m.t.Helper()
	r := &releases{machine: m, versions: map[string]string{}}
	dir := filepath.Join(filepath.Dir(m.state), "bin")
	entries, err := os.ReadDir(m.bin)
	if err = errors.Join(err, os.Mkdir(dir, 0o755)); err != nil {
		m.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(m.bin, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			m.t.Fatal(err)
		}
	}
	m.bin = dir
	for _, name := range []string{daemonProgram, doorProgram} {
		r.write(name, r.read(name))
	}
	return r
}

func (r *releases) read(name string) []byte {
	r.t.Helper()
	program, err := os.ReadFile(filepath.Join(r.bin, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return program
}

func (r *releases) write(name string, program []byte) {
	r.t.Helper()
	path := filepath.Join(r.bin, name)
	if err := errors.Join(os.WriteFile(path+".new", program, 0o755), os.Rename(path+".new", path)); err != nil {
		r.t.Fatal(err)
	}
}

// release puts programs of another version in the place of those that are there. Their bytes differ in the version alone: a
// build of each would take longer than the test.
func (r *releases) release(names ...string) {
	r.t.Helper()
	r.count++
	for _, name := range names {
		had := r.versions[name]
		if had == "" {
			had = r.serving(name)
		}
		next := fmt.Sprintf("%0*d", len(had), r.count)
		r.write(name, bytes.ReplaceAll(r.read(name), []byte(had), []byte(next)))
		r.versions[name] = next
	}
}

// serving answers the version of the program that serves now.
func (r *releases) serving(name string) string {
	r.t.Helper()
	if name == daemonProgram {
		return fmt.Sprint(r.rows("version")[0]["server"])
	}
	out, err := r.tryHearth("doctor", "--output", "json")
	for _, row := range r.decoded(out) {
		words := strings.ReplaceAll(fmt.Sprint(row["detail"]), ",", "")
		if _, after, ok := strings.Cut(words, "version "); ok && row["name"] == "door" {
			return strings.Fields(after)[0]
		}
	}
	r.t.Fatalf("the doctor tells no version of the door: %v\n%s", err, out)
	return ""
}

// served waits until a program serves in the version that is on disk.
func (r *releases) served(name string) {
	r.t.Helper()
	r.eventually(30*time.Second, name+" serves in its new version", func() error {
		if got := r.serving(name); got != r.versions[name] {
			return fmt.Errorf("it is %s and not %s", got, r.versions[name])
		}
		return nil
	})
}

// signalDoor sends a signal to the front door's parent or to the workers of it, and answers how many there were.
func (r *releases) signalDoor(signal string, worker bool) {
	r.t.Helper()
	which := "! grep -qz -- --worker"
	if worker {
		which = "grep -qz -- --worker"
	}
	r.must("sh", "-c", fmt.Sprintf(`for p in $(pgrep -x hearth-door); do
		if [ /proc/$p/ns/net -ef /proc/self/ns/net ] && %s /proc/$p/cmdline; then kill -%s $p && found=1; fi
	done; [ "$found" ]`, which, signal))
}

// moment lets some of the clients' requests pass, for no less than this.
func moment(chance *rand.Rand, least time.Duration) {
	pause := time.NewTimer(least + time.Duration(50+chance.IntN(350))*time.Millisecond)
	<-pause.C
}

// crowd are the clients of the server: over HTTPS, for names, and with websockets.
type crowd []*visitor

// newCrowd has so many clients ask, each of which waits so long for an answer to a question for a name, and at least two seconds for all else:
// a connection is served when the door is back, and who begins anew at once keeps everybody busy with handshakes. Their websockets
// carry a hundred words each, and one carries all.
func (r *releases) newCrowd(clients int, wait time.Duration) crowd {
	r.t.Helper()
	page, ip := r.at(friend, "ui"), fmt.Sprint(r.pkg(friend)["ipv4"])
	return crowd{
		r.visitors(clients/2, max(wait, 2*time.Second), "page", page, r.root(), "hello from a friend"),
		r.visitors(clients/4, wait, "name", "10.0.3.1:53", friend+".startos.", ip),
		r.visitors(clients-clients/2-clients/4, max(wait, 2*time.Second), "socket", page, r.root(), "100"),
	}
}

// The daemon dies, and both it and the front door are replaced, as often as they like. Nobody notices of the daemon, whatever becomes of
// it, and of a new front door.
func TestDaemonAndDoorAreReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	rounds, clients := 5, 16
	if soak() {
		rounds, clients = 20, 64
	}
	m := newMachine(t)
	r := m.ownPrograms()
	m.must("sh", "-c", "ip link add lan0 type veth peer name lan1 && ip link set lan0 up && ip link set lan1 up && ip address add 192.168.77.5/24 dev lan0")
	m.start()
	m.hearth("package", "install", filepath.Join(m.bin, friend+".s9pk"))
	m.healthy(friend)
	chance := rand.New(rand.NewPCG(7, 5))

	all := r.newCrowd(clients, patience)
	page := m.visit("page", "https://192.168.77.5:8443/", m.root(), "<html")
	held := m.visit("socket", m.at(friend, "ui"), m.root(), "0")
	for range rounds {
		moment(chance, 0)
		m.kill(syscall.SIGKILL)
		moment(chance, 0)
		m.start()
	}
	for range rounds {
		moment(chance, 0)
		r.release(daemonProgram)
		m.kill(syscall.SIGTERM)
		m.start()
		r.served(daemonProgram)
	}
	held.leave(t) // the front door lets no more than a few generations of it drain
	for round := range rounds {
		moment(chance, 0)
		r.release(doorProgram)
		if round%2 == 0 {
			r.signalDoor("HUP", false)
		} else {
			r.release(daemonProgram)
			m.kill(syscall.SIGTERM)
			m.start() // finds a door of another version
		}
		r.served(doorProgram)
	}
	for _, v := range all {
		v.leave(t)
	}
	_, failed := page.end(t) // a call of the daemon's own that is under way when it is killed ends
	for _, line := range failed {
		if strings.Contains(line, "certificate") {
			t.Errorf("the server's own page: %s", line)
		}
	}
}

// A front door that is killed is back within a second, with its last table, be the daemon there or not: what was under way is lost
// with it.
func TestADoorThatIsKilledIsBackAtOnce(t *testing.T) {
	t.Parallel()
	const lookAgain = 300 * time.Millisecond
	rounds, clients, back := 5, 16, 5*time.Second // where other tests run beside this one
	var apart time.Duration
	if soak() {
		rounds, clients, back = 20, 64, time.Second
		apart = back // clients that meet the next death before they were answered would count two as one
	}
	m := newMachine(t)
	r := m.ownPrograms()
	defer func() {
		if t.Failed() {
			t.Logf("log of the door:\n%s", r.must("sh", "-c", "cat /run/hearth/*/door.log"))
		}
	}()
	m.start()
	m.hearth("package", "install", filepath.Join(m.bin, friend+".s9pk"))
	m.healthy(friend)
	chance := rand.New(rand.NewPCG(7, 6))
	all := r.newCrowd(clients, lookAgain)
	for range rounds {
		moment(chance, apart)
		r.signalDoor("KILL", true)
		moment(chance, apart)
		r.signalDoor("KILL", false) // the parent; the daemon starts another
		r.eventually(30*time.Second, "the door answers", func() error {
			_, err := r.run("curl", "-sS", "--fail", "--cacert", r.root(), r.at(friend, "ui"))
			return err
		})
		moment(chance, apart)
		r.kill(syscall.SIGKILL)
		r.signalDoor("KILL", true)
		moment(chance, apart)
		r.start()
	}
	for _, v := range all {
		seen, failed := v.end(t)
		if seen.gap > back {
			t.Errorf("for the visitor %s the door was away for %s", v.kind, seen.gap)
			for _, line := range failed[:min(len(failed), 10)] {
				t.Log(line)
			}
		}
	}
}
