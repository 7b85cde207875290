package logpipe

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/api/abi/logseg"
)

// Limits of what is asked through an Offer.
const (
	maxAsk    = 512
	askWithin = 5 * time.Second
	maxAskers = 16
)

// Ask is what a process says that wants pipes of its own: its name, and which files its output goes to now.
type Ask struct {
	Source         string
	Stdout, Stderr uint64 // inodes; 0 for what is no pipe
}

// Offer gives programs pipes of their own in place of those that a service shares, so that the log knows who printed what.
//
// It deliberately believes what it is told: who may connect, root of the container, may print to the shared pipes too.
type Offer struct {
	sink   *Sink
	shared map[uint64]logseg.Stream
}

// NewOffer returns an offer in place of nothing yet.
func NewOffer(sink *Sink) *Offer { return &Offer{sink: sink, shared: map[uint64]logseg.Stream{}} }

// Replaces says that end, which Pipe returned, is one of the shared pipes. It is not called once Serve is.
func (o *Offer) Replaces(end *os.File, stream logseg.Stream) error {
	inode, err := Inode(end)
	if err == nil {
		o.shared[inode] = stream
	}
	return err
}

// Inode identifies a pipe; it is 0 for every other file.
func Inode(f *os.File) (uint64, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var st unix.Stat_t
	var statErr error
	if err := raw.Control(func(fd uintptr) { statErr = unix.Fstat(int(fd), &st) }); err != nil || statErr != nil {
		return 0, errors.Join(err, statErr)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return 0, nil
	}
	return st.Ino, nil
}

// Serve answers who asks, until the listener is closed.
func (o *Offer) Serve(lis *net.UnixListener) {
	room := make(chan struct{}, maxAskers)
	for {
		conn, err := lis.AcceptUnix()
		if err != nil {
			return
		}
		room <- struct{}{}
		go func() {
			defer func() { conn.Close(); <-room }()
			_ = conn.SetDeadline(time.Now().Add(askWithin))
			o.answer(conn)
		}()
	}
}

// answer sends, for each of the two, whether there is a pipe for it, and the pipes.
func (o *Offer) answer(conn *net.UnixConn) {
	buf := make([]byte, maxAsk)
	n, err := conn.Read(buf)
	if err != nil {
		return
	}
	var ask Ask
	if json.Unmarshal(buf[:n], &ask) != nil || ask.Source == "" {
		return
	}
	reply := []byte("00")
	var fds []int
	for i, inode := range []uint64{ask.Stdout, ask.Stderr} {
		stream, ok := o.shared[inode]
		if !ok {
			continue
		}
		end, err := o.sink.Pipe(stream, ask.Source)
		if err != nil {
			continue
		}
		defer end.Close()
		reply[i], fds = '1', append(fds, int(end.Fd()))
	}
	_, _, _ = conn.WriteMsgUnix(reply, unix.UnixRights(fds...), nil)
}

// Request asks at a socket for pipes of its own; nil stands for what stays as it is.
func Request(path string, ask Ask) (stdout, stderr *os.File, err error) {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(askWithin))
	raw, err := json.Marshal(ask)
	if err != nil {
		return nil, nil, err
	}
	if _, err := conn.Write(raw); err != nil {
		return nil, nil, err
	}
	buf, oob := make([]byte, 8), make([]byte, unix.CmsgSpace(2*4))
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, nil, err
	}
	files := rights(oob[:oobn])
	for i, to := range []**os.File{&stdout, &stderr} {
		if i < n && buf[i] == '1' && len(files) > 0 {
			*to, files = files[0], files[1:]
		}
	}
	for _, f := range files {
		f.Close()
	}
	return stdout, stderr, nil
}

// rights are the files that came with a message.
func rights(oob []byte) []*os.File {
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "log"))
		}
	}
	return files
}
