// Package slim keeps idle processes small: of the program's code and constants, a process that waits needs little, but
// what its start touched stays mapped and counts as its memory until somebody asks for it back.
//
// It is not about the heap, which Go returns by itself.
package slim

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// Release gives back the memory that starting took. Code and constants come back from the page cache when they are
// needed again, so it is for processes that are about to wait for long. It does its best and reports nothing.
func Release() {
	debug.FreeOSMemory()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// Only what can never have been written: a private page that was would lose its content.
		var begin, end uintptr
		var perms string
		line := lines.Text()
		if _, err := fmt.Sscanf(line, "%x-%x %s", &begin, &end, &perms); err != nil {
			continue
		}
		if strings.HasSuffix(line, exe) && (perms == "r-xp" || perms == "r--p") {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED)
		}
	}
}
