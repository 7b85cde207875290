package audit

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/proto"
)

// Bounds of refused calls: within a minute, so many of one place and so many in all have an entry of their own; the others
// of the place are counted in one.
const (
	window    = time.Minute
	perPlace  = 10
	inAll     = 120
	maxPlaces = 256
)

// refusals gathers refused calls until Run writes them.
type refusals struct {
	mu      sync.Mutex // guards the rest
	places  map[string]*place
	pending []*auditv1.Entry
	ends    time.Time // of the minute in which alone counts
	alone   int
}

// place is where refused calls come from, for a minute.
type place struct {
	ends  time.Time
	alone int
	fold  *auditv1.Entry // stands for those without an entry of their own
}

// refuse takes a refused call. It never waits.
func (l *Log) refuse(e *auditv1.Entry) {
	l.refusals.add(e, l.clock())
	l.wake()
}

func (r *refusals) add(e *auditv1.Entry, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !now.Before(r.ends) {
		r.ends, r.alone = now.Add(window), 0
	}
	p := r.at(origin(e.GetSpec()), now)
	if p.alone < perPlace && r.alone < inAll {
		p.alone++
		r.alone++
		r.pending = append(r.pending, e)
		return
	}
	if p.fold == nil {
		p.fold = proto.CloneOf(e)
		p.fold.Spec.Targets = nil
		return
	}
	p.fold.Status.Count++
	if p.fold.GetSpec().GetCaller() != e.GetSpec().GetCaller() {
		p.fold.Spec.Caller = ""
	}
	if p.fold.GetSpec().GetCallerId() != e.GetSpec().GetCallerId() {
		p.fold.Spec.CallerId = ""
	}
	if p.fold.GetSpec().GetMethod() != e.GetSpec().GetMethod() {
		p.fold.Spec.Method = ""
	}
	if p.fold.GetStatus().GetReason() != e.GetStatus().GetReason() {
		p.fold.Status.Reason = metav1.Reason_REASON_UNSPECIFIED
	}
}

// at answers the place of this name. When there are too many the rest are one.
func (r *refusals) at(name string, now time.Time) *place {
	if r.places == nil {
		r.places = map[string]*place{}
	}
	if r.places[name] == nil && len(r.places) >= maxPlaces {
		name = "others"
	}
	p := r.places[name]
	if p == nil {
		p = &place{ends: now.Add(window)}
		r.places[name] = p
	}
	return p
}

// take answers what is to be written now, all of it at the end, and when there may be more.
func (r *refusals) take(now time.Time, all bool) (entries []*auditv1.Entry, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries, r.pending = r.pending, nil
	for name, p := range r.places {
		if !all && now.Before(p.ends) {
			if next.IsZero() || p.ends.Before(next) {
				next = p.ends
			}
			continue
		}
		if p.fold != nil {
			entries = append(entries, p.fold)
		}
		delete(r.places, name)
	}
	return entries, next
}

// origin names the place a call came from: the user on the machine, or the network of the address, since one machine has
// as many IPv6 addresses as it likes.
func origin(spec *auditv1.EntrySpec) string {
	at, err := netip.ParseAddrPort(spec.GetAddress())
	if err != nil {
		return spec.GetListener() + " " + strconv.FormatUint(uint64(spec.GetUid()), 10)
	}
	addr, bits := at.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return addr.String()
	}
	return network.String()
}
