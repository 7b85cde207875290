//go:build unix

package merkle

import (
	"io"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
	"lukechampine.com/blake3/guts"
)

// descriptor is implemented by files of the system, whose bytes can be mapped instead of copied.
type descriptor interface{ Fd() uintptr }

// mappedTop hashes bytes of a file where they lie in the page cache. ok is false when the file cannot be mapped or loses
// pages meanwhile; who reads it the other way then learns why.
func mappedTop(file io.ReaderAt, start int64, size int, h *segmentHash) (top guts.Node, ok bool) {
	d, ok := file.(descriptor)
	if !ok {
		return top, false
	}
	inPage := int(start % int64(os.Getpagesize()))
	data, err := unix.Mmap(int(d.Fd()), start-int64(inPage), size+inPage, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return top, false
	}
	defer func() { _ = unix.Munmap(data) }()
	// A page that is gone, because the file was cut or its medium failed, faults when it is touched.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			ok = false
		}
	}()
	return h.end(data[inPage:]), true
}
