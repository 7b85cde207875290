package holder

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSocketsAreOpenedAsAsked(t *testing.T) {
	t.Parallel()
	s := shelf{fds: map[socketKey]int{}}
	for _, key := range []socketKey{
		{"tcp", "127.0.0.1:0"}, {"udp", "127.0.0.1:0"}, {"tcp", "[::1]:0"},
		{"tcp", "198.51.100.77:0"}, {"udp", "198.51.100.77:0"}, // addresses this machine does not have yet
	} {
		fd, err := s.get(key)
		if err != nil {
			t.Errorf("%v: %v", key, err)
			continue
		}
		again, err := s.get(key)
		if err != nil || again != fd {
			t.Errorf("%v asked for again is %d, %v; before %d", key, again, err, fd)
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%v blocks: flags %x, %v", key, flags, err)
		}
		s.drop(key)
		s.drop(key)
	}
	for _, key := range []socketKey{{"tcp", "localhost:80"}, {"unix", "/x"}, {"tcp", ""}, {"tcp", "[fe80::1%absent0]:80"}, {"sctp", "127.0.0.1:0"}} {
		if _, err := s.get(key); err == nil {
			t.Errorf("%v was opened", key)
		}
	}
}

func TestTheDaemonsSocketReplacesALeftoverAndNothingElse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	for range 2 {
		fd, err := openControl(path)
		if err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", st.Mode(), err)
		}
		unix.Close(fd) // the file stays, as after a crash
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openControl(path); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("a file in its place: %v", err)
	}
}

func TestOneParentAloneHoldsTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := takeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := takeLock(path); err == nil {
		t.Error("the lock was taken twice")
	}
	first.Close()
	second, err := takeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

// pair is a wire with a raw other end.
func pair(t testing.TB) (*wire, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "here")
	defer f.Close()
	w, err := newWire(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.conn.Close() })
	return w, fds[1]
}

func TestADescriptorComesWithItsMessage(t *testing.T) {
	t.Parallel()
	w, raw := pair(t)
	f := os.NewFile(uintptr(raw), "there")
	other, err := newWire(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer other.conn.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.send(message{Op: opAnswer, ID: 7, fd: int(file.Fd())}); err != nil {
		t.Fatal(err)
	}
	file.Close()
	l.Close()
	m, err := other.receive()
	if err != nil || m.ID != 7 || m.fd < 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	got := os.NewFile(uintptr(m.fd), "")
	defer got.Close()
	same, err := net.FileListener(got)
	if err != nil || same.Addr().String() != l.Addr().String() {
		t.Errorf("the descriptor is %v, %v", same, err)
	}
	same.Close()
	if err := w.send(message{Op: strings.Repeat("x", maxMessage), fd: -1}); err == nil {
		t.Error("a message that is too long was sent")
	}
}

// FuzzMessage gives the parent whatever a broken worker may say: it is refused or understood, and a descriptor that came
// with it is closed or handed over.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"op":"open","id":1,"network":"tcp","address":"127.0.0.1:0"}`), 0)
	f.Add([]byte(`{"op":"answer"}`), 1)
	f.Add([]byte(`noise`), 3)
	w, raw := pair(f)
	f.Fuzz(func(t *testing.T, b []byte, descriptors int) {
		if len(b) == 0 || len(b) > 2*maxMessage {
			return // an empty packet is the end of the connection
		}
		var oob []byte
		if n := descriptors & 3; n > 0 {
			oob = unix.UnixRights([]int{raw, raw, raw}[:n]...)
		}
		if err := unix.Sendmsg(raw, b, oob, nil, 0); err != nil {
			t.Fatal(err)
		}
		m, err := w.receive()
		if err == nil && (len(b) > maxMessage || descriptors&3 > 1) {
			t.Errorf("%d bytes with %d descriptors were understood", len(b), descriptors&3)
		}
		if m.fd >= 0 {
			unix.Close(m.fd)
		}
		if a, parseErr := netip.ParseAddrPort(m.Address); err == nil && parseErr == nil {
			_, _, _ = sockaddr(a)
		}
	})
}
