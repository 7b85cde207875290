package pid1

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPatience is how long the lock of the data is asked for. Who looks whether they are held has it for a moment.
const lockPatience = 3 * time.Second

// holdData locks the data of the package for as long as this process lives, before anything of the package runs: two
// containers on the same data would destroy them. The kernel gives the lock back when the process ends, however it ends.
func holdData(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the data of the package: %w", err)
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("cannot lock the data of the package: %w", err), f.Close())
		}
	}
}
