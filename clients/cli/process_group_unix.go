//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// endsWhole makes a command end together with what it started, when its context ends.
func endsWhole(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
