package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/diagnose"
	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/store"
)

// unlessPlayed is a check of what the machine has for real services; a sandbox needs none of it.
func (d *Daemon) unlessPlayed(look func() diagnose.Finding) func(context.Context) diagnose.Finding {
	return func(context.Context) diagnose.Finding {
		if d.cfg.Sandbox != nil {
			return diagnose.Skip(diagnose.Words{Name: "played", Text: "services are played"})
		}
		return look()
	}
}

// kept are the controllers of control groups by which services are kept within their limits.
var kept = []string{"cpu", "memory", "pids"}

// checkCgroups looks at the control groups mounted at root.
func checkCgroups(root string) diagnose.Finding {
	const cgroupsRemedy = "Start the machine with the kernel's parameter cgroup_enable=memory, or let systemd mount control groups of version 2."
	version, have := 2, []string(nil)
	raw, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err == nil {
		have = strings.Fields(string(raw))
	} else {
		version = 1
		entries, err := os.ReadDir(root)
		if err != nil || len(entries) == 0 {
			return diagnose.Fail(diagnose.Words{Name: "cgroups.none", Text: "none are mounted: no service can be started", Remedy: "Mount control groups at {{.Folder}}, as systemd does."}, "Folder", root)
		}
		for _, e := range entries {
			have = append(have, strings.Split(e.Name(), ",")...) // as in cpu,cpuacct
		}
	}
	lack := slices.DeleteFunc(slices.Clone(kept), func(name string) bool { return slices.Contains(have, name) })
	if len(lack) > 0 {
		return diagnose.Warn(diagnose.Words{Name: "cgroups.lack", Text: "version {{.Version}} without {{.Lack}}: those limits of services are not kept", Remedy: cgroupsRemedy},
			"Version", version, "Lack", strings.Join(lack, ", "))
	}
	return diagnose.OK(diagnose.Words{Name: "cgroups.well", Text: "version {{.Version}}, with {{.Have}}"}, "Version", version, "Have", strings.Join(kept, ", "))
}

// The beginning of a squashfs image: its magic, and where it says how long it is.
const (
	squashfsMagic  = "hsqs"
	squashfsLength = 40
)

// checkRootImage looks whether the root that all containers share is whole. It does not read all of it.
func checkRootImage(path string) diagnose.Finding {
	const rootRemedy = "Install the server's programs again: no service starts without it."
	f, err := os.Open(path)
	if err != nil {
		return diagnose.Fail(diagnose.Words{Name: "root-image.unread", Text: "it cannot be read", Remedy: rootRemedy}).Quoted(err.Error())
	}
	defer f.Close()
	head := make([]byte, squashfsLength+8)
	if _, err := io.ReadFull(f, head); err != nil || string(head[:4]) != squashfsMagic {
		return diagnose.Fail(diagnose.Words{Name: "root-image.foreign", Text: "{{.Path}} is no squashfs image", Remedy: rootRemedy}, "Path", path)
	}
	info, err := f.Stat()
	if err != nil {
		return diagnose.Fail(diagnose.Words{Name: "root-image.unread", Text: "it cannot be read", Remedy: rootRemedy}).Quoted(err.Error())
	}
	if says := binary.LittleEndian.Uint64(head[squashfsLength:]); says > uint64(info.Size()) {
		return diagnose.Fail(diagnose.Words{Name: "root-image.cut", Text: "{{.Path}} is cut off: it has {{.Have}} of {{.All}} bytes", Remedy: rootRemedy}, "Path", path, "Have", info.Size(), "All", says)
	}
	return diagnose.OK(diagnose.Words{Name: "root-image.well", Text: "{{.Path}}, {{.Size}}"}, "Path", path, "Size", fault.Bytes(info.Size()))
}

// idRange is a range of ids that somebody has on this machine.
type idRange struct {
	owner       string
	first, last uint64
}

// checkUserIDs looks whether somebody else uses the ids of services, who would then own their files.
func (d *Daemon) checkUserIDs() diagnose.Finding {
	services := uint64(1)
	err := d.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Container](tx, "")
		for _, r := range rows {
			if first := uint64(r.GetSpec().GetFirstUid()); first >= uint64(d.cfg.FirstUID) {
				services = max(services, (first-uint64(d.cfg.FirstUID))/idmap.Range+1)
			}
		}
		return err
	})
	if err != nil {
		return diagnose.Fail(diagnose.Words{Name: "user-ids.unread", Text: "containers cannot be read", Remedy: "Read the server's log."}).Quoted(err.Error())
	}
	first := uint64(d.cfg.FirstUID)
	return checkRanges("/etc", first, first+services*idmap.Range-1)
}

// checkRanges compares the ids from first to last with those that the files in etc give to users and their containers.
func checkRanges(etc string, first, last uint64) diagnose.Finding {
	var rivals []string
	for _, file := range []struct {
		name          string
		start, length int // columns; no length: one id
	}{{"subuid", 1, 2}, {"subgid", 1, 2}, {"passwd", 2, -1}, {"group", 2, -1}} {
		ranges, err := readRanges(filepath.Join(etc, file.name), file.start, file.length)
		if err != nil {
			return diagnose.Skip(diagnose.Words{Name: "user-ids.unknown", Text: "it is not known who else has them"}).Quoted(err.Error())
		}
		for _, r := range ranges {
			if r.first <= last && r.last >= first {
				rivals = append(rivals, fmt.Sprintf("%s has %d to %d (%s)", r.owner, r.first, r.last, filepath.Join(etc, file.name)))
			}
		}
	}
	if len(rivals) > 0 {
		return diagnose.Warn(diagnose.Words{Name: "user-ids.rival", Text: "services have {{.First}} to {{.Last}}, and {{.Rivals}}",
			Remedy: "Give that user other ids: whoever runs with the ids of a service may read and change its files."},
			"First", first, "Last", last, "Rivals", strings.Join(rivals, ", "))
	}
	return diagnose.OK(diagnose.Words{Name: "user-ids.well", Text: "services have {{.First}} to {{.Last}}, and nobody else does"}, "First", first, "Last", last)
}

// maxUsers bounds a file of users.
const maxUsers = 4 << 20

// readRanges reads a file of users, one a line with columns between colons; one that is not there has none.
func readRanges(path string, start, length int) ([]idRange, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxUsers))
	if err != nil {
		return nil, err
	}
	var list []idRange
	for line := range strings.Lines(string(raw)) {
		columns := strings.Split(strings.TrimSpace(line), ":")
		if len(columns) <= max(start, length) {
			continue
		}
		first, err := strconv.ParseUint(columns[start], 10, 32)
		if err != nil {
			continue
		}
		count := uint64(1)
		if length > 0 {
			if count, err = strconv.ParseUint(columns[length], 10, 32); err != nil || count == 0 {
				continue
			}
		}
		list = append(list, idRange{columns[0], first, first + count - 1})
	}
	return list, nil
}
