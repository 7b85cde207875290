package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Rotate keeps the log file of another process, which holds it open for appending, from growing without end: when it has
// more than most bytes they are copied to path.1, in place of what was there, and the file is emptied. Lines written
// between the two are lost. A file that is not there is no error. It may be called at any time, by one caller.
func Rotate(path string, most int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot look at the log: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() <= most {
		return nil
	}
	if err := keep(f, path+".1", min(info.Size(), 2*most), info); err != nil {
		return fmt.Errorf("cannot keep the log: %w", err)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("cannot empty the log: %w", err)
	}
	return nil
}

// keep copies the last bytes of a log to a file beside it.
func keep(f *os.File, path string, last int64, info fs.FileInfo) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(old, io.NewSectionReader(f, info.Size()-last, last))
	return errors.Join(err, old.Close())
}
