package holder

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// What parent and worker say to each other. The parent stays the old program over an upgrade, so this is a contract with
// every later release: members are only added, and what is not known is ignored.
const (
	// Of the worker: opOpen asks for a socket, opControl for that of the daemon, opRelease gives one back, opReplace asks
	// for the next worker, opCaller for a socket that connects from the address of a caller, opReach to let a service reach something; all
	// are answered with opAnswer. opReady and opFrozen only tell.
	opOpen    = "open"
	opControl = "control"
	opRelease = "release"
	opReplace = "replace"
	opCaller  = "caller"
	opReach   = "reach"
	opReady   = "ready"
	opFrozen  = "frozen"

	// Of the parent.
	opAnswer  = "answer"
	opPromote = "promote" // you are the one now: take the daemon's socket
	opFreeze  = "freeze"  // keep the table as it is, then say opFrozen
	opThaw    = "thaw"
	opDrain   = "drain" // another has taken over: finish and end
	opStop    = "stop"  // end soon
)

// maxMessage bounds one message; they are short.
const maxMessage = 4096

type message struct {
	Op      string `json:"op"`
	ID      uint64 `json:"id,omitempty"`
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	Error   string `json:"error,omitempty"`
	// Of opReach alone.
	Tag       string       `json:"tag,omitempty"`
	Set       string       `json:"set,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
	Ports     []uint16     `json:"ports,omitempty"`
	Seconds   uint32       `json:"seconds,omitempty"`

	fd int // beside the message; -1 for none
}

// wire is one end of the socket pair. Sending is safe for concurrent use, receiving is for one goroutine.
type wire struct{ conn *net.UnixConn }

func newWire(f *os.File) (*wire, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("cannot use the socket to the other process: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("cannot use the socket to the other process: not a unix socket")
	}
	return &wire{u}, nil
}

func (w *wire) send(m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return fmt.Errorf("cannot send %q: message is too long", m.Op)
	}
	var rights []byte
	if m.fd >= 0 {
		rights = unix.UnixRights(m.fd)
	}
	_, _, err = w.conn.WriteMsgUnix(b, rights, nil)
	return err
}

// receive returns the next message; a descriptor in it belongs to the caller.
func (w *wire) receive() (message, error) {
	b, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*8))
	n, oobn, flags, _, err := w.conn.ReadMsgUnix(b, oob)
	if err != nil {
		return message{fd: -1}, err
	}
	fds := rights(oob[:oobn])
	m := message{fd: -1}
	if err := json.Unmarshal(b[:n], &m); err != nil || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || len(fds) > 1 {
		closeAll(fds)
		return message{fd: -1}, errors.New("cannot read a message of the other process")
	}
	m.fd = -1
	if len(fds) == 1 {
		m.fd = fds[0]
	}
	return m, nil
}

func rights(oob []byte) (fds []int) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if got, err := unix.ParseUnixRights(&m); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
