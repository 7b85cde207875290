//go:build cgo

// Command hearth-lxc starts one container and exits. It is the only program of ours that links liblxc (by cgo): liblxc's
// monitor, which lives as long as the container, is a fork of its caller, so the caller should be small.
//
// It reads one lxcwire.Request from standard input and writes one lxcwire.Reply to standard output. It decides nothing.
// Its exit status is 0 whenever it could reply.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	golxc "github.com/lxc/go-lxc"

	"github.com/hearthos/hearth/server/internal/host/lxc/lxcwire"
)

func main() {
	reply, err := serve()
	if err != nil {
		reply.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(reply); err != nil {
		os.Exit(1)
	}
}

func serve() (lxcwire.Reply, error) {
	q, err := lxcwire.Read(os.Stdin)
	if err != nil {
		return lxcwire.Reply{}, err
	}
	pid, err := start(q)
	if err != nil {
		return lxcwire.Reply{Log: trouble(q.LogFile)}, err
	}
	return lxcwire.Reply{InitPID: pid}, nil
}

func start(q lxcwire.Request) (int, error) {
	if err := os.WriteFile(q.Cgroup, []byte("0"), 0); err != nil {
		return 0, fmt.Errorf("cannot enter cgroup: %w", err)
	}
	// Without newuidmap in sight liblxc writes the id maps itself, so that /etc/subuid needs no entries of ours.
	if err := os.Setenv("PATH", "/nonexistent"); err != nil {
		return 0, err
	}
	c, err := golxc.NewContainer(q.Name, q.Path)
	if err != nil {
		return 0, fmt.Errorf("cannot define container: %w", err)
	}
	for _, i := range q.Items {
		if err := c.SetConfigItem(i.Key, i.Value); err != nil {
			return 0, fmt.Errorf("cannot set %s = %q: %w", i.Key, i.Value, err)
		}
	}
	if err := errors.Join(c.WantDaemonize(true), c.WantCloseAllFds(true)); err != nil {
		return 0, fmt.Errorf("cannot configure start: %w", err)
	}
	if err := c.StartWithArgs(q.Argv); err != nil {
		return 0, fmt.Errorf("liblxc: %w", err)
	}
	pid := c.InitPid()
	if pid <= 0 {
		return 0, errors.New("its first process ended at once")
	}
	return pid, nil
}

// trouble returns what the log tells of errors, or of warnings when it tells of none: the first lines, since what follows
// is mostly the consequence.
func trouble(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	const keep = 6
	var errs, warnings []string
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if text, ok := message(sc.Text(), " ERROR "); ok && len(errs) < keep {
			errs = append(errs, text)
		} else if text, ok := message(sc.Text(), " WARN "); ok && len(warnings) < keep {
			warnings = append(warnings, text)
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return warnings
}

// message cuts a log line down to what it says: "lxc name time LEVEL    unit - file:function:line - text".
func message(line, level string) (string, bool) {
	_, text, ok := strings.Cut(line, level)
	if !ok {
		return "", false
	}
	if parts := strings.SplitN(text, " - ", 3); len(parts) == 3 {
		text = parts[2]
	}
	text = strings.ToValidUTF8(strings.TrimSpace(text), "?")
	const width = 300
	return text[:min(len(text), width)], true
}
