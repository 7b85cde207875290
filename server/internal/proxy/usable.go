package proxy

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/api/ids"
)

// A door refuses a table that it cannot use, all of it. One name or one service must not keep what is changed elsewhere from coming into
// force, least of all what people switch off: so the proxy finds the parts that the door refuses, and applies the table of the rest. Nothing is
// open without a part that is closed with it.

// Part is what a table can be without.
type Part struct {
	Kind PartKind
	ID   string
}

// PartKind is what kind of part it is.
type PartKind int

const (
	// PartHost is all that is served of a host, by row id. The server's own page is no part: without what it says the page would be open.
	PartHost PartKind = iota
	// PartName is a name of a host. Without it the name is nobody's, as if it was switched off.
	PartName
	// PartPassthrough is a name that leads to another machine, by row id.
	PartPassthrough
	// PartRecord is a name that services ask for.
	PartRecord
	// PartReach are the names that a service reaches others by, by its address. Without them it is told none.
	PartReach
)

// Unusable is a part that the door cannot use, and why.
type Unusable struct {
	Part
	Why string
}

// usable finds the largest part of the input that the door can use, as far as parts can be told from each other, and what it is without. It
// answers the error why where the door cannot use what is the server's own either.
func (s *Service) usable(ctx context.Context, in Input, why error) (Input, []Unusable, error) {
	all := in.parts()
	f := &sieve{in: in, left: make(map[Part]bool, len(all)), try: s.opt.Door.Check}
	for _, p := range all {
		f.left[p] = true
	}
	if err := f.check(ctx); err != nil {
		if refuses(err) || fault.Is(err, metav1.Reason_REASON_METHOD_NOT_FOUND) {
			err = why // it is the server's own, or the door is older than the question
		}
		return in, nil, err
	}
	if err := f.sift(ctx, all); err != nil {
		return in, nil, err
	}
	return in.without(f.left), f.unusable, nil
}

// sieve takes parts in, as many at once as the door takes.
type sieve struct {
	in       Input
	try      func(context.Context, *doorv1.Table) error
	left     map[Part]bool // out so far
	unusable []Unusable
}

func (f *sieve) check(ctx context.Context) error {
	table, _ := Table(f.in.without(f.left))
	return f.try(ctx, table)
}

func (f *sieve) sift(ctx context.Context, parts []Part) error {
	for _, p := range parts {
		delete(f.left, p)
	}
	err := f.check(ctx)
	if !refuses(err) {
		return err
	}
	for _, p := range parts {
		f.left[p] = true
	}
	if len(parts) == 1 {
		f.unusable = append(f.unusable, Unusable{parts[0], reason(err)})
		return nil
	}
	if err := f.sift(ctx, parts[:len(parts)/2]); err != nil {
		return err
	}
	return f.sift(ctx, parts[len(parts)/2:])
}

// refuses tells whether an error says that a door cannot use a table.
func refuses(err error) bool {
	return fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) || fault.Is(err, metav1.Reason_REASON_MESSAGE_TOO_LARGE)
}

// reason is what the door said of a table, without where in the table that is.
func reason(err error) string {
	if v := fault.Proto(err).GetViolations(); len(v) > 0 {
		return v[0].GetMessage()
	}
	return err.Error()
}

// parts are what the input can be without, hosts before their names.
func (in Input) parts() (out []Part) {
	for _, row := range in.Hosts {
		if id := row.GetMeta().GetId(); !ids.Package(ids.Parent(id)).Reserved() {
			out = append(out, Part{PartHost, id})
		}
	}
	for _, name := range append(Domains(in.Hosts), slices.Collect(maps.Values(in.Claimed))...) {
		out = append(out, Part{PartName, name})
	}
	for _, row := range in.Passthroughs {
		out = append(out, Part{PartPassthrough, row.GetMeta().GetId()})
	}
	for _, record := range in.Records {
		out = append(out, Part{PartRecord, record.GetName()})
	}
	for _, c := range in.Confined {
		if len(c.Names) > 0 {
			out = append(out, Part{PartReach, c.Addresses[0].String()})
		}
	}
	slices.SortFunc(out, func(a, b Part) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID)) })
	return slices.Compact(out)
}

// without is the input without parts of it.
func (in Input) without(left map[Part]bool) Input {
	if len(left) == 0 {
		return in
	}
	in.unusable = make(map[string]bool)
	for p := range left {
		if p.Kind == PartName {
			in.unusable[p.ID] = true
		}
	}
	in.Hosts = slices.DeleteFunc(slices.Clone(in.Hosts), func(row *hostsv1.Host) bool {
		if !left[Part{PartHost, row.GetMeta().GetId()}] {
			return false
		}
		for _, name := range Domains([]*hostsv1.Host{row}) {
			in.unusable[name] = true
		}
		return true
	})
	in.Private = maps.Clone(in.Private)
	maps.DeleteFunc(in.Private, func(name string, _ []string) bool { return in.unusable[name] })
	in.Passthroughs = slices.DeleteFunc(slices.Clone(in.Passthroughs), func(row *hostsv1.Passthrough) bool {
		return left[Part{PartPassthrough, row.GetMeta().GetId()}]
	})
	in.Records = slices.DeleteFunc(slices.Clone(in.Records), func(record *doorv1.Record) bool { return left[Part{PartRecord, record.GetName()}] })
	in.Confined = slices.Clone(in.Confined)
	for i, c := range in.Confined {
		if left[Part{PartReach, c.Addresses[0].String()}] {
			in.Confined[i].Asks, in.Confined[i].Names = false, nil
		}
	}
	return in
}

// usableOf has the names of a host that the door cannot use switched off, wherever they lead.
func (in Input) usableOf(all abi.Addresses) abi.Addresses {
	for _, info := range all.Available {
		if in.unusable[info.Hostname] {
			all.Disabled = append(slices.Clone(all.Disabled), abi.Endpoint{Hostname: info.Hostname, Port: info.ChoicePort()})
		}
	}
	return all
}

// Unusable answers what the door could not use of the last table, and why it could not use any of it, if so.
func (s *Service) Unusable() (parts []Unusable, all string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.unusable), s.stuck
}
