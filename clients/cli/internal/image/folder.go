package image

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// FromFolder makes the squashfs of a folder; with rooted, all of it belongs to root and has no extended attributes.
// progress, when it is there, is told from another goroutine how many of its bytes were read, where that can be known, and
// at the end that it were all.
func FromFolder(ctx context.Context, dir, out string, rooted bool, progress func(done, total int64)) error {
	args := append([]string{dir, out}, Flags()...)
	if rooted {
		args = append(args, "-all-root", "-no-xattrs")
	}
	total := int64(0)
	if progress != nil {
		total = sizeBelow(dir)
	}
	if total == 0 {
		return feed(mksquashfs(ctx, args), nil)
	}
	ctx, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	began := false
	err := feed(mksquashfs(ctx, args), func(pid int, _ io.Writer) error {
		began = true
		go func() {
			defer close(watched)
			watchReads(ctx, pid, total, progress)
		}()
		return nil
	})
	stop()
	if began {
		<-watched
	}
	if err == nil {
		progress(total, total)
	}
	return err
}

// watchReads tells how much a process has read until its context ends. The program has no way to tell by itself.
func watchReads(ctx context.Context, pid int, total int64, progress func(done, total int64)) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
			if err != nil {
				return // another system, or it has ended
			}
			var read int64
			if _, err := fmt.Sscanf(string(raw), "rchar: %d", &read); err == nil {
				progress(min(read, total), total)
			}
		}
	}
}

// sizeBelow is how many bytes the files below a folder have. What cannot be read is what packing will stumble over.
func sizeBelow(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}
