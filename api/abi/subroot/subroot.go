// Package subroot is the sign by which the root file system of a subcontainer says that its first process is still to come.
//
// SDKs look for proc/1 in it about a hundred times, a millisecond apart, and then give the subcontainer up for good, which on a busy or
// slow machine comes too soon. So proc/1 is there from the beginning, and what is asked of it waits instead: who makes the root leaves the
// sign, who joins the first process waits as long as it is there, and the first process takes it away once its own proc lies over it.
package subroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const (
	proc  = "proc"
	first = "1"
	sign  = first + "/.awaited"
)

// Expect leaves the sign in a root that is new; owner is the uid and gid of its root. Where the image has something else in the place of proc
// there is none, and whoever launches the subcontainer is told.
func Expect(root *os.Root, owner int) error {
	if info, err := root.Lstat(proc); err == nil && !info.IsDir() {
		return nil
	}
	for _, dir := range []string{proc, proc + "/" + first, proc + "/" + sign} {
		err := root.Mkdir(dir, 0o555)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = root.Lchown(dir, owner, owner)
		}
		if err != nil {
			return fmt.Errorf("cannot make /%s of the subcontainer: %w", dir, err)
		}
	}
	return nil
}

// Expected tells whether the first process is still to come, by what is in the open folder proc of the root.
func Expected(proc int) bool { return unix.Faccessat(proc, sign, unix.F_OK, 0) == nil }

// Come takes the sign away; proc is the folder of the root itself, over which the processes are mounted.
func Come(proc int) {
	for _, dir := range []string{sign, first} { // an image may have a folder of that name with something in it, which stays
		_ = unix.Unlinkat(proc, dir, unix.AT_REMOVEDIR)
	}
}
