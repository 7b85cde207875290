package lxc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// watchers is what the kernel lets one user have of watches of files. All containers count as the machine's root, whoever
// is root in them: with the kernel's 128 instances one service would keep all others, and the server, from watching any.
// What watches cost is memory, and that is counted for each service and bounded; so their number need not be.
var watchers = map[string]uint64{
	"max_user_instances": 1 << 20,
	"max_user_watches":   1 << 22,
}

// WidenTables raises what the kernel lets all containers together have of what it counts by number; it lowers nothing. root
// is the folder that proc is in. What was raised stays so until the machine starts anew.
func WidenTables(root string) error {
	var failed error
	for name, least := range watchers {
		path := filepath.Join(root, "proc/sys/fs/inotify", name)
		raw, err := os.ReadFile(path)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot read a limit of the kernel: %w", err))
			continue
		}
		if now, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64); err == nil && now >= least {
			continue
		}
		if err := os.WriteFile(path, []byte(strconv.FormatUint(least, 10)), 0o644); err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot raise a limit of the kernel: %w", err))
		}
	}
	return failed
}
