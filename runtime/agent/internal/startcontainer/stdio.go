package startcontainer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/hearthos/hearth/runtime/agent/internal/logpipe"
	"github.com/hearthos/hearth/runtime/agent/internal/pty"
)

// stdio is what stands between the caller's standard streams and those of the command. A file, pipe or device is handed
// on as it is. A socket, which is what node gives its children as "pipe", is replaced by a real pipe and copied, since
// no program can open a socket as /dev/stdout. With a terminal, the command gets one of its own. In a session all are
// handed on.
type stdio struct {
	files  [3]*os.File // for the child
	own    []*os.File  // to be closed once the child has them
	master *os.File    // nil without a terminal
	input  *os.File    // where standard input is copied to, nil if it is handed on
	size   *unix.Winsize

	outputs []*pump
	restore func()
	wg      sync.WaitGroup
}

// pump copies what a command prints to where the caller wants it.
type pump struct {
	from *os.File
	to   *os.File
}

func newStdio(c *command) (*stdio, error) {
	s := &stdio{files: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, restore: func() {}}
	if c.session {
		return s, nil // the agent has made what the command shall have
	}
	s.ownLog(c)
	tty := c.forceTTY || term.IsTerminal(0)
	stderrTTY := tty && (c.forceStderrTTY || term.IsTerminal(2))
	if tty {
		if err := s.terminal(c, stderrTTY); err != nil {
			s.close()
			return nil, err
		}
		if stderrTTY {
			return s, nil
		}
		return s, s.closeOn(s.replaceSockets(2))
	}
	return s, s.closeOn(s.replaceSockets(0, 1, 2))
}

func newPipedStdio() (*stdio, error) {
	s := &stdio{files: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, restore: func() {}}
	return s, s.closeOn(errors.Join(s.output(1), s.output(2)))
}

func (s *stdio) closeOn(err error) error {
	if err != nil {
		s.close()
	}
	return err
}

// ownLog has the log tell what the command prints from what others do: where its output is the service's own pipe to the
// log, it gets one with its name. Without, it prints where it would have.
func (s *stdio) ownLog(c *command) {
	if len(c.argv) == 0 {
		return
	}
	ask := logpipe.Ask{Source: filepath.Base(c.argv[0])}
	ask.Stdout, _ = logpipe.Inode(os.Stdout)
	ask.Stderr, _ = logpipe.Inode(os.Stderr)
	if ask.Stdout == 0 && ask.Stderr == 0 {
		return
	}
	out, errOut, err := logpipe.Request(c.logSocket, ask)
	if err != nil {
		return
	}
	for fd, f := range map[int]*os.File{1: out, 2: errOut} {
		if f != nil {
			s.files[fd], s.own = f, append(s.own, f)
		}
	}
}

// replaceSockets puts pipes where the streams named are sockets.
func (s *stdio) replaceSockets(streams ...int) error {
	for _, fd := range streams {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
			continue
		}
		if fd != 0 {
			if err := s.output(fd); err != nil {
				return err
			}
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("cannot make a pipe: %w", err)
		}
		s.files[0], s.input, s.own = r, w, append(s.own, r)
	}
	return nil
}

func (s *stdio) output(fd int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	s.outputs = append(s.outputs, &pump{from: r, to: s.files[fd]})
	s.files[fd], s.own = w, append(s.own, w)
	return nil
}

// terminal makes a terminal for the command.
func (s *stdio) terminal(c *command, stderrTTY bool) error {
	master, pts, err := pty.Open()
	if err != nil {
		return err
	}
	s.master = master
	s.own = append(s.own, pts)
	s.files[0], s.files[1] = pts, pts
	if stderrTTY {
		s.files[2] = pts
	}
	s.size, _ = parseSize(c.ptySize) // was checked
	s.input = s.master
	s.outputs = append(s.outputs, &pump{from: s.master, to: os.Stdout})
	s.resize()
	if term.IsTerminal(0) {
		// The new terminal does echo, line editing and signals; the caller's must pass every byte.
		old, err := term.MakeRaw(0)
		if err != nil {
			return fmt.Errorf("cannot make a terminal: %w", err)
		}
		s.restore = sync.OnceFunc(func() { _ = term.Restore(0, old) })
	}
	return nil
}

// resize gives the command's terminal the size of the caller's, or the one asked for where the caller has none.
func (s *stdio) resize() {
	if s.master == nil {
		return
	}
	size := s.size
	for fd := range 3 {
		if ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil && (s.size == nil || fd == 0) {
			size = ws
			break
		}
	}
	pty.Resize(s.master, size)
}

// child lists the files of the child.
func (s *stdio) child() []*os.File { return s.files[:] }

// start begins to copy; the child has its files by now.
func (s *stdio) start() {
	for _, f := range s.own {
		f.Close()
	}
	s.own = nil
	if s.input != nil {
		// Not waited for: a read of the caller's standard input ends when the caller likes.
		go func() {
			_, _ = io.Copy(s.input, os.Stdin)
			if s.master != nil {
				_, _ = s.master.Write([]byte{4}) // ^D, the end of input on a terminal
				return
			}
			s.input.Close()
		}()
	}
	for _, p := range s.outputs {
		s.wg.Go(p.run)
	}
}

// run copies until no writer is left, or, after drain, until nothing more is there.
func (p *pump) run() {
	_, err := io.Copy(p.to, onlyReader{p.from})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		_ = p.from.Close() // nobody reads any more: tell the command so
		return
	}
	raw, err := p.from.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 32<<10)
	_ = raw.Control(func(fd uintptr) {
		for {
			n, err := unix.Read(int(fd), buf)
			if err == unix.EINTR {
				continue
			}
			if n <= 0 || err != nil {
				return
			}
			if _, err := p.to.Write(buf[:n]); err != nil {
				return
			}
		}
	})
}

// onlyReader hides the file, so that io.Copy honours its deadline instead of splicing.
type onlyReader struct{ io.Reader }

// drain copies what the command printed before it ended. Grandchildren that still hold the pipes are not waited for.
func (s *stdio) drain() {
	for _, p := range s.outputs {
		_ = p.from.SetReadDeadline(time.Unix(1, 0))
	}
	s.wg.Wait()
	s.restore()
}

func (s *stdio) close() {
	s.restore()
	for _, f := range s.own {
		f.Close()
	}
}
