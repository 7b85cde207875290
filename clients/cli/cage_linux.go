package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nobody is the user that nothing belongs to.
const nobody = 65534

// auditArch are the architectures whose numbers of system calls are known here, as the kernel calls them.
var auditArch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64, "riscv64": unix.AUDIT_ARCH_RISCV64}

// refused are the system calls by which a process gets a socket, reaches another process, or goes to another namespace. io_uring makes
// sockets of its own; node does without it.
var refused = []uintptr{
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_IO_URING_SETUP,
	unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_SETPRIORITY, unix.SYS_UNSHARE, unix.SYS_SETNS,
}

// startCaged starts a command that the kernel refuses these calls, and that is nobody where this process is root. It is not able to
// where the kernel has no filter; nothing was started then.
func startCaged(cmd *exec.Cmd) (able bool, err error) {
	if _, known := auditArch[runtime.GOARCH]; !known {
		return false, nil
	}
	named := cmd.Path
	if os.Geteuid() == 0 {
		// Root may have its node in its home, where nobody finds it.
		path, err := filepath.EvalSymlinks(cmd.Path)
		if err != nil {
			return true, err
		}
		program, err := os.Open(path)
		if err != nil {
			return true, err
		}
		defer program.Close()
		cmd.Path = fmt.Sprintf("/proc/self/fd/%d", program.Fd())
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	// The library finds out once whether the kernel has process handles, by calls that are refused below.
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Release()
	}
	started := make(chan struct{})
	go func() {
		defer close(started)
		// The filter is of this thread, and of the process that it starts. The thread ends with this function.
		runtime.LockOSThread()
		if able = refuseCalls() == nil; able {
			err = cmd.Start()
		}
	}()
	<-started
	if !able {
		cmd.Path, cmd.SysProcAttr = named, nil
	}
	return able, err
}

// refuseCalls has the kernel refuse this thread, and what it starts, the calls for good.
func refuseCalls() error {
	const load, jumpEqual, jumpAtLeast, answer = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	const atNumber, atArch, otherNumbers = 0, 4, 0x40000000 // the last are those of x32, which are others
	filter := []unix.SockFilter{
		{Code: load, K: atArch},
		{Code: jumpEqual, K: auditArch[runtime.GOARCH], Jt: 1},
		{Code: answer, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: load, K: atNumber},
		{Code: jumpAtLeast, K: otherNumbers, Jt: uint8(len(refused) + 1)},
	}
	for i, number := range refused {
		filter = append(filter, unix.SockFilter{Code: jumpEqual, K: uint32(number), Jt: uint8(len(refused) - i)})
	}
	filter = append(filter, unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW}, unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
