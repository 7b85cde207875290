package doorctl

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// link is the symbolic link in the run folder that names the program of which the door's next processes are: a door that runs is told
// by it of a daemon that comes from another folder. It is no word of the worker's to the parent, which has rights that the worker must
// not get.
func link(runDir string) string { return filepath.Join(runDir, "door.program") }

// name has the door's next processes be of Program. It may be repeated and writes only what differs.
func (o Options) name() error {
	at := link(o.RunDir)
	if have, err := os.Readlink(at); err == nil && have == o.Program {
		return nil
	}
	next := at + ".next"
	if err := os.Remove(next); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("cannot name the door's program: %w", err)
	}
	if err := os.Symlink(o.Program, next); err != nil {
		return fmt.Errorf("cannot name the door's program: %w", err)
	}
	if err := os.Rename(next, at); err != nil {
		return fmt.Errorf("cannot name the door's program: %w", err)
	}
	return nil
}

// Program is the one that a door with this run folder starts its next process of: what the daemon has named, else own. A name that
// somebody else than this user has written, or of a program that is not there, is none.
func Program(runDir, own string) string {
	at := link(runDir)
	st, err := os.Lstat(at)
	if err != nil {
		return own
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || int(sys.Uid) != os.Geteuid() {
		return own
	}
	program, err := os.Readlink(at)
	if err != nil || !filepath.IsAbs(program) {
		return own
	}
	if st, err := os.Stat(program); err != nil || !st.Mode().IsRegular() {
		return own
	}
	return program
}
