package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// volume is where the sample has its data.
const volume = "/media/startos/volumes/main"

// takeAll takes all there is of the disk in one call of the kernel, writing nothing, and again whenever there is room: in the
// folder that is its argument.
const takeAll = `cd "$0"; n=0; while :; do n=$((n+1)); fallocate -l $(($(stat -f -c '%a * %S' .))) taken$n; done 2>/dev/null`

// takeUnseen does the same with one file that has no name.
const takeUnseen = `cd "$0"; exec 9>taken; rm taken; n=0; while :; do f=$(($(stat -f -c '%a * %S' .))); fallocate -o $n -l $f /proc/self/fd/9 && n=$((n+f)); done 2>/dev/null`

// A service that takes all of the disk at once is stopped, and the server goes on: nothing that it answered is lost, and
// it needs no next one to come to that.
func TestTheServiceThatTakesAllOfTheDiskAtOnceIsStoppedAndTheServerLives(t *testing.T) {
	t.Parallel()
	for name, by := range map[string][2]string{
		"in its data": {takeAll, volume}, "in the root of its container": {takeAll, "/var/tmp"}, "in a file without a name": {takeUnseen, volume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			takesAll(t, by[0], by[1])
		})
	}
}

func takesAll(t *testing.T, script, folder string) {
	m := newMachine(t)
	m.smallDisk()
	m.start()
	m.installSample()
	m.hearth("package", "install", m.packTwin())
	m.healthy(twin)
	refused := m.commits(twin)
	end := m.attack("sh", "-c", script, folder)
	ends := 0
	m.eventually(2*time.Minute, "the service that takes the disk is stopped", func() error {
		select {
		case <-m.exited: // as systemd would
			ends++
			m.launch()
		default:
		}
		out, err := m.tryHearth("package", "show", sample, "--output", "json")
		if err != nil {
			return err
		}
		if row := m.decoded(out)[0]; row["desired"] != "stopped" || row["stoppedFor"] == nil || row["state"] != "stopped" {
			return fmt.Errorf("it is %v and wanted %v for %v", row["state"], row["desired"], row["stoppedFor"])
		}
		return nil
	})
	end()
	done, not := refused() // some may be, while it is found out who it is
	t.Logf("%d commits meanwhile, %d refused: %.600s", done, len(not), strings.Join(not, "; "))
	if ends > 0 {
		t.Errorf("the server was ended %d times", ends)
	}
	if raw, _ := os.ReadFile(m.log.Name()); strings.Contains(string(raw), "SIGBUS") {
		t.Error("the server wrote where there was no room")
	}
	if row := m.rows("package", "show", twin)[0]; row["state"] != "running" {
		t.Errorf("its neighbour is %v", row["state"])
	}
	m.hearth("package", "restart", twin) // the server has room to write
	m.healthy(twin)
}

// A service may have taken all of the disk, and go on with that, while no server runs: the next one starts nevertheless, and
// the service can be stopped.
func TestAServerStartsBesideAServiceThatTakesAllOfTheDisk(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.smallDisk()
	m.start()
	m.installSample()
	m.kill(syscall.SIGKILL)
	end := m.attack("sh", "-c", takeAll, volume)
	m.eventually(time.Minute, "the disk is full", func() error {
		if free := strings.TrimSpace(m.must("stat", "-f", "-c", "%a", m.state)); free != "0" {
			return fmt.Errorf("%s blocks are free", free)
		}
		return nil
	})
	m.start()
	_, _ = m.tryHearth("package", "stop", sample) // the server may have been faster
	m.eventually(time.Minute, "the service is stopped", func() error {
		if row := m.rows("package", "show", sample)[0]; row["desired"] != "stopped" || row["state"] != "stopped" {
			return fmt.Errorf("it is %v and wanted %v", row["state"], row["desired"])
		}
		return nil
	})
	end()
	m.must("sh", "-c", `rm "$0"/volumes/*/main/taken*`, m.state) // the machine cannot be cleaned without room
}
