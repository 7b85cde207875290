package gauge

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Emulated are the architectures whose programs the kernel hands to an emulator, as package files name them. One whose
// emulator is looked up when a program starts does not count: it is not there within a container.
func Emulated(root string) []string {
	entries, _ := filepath.Glob(filepath.Join(root, "proc/sys/fs/binfmt_misc/qemu-*")) // the pattern is good
	var list []string
	for _, path := range entries {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		enabled, fixed := false, false
		for line := range strings.Lines(string(raw)) {
			line = strings.TrimSpace(line)
			enabled = enabled || line == "enabled"
			if flags, ok := strings.CutPrefix(line, "flags:"); ok {
				fixed = strings.Contains(flags, "F")
			}
		}
		if enabled && fixed {
			list = append(list, strings.TrimPrefix(filepath.Base(path), "qemu-"))
		}
	}
	slices.Sort(list)
	return list
}
