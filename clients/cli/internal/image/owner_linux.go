package image

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// runAs has a program see itself run by an owner, in a user namespace in which that is who we are: mksquashfs gives the root
// folder of what it makes of a tar to whoever runs it, whatever its flags and the tar say. The program gets no rights by it.
func runAs(cmd *exec.Cmd, uid, gid int) {
	if uid == os.Geteuid() && gid == os.Getegid() {
		return
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: os.Getegid(), Size: 1}},
	}
}

// refused tells whether a program did not start because there may be no user namespace for it.
func refused(cmd *exec.Cmd, err error) bool {
	return cmd.SysProcAttr != nil && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC) ||
		errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS))
}
