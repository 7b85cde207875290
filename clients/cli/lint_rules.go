package main

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
)

// finding is something a rule found. Its text is lint.RULE of the catalogue.
type finding struct {
	rule, where string
	values      map[string]any
	// grave findings make the command fail.
	grave bool
}

func (f finding) level() string {
	if f.grave {
		return "error"
	}
	return "warning"
}

// linter holds a package against the rules.
type linter struct {
	manifest *s9pk.Manifest
	seen     [2]observed
	found    []finding
}

func (l *linter) add(grave bool, rule, where string, values map[string]any) {
	l.found = append(l.found, finding{rule, where, values, grave})
}

// run applies all rules.
func (l *linter) run() []finding {
	if !l.seen[0].Planned {
		l.add(false, "not-planned", string(l.manifest.ID), nil)
		return l.found
	}
	for _, rule := range []func(){l.images, l.ports, l.volumes, l.secrets, l.migrations, l.dependencies, l.health} {
		rule()
	}
	return l.found
}

// images looks that the parts are made of what the package has. The compiler sees this too, but who builds need not have asked it.
func (l *linter) images() {
	for _, part := range l.seen[0].Parts {
		if _, ok := l.manifest.Images[ids.Image(part.Image)]; part.Image != "" && !ok {
			l.add(true, "image-unknown", part.ID, map[string]any{"Image": part.Image})
		}
		for _, name := range part.Volumes {
			if !slices.Contains(l.manifest.Volumes, ids.Volume(name)) {
				l.add(true, "volume-unknown", part.ID, map[string]any{"Volume": name})
			}
		}
	}
}

// ungiven tells whether no service gets a port that it asks for outside. Pages ask for those of the Web without a wish of
// their packages.
func ungiven(port int) bool {
	switch port {
	case 0, 80, 443:
		return false
	case abi.PagePort, abi.PlainPort, abi.ProgramsPort, abi.SocksPort:
		return true
	}
	return port > 0 && abi.Withheld(uint32(port))
}

// ports looks at what the package binds, and that people can find it.
func (l *linter) ports() {
	hosts, shown := map[int][]string{}, 0
	for _, c := range l.seen[0].Calls {
		var p struct {
			ID       string `json:"id"`
			Internal int    `json:"internalPort"`
			External int    `json:"preferredExternalPort"`
			AddSSL   struct {
				External int `json:"preferredExternalPort"`
			} `json:"addSsl"`
		}
		switch c.Effect {
		case "bind":
			if json.Unmarshal(c.Params, &p) != nil {
				continue
			}
			hosts[p.Internal] = append(hosts[p.Internal], p.ID)
			for _, port := range slices.Compact([]int{p.External, p.AddSSL.External}) {
				if ungiven(port) {
					l.add(false, "port-of-the-server", p.ID, map[string]any{"Port": port})
				}
			}
			if p.Internal < 1 || p.Internal > 65535 {
				l.add(true, "port-invalid", p.ID, map[string]any{"Port": p.Internal})
			}
		case "export-service-interface", "export-range-service-interface":
			shown++
		}
	}
	for _, port := range slices.Sorted(maps.Keys(hosts)) {
		if of := hosts[port]; len(of) > 1 {
			l.add(false, "port-twice", strings.Join(of, ", "), map[string]any{"Port": port})
		}
	}
	if len(hosts) > 0 && shown == 0 {
		l.add(false, "port-not-shown", string(l.manifest.ID), nil)
	}
}

// volumes looks that all that is kept is also backed up.
func (l *linter) volumes() {
	seen := l.seen[0]
	used := map[string]bool{}
	for _, part := range seen.Parts {
		for _, v := range part.Volumes {
			used[v] = true
		}
	}
	for _, id := range l.manifest.Volumes {
		name := string(id)
		// The package's own holds settings and secrets, whoever mounts it; of another one it may be on purpose.
		switch backed := slices.Contains(seen.Backup, name); {
		case !backed && (used[name] || name == seen.Home):
			l.add(name == seen.Home, "volume-not-backed-up", name, nil)
		case !backed && !used[name] && !slices.Contains(seen.Written, name):
			l.add(false, "volume-unused", name, nil)
		}
	}
	for _, name := range seen.Backup {
		if !slices.Contains(l.manifest.Volumes, ids.Volume(name)) {
			l.add(true, "backup-of-no-volume", name, nil)
		}
	}
}

var secretName = regexp.MustCompile(`(?i)(pass(word|wd|phrase)?|secret|token|api_?key|private_?key|credential)s?$`)

// switched is a value that turns something on or off: PASSWORD=yes asks for one.
var switched = regexp.MustCompile(`^(?i:yes|no|on|off|true|false|1|0)$`)

// secrets compares two looks: what people or chance choose differs, what is in the code does not.
func (l *linter) secrets() {
	for i, part := range l.seen[0].Parts {
		if i >= len(l.seen[1].Parts) {
			break
		}
		again := l.seen[1].Parts[i]
		for _, name := range slices.Sorted(maps.Keys(part.Env)) {
			value := part.Env[name]
			if secretName.MatchString(name) && value != "" && value == again.Env[name] && !strings.HasPrefix(value, "/") && !switched.MatchString(value) {
				l.add(true, "secret-in-code", part.ID, map[string]any{"Name": name})
			}
		}
		for j, word := range part.Command {
			if j < len(again.Command) && word != again.Command[j] {
				l.add(false, "secret-in-command", part.ID, map[string]any{"Word": j + 1})
			}
		}
	}
}

// migrations looks at the steps between versions that follow each other.
func (l *linter) migrations() {
	versions := l.seen[0].Versions
	for i, v := range versions {
		this, err := exver.Parse(v.Version)
		if err != nil {
			l.add(true, "version-invalid", v.Version, nil)
			continue
		}
		if i == 0 {
			continue
		}
		before, err := exver.Parse(versions[i-1].Version)
		if err != nil {
			continue
		}
		if order, ok := before.Compare(this); ok && order >= 0 {
			l.add(true, "version-order", v.Version, map[string]any{"Before": versions[i-1].Version})
		}
		if !v.Up && major(v.Version) != major(versions[i-1].Version) {
			l.add(false, "migration-missing", v.Version, map[string]any{"Before": versions[i-1].Version})
		}
		if v.Up && !v.Down {
			l.add(false, "no-way-back", v.Version, map[string]any{"Before": versions[i-1].Version})
		}
	}
}

// major is the first number of the upstream version, which stands behind the flavor, if there is one.
func major(version string) string {
	if strings.HasPrefix(version, "#") {
		_, version, _ = strings.Cut(version, ":")
	}
	first, _, _ := strings.Cut(version, ".")
	return first
}

// dependencies looks at the ranges of versions, and that the manifest knows who is needed.
func (l *linter) dependencies() {
	needed := map[string]bool{}
	for _, c := range l.seen[0].Calls {
		var p struct {
			Dependencies []struct {
				ID    string `json:"id"`
				Range string `json:"versionRange"`
			} `json:"dependencies"`
		}
		if c.Effect != "set-dependencies" || json.Unmarshal(c.Params, &p) != nil {
			continue
		}
		for _, d := range p.Dependencies {
			needed[d.ID] = true
			if _, ok := l.manifest.Dependencies[ids.Package(d.ID)]; !ok {
				l.add(true, "dependency-undeclared", d.ID, nil)
			}
			l.rangeOf(d.ID, d.Range)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(l.manifest.Dependencies)) {
		if !needed[string(id)] && !l.manifest.Dependencies[id].Optional {
			l.add(false, "dependency-unused", string(id), nil)
		}
	}
}

func (l *linter) rangeOf(id, text string) {
	warnings, err := exver.Lint(text)
	if err != nil {
		l.add(true, "range-invalid", id, map[string]any{"Range": text})
		return
	}
	for _, w := range warnings {
		l.add(false, "range-ambiguous", id, map[string]any{"Range": text, "Why": w.Why, "At": strconv.Itoa(w.At)})
	}
	if r, err := exver.ParseRange(text); err == nil && !r.Satisfiable() {
		l.add(true, "range-empty", id, map[string]any{"Range": text})
	}
}

// health looks that people see how the service is.
func (l *linter) health() {
	for _, part := range l.seen[0].Parts {
		if part.Shown {
			return
		}
	}
	l.add(false, "health-not-shown", string(l.manifest.ID), nil)
}
