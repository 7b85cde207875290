package store

import (
	"bytes"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// Selector matches rows; every member that is given must match.
type Selector struct {
	Kind   string            // name of the kind
	ID     string            // whole id
	Parent string            // matches ids that begin with it and a slash
	Labels map[string]string // labels that must have these values
}

// matchKey tells whether the selector can match rows with this kind and id.
func (sel Selector) matchKey(kind *KindInfo, id string) bool {
	return (sel.Kind == "" || sel.Kind == kind.ID) &&
		(sel.ID == "" || sel.ID == id) &&
		(sel.Parent == "" || len(id) > len(sel.Parent) && id[len(sel.Parent)] == '/' && strings.HasPrefix(id, sel.Parent))
}

func (sel Selector) matchLabels(labels map[string]string) bool {
	for k, v := range sel.Labels {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// selection is what a watcher wants; an empty one wants everything.
type selection []Selector

// check refuses kinds that do not exist: a misspelt name would otherwise be a silent watch.
func (s selection) check() error {
	for _, sel := range s {
		if _, ok := kinds().byID[sel.Kind]; sel.Kind != "" && !ok {
			return fault.New(metav1.Reason_REASON_SELECTOR_INVALID, "cannot watch kind %q: there is none of this name", sel.Kind).
				With("kind", sel.Kind)
		}
	}
	return nil
}

func (s selection) match(kind *KindInfo, id string, labels map[string]string) bool {
	if len(s) == 0 {
		return true
	}
	return slices.ContainsFunc(s, func(sel Selector) bool { return sel.matchKey(kind, id) && sel.matchLabels(labels) })
}

// wants tells whether any row of the kind can match.
func (s selection) wants(kind *KindInfo) bool {
	return len(s) == 0 || slices.ContainsFunc(s, func(sel Selector) bool { return sel.Kind == "" || sel.Kind == kind.ID })
}

// span is a run of keys, end excluded.
type span struct{ start, end []byte }

// spans answers the runs of keys in which rows can match, in order and without overlap, so that reading them one after
// the other gives each row once.
func (s selection) spans() []span {
	var all []span
	for _, k := range kinds().ordered {
		if k.Ephemeral() {
			continue
		}
		if len(s) == 0 {
			all = append(all, prefixSpan(k.Number, ""))
		}
		for _, sel := range s {
			switch {
			case sel.Kind != "" && sel.Kind != k.ID:
			case sel.ID != "":
				key := rowKey{k.Number, sel.ID}.bytes()
				all = append(all, span{key, append(slices.Clone(key), 0)})
			default:
				all = append(all, prefixSpan(k.Number, sel.Parent))
			}
		}
	}
	slices.SortFunc(all, func(a, b span) int { return bytes.Compare(a.start, b.start) })
	merged := all[:0]
	for _, sp := range all {
		if n := len(merged); n > 0 && bytes.Compare(sp.start, merged[n-1].end) <= 0 {
			if bytes.Compare(sp.end, merged[n-1].end) > 0 {
				merged[n-1].end = sp.end
			}
			continue
		}
		merged = append(merged, sp)
	}
	return merged
}

func prefixSpan(kind uint16, parent string) span {
	p := parentKey(kind, parent)
	return span{p, after(p)}
}
