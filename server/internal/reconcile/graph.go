package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// counters are what a loop tells of itself.
type counters struct {
	runs, errors            atomic.Uint64
	queued, active, failing atomic.Int64
}

// Stat is what a controller has done since the start and has to do now.
type Stat struct {
	Name                    string
	Runs, Errors            uint64
	Queued, Active, Failing int64 // keys that wait for a worker, run, or failed at last
}

// Stats tells about all controllers, in the order they were given. It may be called at any time.
func (m *Manager) Stats() []Stat {
	var list []Stat
	for _, l := range m.loops {
		c := &l.counters
		list = append(list, Stat{
			Name: l.Name, Runs: c.runs.Load(), Errors: c.errors.Load(),
			Queued: c.queued.Load(), Active: c.active.Load(), Failing: c.failing.Load(),
		})
	}
	return list
}

// Inputs are the kinds that wake a controller, and those it reads besides.
func (c Controller) Inputs() (wakes, reads []string) {
	for _, s := range c.Sources {
		kind := s.Selector.Kind
		if kind == "" {
			kind = "every kind"
		}
		if !slices.Contains(wakes, kind) {
			wakes = append(wakes, kind)
		}
	}
	return wakes, c.Reads
}

// Table is the graph of controllers and kinds as a table in Markdown.
func Table(cs []Controller) string {
	var b strings.Builder
	b.WriteString("| controller | woken by | at | reads | writes | drives |\n|---|---|---|---|---|---|\n")
	for _, c := range cs {
		wakes, reads := c.Inputs()
		var times []string
		for _, t := range c.Times {
			times = append(times, "`"+t.Calendar.String()+"`")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.Name, strings.Join(wakes, ", "), strings.Join(times, ", "),
			strings.Join(reads, ", "), strings.Join(c.Writes, ", "), strings.Join(c.Drives, ", "))
	}
	return b.String()
}

// Mermaid is the graph of controllers and kinds as a diagram: an arrow into a controller wakes it, a dotted one is only
// read, an arrow out of it is written.
func Mermaid(cs []Controller) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for _, c := range cs {
		name := node("c", c.Name)
		fmt.Fprintf(&b, "  %s[%s]\n", name, c.Name)
		wakes, reads := c.Inputs()
		for _, k := range wakes {
			fmt.Fprintf(&b, "  %s([%s]) --> %s\n", node("k", k), k, name)
		}
		for _, k := range reads {
			fmt.Fprintf(&b, "  %s([%s]) -.-> %s\n", node("k", k), k, name)
		}
		for _, k := range c.Writes {
			fmt.Fprintf(&b, "  %s --> %s([%s])\n", name, node("k", k), k)
		}
		for _, thing := range c.Drives {
			fmt.Fprintf(&b, "  %s --> %s{{%s}}\n", name, node("t", thing), thing)
		}
	}
	return b.String()
}

// node is a name that diagrams take.
func node(prefix, name string) string {
	return prefix + "_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
}
