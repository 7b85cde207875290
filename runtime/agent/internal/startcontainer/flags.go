package startcontainer

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// command is what launch, exec and their second halves are asked to do.
type command struct {
	forceTTY       bool
	forceStderrTTY bool
	ptySize        string
	env            []string
	envFile        string
	workdir        string
	user           string
	session        bool   // in exec and exec-command: a person's session, see keep
	kept           bool   // in exec-command: below keep
	alone          bool   // in launch-init: ends with its root file system and not with a parent, see revive
	logSocket      string // where the command asks for pipes of its own
	syncFD         int    // in the second halves: descriptor that tells the first half of readiness, see supervise

	chroot string
	argv   []string
}

// commandFlags declares the flags of the subcontainer commands.
func commandFlags(name string) (*pflag.FlagSet, *command) {
	c := &command{}
	set := pflag.NewFlagSet(name, pflag.ContinueOnError)
	set.SetInterspersed(false) // what follows CHROOT belongs to the command
	set.SetOutput(io.Discard)
	set.BoolVar(&c.forceTTY, "force-tty", false, "run on a terminal of its own even if standard input is none")
	set.BoolVar(&c.forceStderrTTY, "force-stderr-tty", false, "send standard error to that terminal too")
	set.StringVar(&c.ptySize, "pty-size", "", "size of the terminal, ROWSxCOLUMNS[:XPIXELSxYPIXELS]")
	set.StringArrayVarP(&c.env, "env", "e", nil, "environment variable NAME=VALUE; wins over the file")
	set.StringVar(&c.envFile, "env-file", "", "file of environment variables, one NAME=VALUE to a line")
	set.StringVarP(&c.workdir, "workdir", "w", "/", "working directory")
	set.StringVarP(&c.user, "user", "u", "", "USER[:GROUP], names or numbers; root if absent")
	set.BoolVar(&c.session, "session", false, "")
	_ = set.MarkHidden("session")
	set.BoolVar(&c.kept, "kept", false, "")
	_ = set.MarkHidden("kept")
	set.BoolVar(&c.alone, "alone", false, "")
	_ = set.MarkHidden("alone")
	set.StringVar(&c.logSocket, "log-socket", "/run/hearth/log.sock", "")
	_ = set.MarkHidden("log-socket")
	set.IntVar(&c.syncFD, "sync-fd", -1, "")
	_ = set.MarkHidden("sync-fd")
	return set, c
}

func parseCommand(name string, args []string, needsCommand bool) (*command, error) {
	set, c := commandFlags(name)
	if err := set.Parse(args); err != nil {
		if err == pflag.ErrHelp {
			fmt.Printf("usage: start-container %s [flags] CHROOT COMMAND...\n%s", name, set.FlagUsages())
			return nil, err
		}
		return nil, usageError("%s: %v", name, err)
	}
	rest := set.Args()
	needsCommand = needsCommand && !c.session // whose command is the user's shell where none is given
	if len(rest) == 0 || needsCommand && len(rest) < 2 {
		return nil, usageError("%s: CHROOT and COMMAND are required", name)
	}
	c.chroot, c.argv = rest[0], rest[1:]
	if len(c.argv) > 0 && c.argv[0] == "--" {
		c.argv = c.argv[1:]
	}
	if needsCommand && len(c.argv) == 0 {
		return nil, usageError("%s: COMMAND is required", name)
	}
	if _, err := parseSize(c.ptySize); err != nil {
		return nil, err
	}
	return c, nil
}

// args renders the flags that matter to the second half.
func (c *command) args() []string {
	var out []string
	for _, e := range c.env {
		out = append(out, "--env="+e)
	}
	if c.envFile != "" {
		out = append(out, "--env-file="+c.envFile)
	}
	if c.user != "" {
		out = append(out, "--user="+c.user)
	}
	if c.session {
		out = append(out, "--session")
	}
	out = append(out, "--workdir="+c.workdir, "--", c.chroot)
	return append(out, c.argv...)
}

// parseSize reads the size of a terminal, ROWSxCOLUMNS[:XPIXELSxYPIXELS]; the empty string is none.
func parseSize(s string) (*unix.Winsize, error) {
	if s == "" {
		return nil, nil
	}
	cells, pixels, hasPixels := strings.Cut(s, ":")
	row, col, ok := parsePair(cells)
	w := &unix.Winsize{Row: row, Col: col}
	if hasPixels && ok {
		w.Xpixel, w.Ypixel, ok = parsePair(pixels)
	}
	if !ok {
		return nil, usageError("cannot read terminal size %q: want ROWSxCOLUMNS[:XPIXELSxYPIXELS]", s)
	}
	return w, nil
}

func parsePair(s string) (a, b uint16, ok bool) {
	left, right, _ := strings.Cut(s, "x")
	x, err1 := strconv.ParseUint(left, 10, 16)
	y, err2 := strconv.ParseUint(right, 10, 16)
	return uint16(x), uint16(y), err1 == nil && err2 == nil
}
