package startcontainer

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// idRange is how many ids a container has.
const idRange = 65536

// maxMappings and maxExtents bound what is asked for and what the kernel takes.
const (
	maxMappings = 256
	maxExtents  = 340
)

// mapping shows count ids beginning with from on disk as those beginning with to.
type mapping struct{ from, to, count uint32 }

// parseMapping reads FROM:TO[:COUNT].
func parseMapping(s string) (mapping, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 2 && len(parts) != 3 {
		return mapping{}, usageError("cannot read id map %q: want FROM:TO[:COUNT]", s)
	}
	n := [3]uint32{2: 1}
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return mapping{}, usageError("cannot read id map %q: want FROM:TO[:COUNT]", s)
		}
		n[i] = uint32(v)
	}
	m := mapping{from: n[0], to: n[1], count: n[2]}
	if m.count == 0 || uint64(m.from)+uint64(m.count) > idRange || uint64(m.to)+uint64(m.count) > idRange {
		return mapping{}, usageError("cannot use id map %q: it leaves the container's %d ids", s, idRange)
	}
	return m, nil
}

// compose returns, for every id on disk, the id seen, joined to ranges: each mapping works on what those before it gave,
// an id that none names stays, and where two ids would become one, a mapped one wins over one that stayed, then the
// lower one; the loser is nobody's. It is what the host does for volumes of other packages.
func compose(mappings []mapping) ([]syscall.SysProcIDMap, error) {
	const nobody = idRange
	seen := make([]uint32, idRange)
	owner := make([]uint32, idRange)
	mapped := make([]bool, idRange)
	for i := range owner {
		owner[i] = nobody
	}
	for disk := range uint32(idRange) {
		id := disk
		for _, m := range mappings {
			if id >= m.from && id-m.from < m.count {
				id, mapped[disk] = m.to+(id-m.from), true
			}
		}
		seen[disk] = id
		switch rival := owner[id]; {
		case rival == nobody:
			owner[id] = disk
		case mapped[disk] && !mapped[rival]:
			owner[id], seen[rival] = disk, nobody
		default:
			seen[disk] = nobody
		}
	}
	var out []syscall.SysProcIDMap
	for disk, id := range seen {
		if id == nobody {
			continue
		}
		if n := len(out); n > 0 && out[n-1].ContainerID+out[n-1].Size == disk && out[n-1].HostID+out[n-1].Size == int(id) {
			out[n-1].Size++
			continue
		}
		out = append(out, syscall.SysProcIDMap{ContainerID: disk, HostID: int(id), Size: 1})
	}
	if len(out) > maxExtents {
		return nil, fmt.Errorf("cannot map ids: %d separate ranges, and the kernel takes %d", len(out), maxExtents)
	}
	return out, nil
}

// userNamespace returns a handle of a user namespace with the given map. A process that lives in it for a moment, this
// program waiting for the end of its standard input, is how one is made.
func userNamespace(extents []syscall.SysProcIDMap) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer w.Close()
	p, err := os.StartProcess("/proc/self/exe", []string{program, holdNamespace}, &os.ProcAttr{
		Env: []string{}, Files: []*os.File{r},
		Sys: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER, UidMappings: extents, GidMappings: extents, GidMappingsEnableSetgroups: true,
		},
	})
	r.Close()
	if err != nil {
		return nil, fmt.Errorf("cannot make a user namespace for the id map: %w", err)
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", p.Pid))
	w.Close()
	_, _ = p.Wait()
	if err != nil {
		return nil, fmt.Errorf("cannot hold the user namespace of the id map: %w", err)
	}
	return ns, nil
}
