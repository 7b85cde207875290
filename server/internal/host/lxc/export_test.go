package lxc

import "github.com/hearthos/hearth/server/internal/host/lxc/lxcwire"

// ItemsFor renders s for a machine whose cgroups have the given controllers.
func ItemsFor(cfg Config, s Spec, v1, v2 []string) []lxcwire.Item {
	h := hierarchies{v1: map[string]string{}, v2Has: map[string]bool{}}
	for _, c := range v1 {
		h.v1[c] = "/sys/fs/cgroup/" + c
	}
	for _, c := range v2 {
		h.v2Has[c] = true
	}
	r := &Runtime{cfg: cfg, cgroups: h}
	return r.items(s)
}

// Items renders s for this machine.
func (r *Runtime) Items(s Spec) []lxcwire.Item { return r.items(s) }

// ParseStat and IsInit are the readers of /proc.
func ParseStat(b []byte) (start uint64, dead bool, err error) {
	f, err := parseStat(b)
	return f.start, f.dead, err
}

func IsInit(b []byte) bool { return isInit(b) }

// Recorded is a Runtime of the instance 1234 on cgroups that lie in a folder: those of generation 2 as they are, those of
// generation 1 each in a folder of its own.
func Recorded(v1 map[string]string, v2 string) *Runtime {
	h := hierarchies{v1: v1, v2: v2, v2Has: map[string]bool{}}
	if v2 != "" {
		for _, c := range []string{"cpu", "io", "memory", "pids"} {
			h.v2Has[c] = true
		}
	}
	if v2 != "" {
		h.all = append(h.all, v2)
	}
	for _, root := range v1 {
		h.all = append(h.all, root)
	}
	return &Runtime{cfg: Config{Tag: "1234", CgroupParent: "hearth"}, cgroups: h}
}

// Share makes and bounds the group of all containers.
func (r *Runtime) Share(all Limits) error {
	r.cfg.All = all
	return r.share()
}
