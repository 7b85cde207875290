// Package hostcmd runs the few programs of the machine that have no library worth using (mkfs, mksquashfs, our own
// helpers). It is the only importer of os/exec in the server; the law test enforces that.
//
// It is deliberately not a shell: no word splitting, no inherited environment, no program found through the caller's
// PATH. It supervises nothing: a command that outlives its call is the business of whoever invented it.
//
// Invariants: a program sees a fixed environment plus what Cmd.Env adds; what it prints is kept within bounds; it ends
// within a second of its context; an error carries the last lines the program said and never its arguments, which may
// hold secrets.
package hostcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// DefaultMaxOutput bounds standard output when Cmd.MaxOutput is zero.
	DefaultMaxOutput = 1 << 20
	// stderrTail is how much of the end of standard error is kept for the error message.
	stderrTail = 2 << 10
	// killAfter is how long a program may ignore SIGTERM, or leave its pipes open, before it is killed.
	killAfter = 900 * time.Millisecond
)

// searchPath is where programs are looked for, whatever PATH the daemon was started with.
var searchPath = [...]string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

var (
	// ErrNotFound says that the program is not installed.
	ErrNotFound = errors.New("program not found")
	// ErrTooMuchOutput says that the program printed more than Cmd.MaxOutput and was killed for it.
	ErrTooMuchOutput = errors.New("program printed too much")
)

// Cmd is one program to run. The zero value of every field but Path is useful.
type Cmd struct {
	// Path is a bare name, looked for in the system's program folders, or a path.
	Path string
	Args []string
	// Env is added to the fixed environment; a name given here wins.
	Env []string
	// Dir is the working directory; "/" when empty.
	Dir   string
	Stdin io.Reader
	// Files become descriptors 3, 4, … of the program.
	Files []*os.File
	// MaxOutput bounds standard output in bytes; DefaultMaxOutput when zero.
	MaxOutput int
}

// Error is the failure of a program that did start.
type Error struct {
	Program string
	// ExitCode is -1 when a signal ended the program.
	ExitCode int
	// Stderr holds the last lines the program printed there.
	Stderr string
	cause  error
}

func (e *Error) Error() string {
	msg := fmt.Sprintf("cannot run %s: %v", e.Program, e.cause)
	if e.Stderr != "" {
		msg += ": " + strings.Join(strings.FieldsFunc(e.Stderr, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	}
	return msg
}

func (e *Error) Unwrap() error { return e.cause }

// Run runs the program and discards its standard output.
func Run(ctx context.Context, c Cmd) error {
	_, err := run(ctx, c, io.Discard)
	return err
}

// Output runs the program and returns its standard output. A program that fails has its output returned beside the
// error, since some say there why.
func Output(ctx context.Context, c Cmd) ([]byte, error) {
	limit := c.MaxOutput
	if limit == 0 {
		limit = DefaultMaxOutput
	}
	out := &bounded{limit: limit}
	stopped, err := run(ctx, c, out)
	if out.overflow {
		return nil, fmt.Errorf("cannot run %s: %w (limit %d bytes)", stopped, ErrTooMuchOutput, limit)
	}
	return out.buf.Bytes(), err
}

// run returns the program's base name beside the error, for messages.
func run(ctx context.Context, c Cmd, stdout io.Writer) (string, error) {
	name := filepath.Base(c.Path)
	path, err := Look(c.Path)
	if err != nil {
		return name, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, c.Args...)
	cmd.Env = append([]string{
		"PATH=" + strings.Join(searchPath[:], ":"), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "HOME=/", "TERM=dumb",
	}, c.Env...)
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Stdin = c.Stdin
	cmd.ExtraFiles = c.Files
	tail := &tailBuffer{limit: stderrTail}
	cmd.Stderr = tail
	cmd.Stdout = stdout
	if b, ok := stdout.(*bounded); ok {
		b.full = cancel
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killAfter

	err = cmd.Run()
	if err == nil {
		return name, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	code := -1
	if cmd.ProcessState != nil {
		code = cmd.ProcessState.ExitCode()
	}
	return name, &Error{Program: name, ExitCode: code, Stderr: tail.lastLines(), cause: err}
}

// Look returns where the program lies: paths are checked, bare names are searched in the system's program folders. The
// error wraps ErrNotFound.
func Look(program string) (string, error) {
	candidates := []string{program}
	if !strings.Contains(program, "/") {
		candidates = candidates[:0]
		for _, dir := range searchPath {
			candidates = append(candidates, filepath.Join(dir, program))
		}
	}
	for _, c := range candidates {
		if st, err := os.Stat(c); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return filepath.Abs(c)
		}
	}
	return "", fmt.Errorf("cannot run %s: %w", filepath.Base(program), ErrNotFound)
}

// bounded keeps at most limit bytes and calls full, once, when more arrive.
type bounded struct {
	buf      bytes.Buffer
	limit    int
	overflow bool
	full     func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.overflow {
		return len(p), nil
	}
	if b.buf.Len()+len(p) > b.limit {
		b.overflow = true
		b.full()
		return len(p), nil
	}
	return b.buf.Write(p)
}

// tailBuffer keeps the last limit bytes.
type tailBuffer struct {
	buf   []byte
	limit int
}

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.limit; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// lastLines returns up to five of the last lines, without bytes that could disturb a terminal or a log.
func (t *tailBuffer) lastLines() string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(t.buf), "?")), "\n")
	if len(lines) > 5 {
		lines = lines[len(lines)-5:]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.Join(lines, "\n"))
}
