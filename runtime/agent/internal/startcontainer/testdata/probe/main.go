// Command probe is what the tests run inside root file systems that hold nothing else.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

type report struct {
	UID, GID, PID, PPID, SID int
	Groups                   []int
	Env, Args, Root          []string
	Dir                      string
	Rows, Cols               uint16
	TTY                      [3]bool
	Signal                   int
}

func main() {
	if len(os.Args) < 2 {
		os.Exit(64)
	}
	switch os.Args[1] {
	case "report":
		tell()
	case "exit":
		n, _ := strconv.Atoi(os.Args[2])
		os.Exit(n)
	case "die":
		n, _ := strconv.Atoi(os.Args[2])
		_ = syscall.Kill(os.Getpid(), syscall.Signal(n))
		time.Sleep(time.Minute)
	case "signals":
		signals := make(chan os.Signal, 8)
		signal.Notify(signals, syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGTERM)
		fmt.Println("ready")
		for s := range signals {
			fmt.Println(s)
			if s == syscall.SIGTERM {
				os.Exit(5)
			}
		}
	case "sleep":
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "grandchild":
		// Leaves a process behind that holds the output.
		c := exec.Command("/proc/self/exe", "sleep")
		c.Stdout = os.Stdout
		_ = c.Start()
		fmt.Println(strings.Repeat("x", 100000))
	case "daemon":
		// Leaves a process that does all to be forgotten, and says so once it has.
		r, w, _ := os.Pipe()
		c := exec.Command("/proc/self/exe", "fork", "/proc/self/exe", "deaf")
		c.Env = []string{"EMPTY=1"}
		c.Stdout, c.ExtraFiles = os.Stdout, []*os.File{w}
		_ = c.Run()
		w.Close()
		_, _ = io.ReadAll(r)
		fmt.Println("left")
		if len(os.Args) > 2 {
			time.Sleep(time.Hour)
		}
	case "fork":
		c := exec.Command(os.Args[2], os.Args[3:]...)
		c.Stdout, c.ExtraFiles = os.Stdout, []*os.File{os.NewFile(3, "ready")}
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		_ = c.Start()
	case "deaf":
		signal.Ignore(syscall.SIGHUP, syscall.SIGTERM)
		_ = os.NewFile(3, "ready").Close()
		time.Sleep(time.Hour)
	case "orphans":
		for range 30 {
			c := exec.Command("/proc/self/exe", "exit", "0")
			_ = c.Start()
		}
		fmt.Println("left")
	case "cat":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "stdout":
		f, err := os.OpenFile("/proc/self/fd/1", os.O_WRONLY, 0)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Fprintln(f, "reopened")
	case "size":
		// Prints the size of the terminal and again when it changes.
		changes := make(chan os.Signal, 1)
		signal.Notify(changes, syscall.SIGWINCH)
		for {
			ws, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
			if err != nil {
				os.Exit(1)
			}
			fmt.Printf("size %d %d\n", ws.Row, ws.Col)
			<-changes
		}
	case "owner":
		for _, name := range os.Args[2:] {
			var st unix.Stat_t
			if err := unix.Lstat(name, &st); err != nil {
				fmt.Println(err)
				continue
			}
			fmt.Println(name, st.Uid, st.Gid)
		}
	case "write":
		if err := os.WriteFile(os.Args[2], []byte("written"), 0o644); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "listen":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			os.Exit(1)
		}
		fmt.Println(l.Addr())
		_, _ = l.Accept()
	default:
		os.Exit(65)
	}
}

func tell() {
	r := report{UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(), PPID: os.Getppid(), Env: os.Environ(), Args: os.Args}
	r.Groups, _ = os.Getgroups()
	r.SID, _ = unix.Getsid(0)
	r.Dir, _ = os.Getwd()
	entries, _ := os.ReadDir("/")
	for _, e := range entries {
		r.Root = append(r.Root, e.Name())
	}
	for fd := range 3 {
		ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil {
			r.TTY[fd], r.Rows, r.Cols = true, ws.Row, ws.Col
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
}
