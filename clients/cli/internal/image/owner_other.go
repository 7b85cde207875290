//go:build !linux

package image

import (
	"errors"
	"os"
	"os/exec"
)

var errNoNamespaces = errors.New("this system has no user namespaces")

// runAs has a program see itself run by an owner, who here can only be who we are: mksquashfs gives the root folder of what
// it makes of a tar to whoever runs it.
func runAs(cmd *exec.Cmd, uid, gid int) {
	if uid != os.Geteuid() || gid != os.Getegid() {
		cmd.Err = errNoNamespaces
	}
}

// refused tells whether a program did not start because it cannot be run as that owner.
func refused(_ *exec.Cmd, err error) bool { return errors.Is(err, errNoNamespaces) }
