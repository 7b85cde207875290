package e2e

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"
)

// A port that another program of the machine has is told by the address, by a warning and by the doctor, for as long as it
// is so; a binding that comes new gets another.
func TestPortsOfOtherProgramsAreToldAndNotHandedOut(t *testing.T) {
	m := newMachine(t)
	m.start()
	file := filepath.Join(m.bin, sample+".s9pk")
	m.hearth("package", "install", file)
	m.eventually(30*time.Second, "addresses", func() error {
		if len(m.rows("package", "addresses", sample)) == 0 {
			return errors.New("there are none")
		}
		return nil
	})
	port := fmt.Sprint(m.rows("package", "addresses", sample)[0]["port"])
	m.hearth("package", "start", sample)
	other := m.overtaken(port)
	m.eventually(90*time.Second, "the port is told as not served", func() error {
		for _, row := range m.rows("package", "addresses", sample) {
			if fmt.Sprint(row["port"]) == port && row["kind"] == "localhost" {
				if why, _ := row["unserved"].(string); !strings.Contains(why, "in use") {
					return fmt.Errorf("the address is %v", row)
				}
			}
		}
		return m.warned("unserved/" + port)
	})
	if shown := m.hearth("package", "show", sample); !strings.Contains(shown, "not served: ") {
		t.Errorf("shown is %s", shown)
	}
	if found := m.hearth("doctor"); !strings.Contains(found, sample+" at port "+port) {
		t.Errorf("the doctor says %s", found)
	}

	// Installed anew it gets another port.
	m.hearth("package", "uninstall", sample, "--yes")
	m.hearth("package", "install", file)
	m.hearth("package", "start", sample)
	for _, row := range m.rows("package", "addresses", sample) {
		if fmt.Sprint(row["port"]) == port || row["unserved"] != "" {
			t.Errorf("installed anew it has the address %v", row)
		}
	}
	m.eventually(90*time.Second, "the warning ends", func() error {
		if m.warned("unserved/"+port) == nil {
			return errors.New("it stays")
		}
		return nil
	})

	// What was in the way goes, and the port is served.
	other.Close()
	port = fmt.Sprint(m.rows("package", "addresses", sample)[0]["port"])
	other = m.overtaken(port)
	m.eventually(90*time.Second, "a warning", func() error { return m.warned("unserved/" + port) })
	other.Close()
	m.eventually(90*time.Second, "the port is served again", func() error {
		for _, row := range m.rows("package", "addresses", sample) {
			if row["unserved"] != "" {
				return fmt.Errorf("the address is %v", row)
			}
		}
		if m.warned("unserved/"+port) == nil {
			return errors.New("the warning stays")
		}
		return nil
	})
}

// overtaken has another program listen on a port of the machine before the server does.
func (m *machine) overtaken(port string) net.Listener {
	m.t.Helper()
	m.kill(syscall.SIGKILL)
	var l net.Listener
	m.eventually(30*time.Second, "the port is free", func() (err error) {
		// The door that keeps the other may have made a new one between the two ends.
		m.must("sh", "-c", "for p in $(pgrep -x hearth-door); do if [ /proc/$p/ns/net -ef /proc/self/ns/net ]; then kill -9 $p || :; fi; done")
		l, err = m.occupy(port)
		return err
	})
	m.t.Cleanup(func() { l.Close() })
	m.start()
	return l
}

// occupy listens on a port of the machine itself.
func (m *machine) occupy(port string) (net.Listener, error) {
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // it must live on: it may be the parent of processes that end with it
		home, err := netns.Get()
		if err != nil {
			done <- result{err: err}
			return
		}
		defer home.Close()
		var r result
		ns, err := netns.GetFromPid(m.holder.Process.Pid)
		if err == nil {
			defer ns.Close()
			err = netns.Set(ns)
		}
		if r.err = err; err == nil {
			r.l, r.err = net.Listen("tcp", "127.0.0.1:"+port)
		}
		if back := netns.Set(home); back != nil {
			panic(back) // nothing that runs on this thread later would be where it believes to be
		}
		runtime.UnlockOSThread()
		done <- r
	}()
	r := <-done
	return r.l, r.err
}
