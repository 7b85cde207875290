// Package reach tries whether the addresses of hosts work, from this server and as a person would: by the name, by the port,
// over TLS.
//
//	reach.go       when, and what is kept of it
//	verdict.go     what an address needs, step by step
//
// What it finds is a row of the ephemeral kind reachability beside each host, so it is watched like everything and written
// to no disk. It deliberately changes nothing: an address that does not work is told with what is missing and what to do.
//
// Invariants: only addresses that are on are tried; one host at a time, each address within a limit, so that a network that
// swallows everything costs little; no answer of anybody is kept but as one of our own sentences.
package reach

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// ControllerName is the name of the controller; its keys are ids of hosts.
const ControllerName = "reach"

// again is how often a host is tried though nothing changed: names and routers change without telling.
const again = 5 * time.Minute

// soon is how soon a host is tried again of which an address does not work after something has changed, since a service takes a
// moment to listen and the front door to follow; each further try waits twice as long, up to broken. Within settle of the change a
// port that does not answer is told of nobody: it is most likely about to.
const soon, settle, broken = 100 * time.Millisecond, time.Second, time.Minute

// Options are what the area is made of.
type Options struct {
	Store *store.Store
	// Gateways are the networks the server is in now.
	Gateways func() []abi.Gateway
	// Root is the server's root certificate, PEM.
	Root func() []byte
	// Resolve asks the system's resolver.
	Resolve func(ctx context.Context, name string) ([]netip.Addr, error)
	// Own asks the server's own resolver at one of its addresses, as a neighbour there would; it answers none for a name that has none.
	Own func(ctx context.Context, at netip.Addr, name string) ([]netip.Addr, error)
	// Dial connects as net.Dialer does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Service is the area. It is safe for concurrent use.
type Service struct {
	opt Options

	mu     sync.Mutex // guards misses
	misses map[string]miss
}

// miss is what is known of a host of which an address does not work.
type miss struct {
	since string // the state of things since which it is so
	wait  time.Duration
}

// New returns the area. It does nothing until its controller runs.
func New(opt Options) *Service { return &Service{opt: opt, misses: make(map[string]miss)} }

// Last answers what was last found of a host, nil where it was not tried since the server started.
func (s *Service) Last(id string) *hostsv1.Reachability {
	row, _ := store.Ephemeral[*hostsv1.Reachability](s.opt.Store, id)
	return row
}

// Try tries the addresses of a host now, keeps what it found and answers it.
func (s *Service) Try(ctx context.Context, now time.Time, row *hostsv1.Host) *hostsv1.Reachability {
	found := s.look(ctx, now, row)
	s.keep(ctx, found)
	return found
}

func (s *Service) look(ctx context.Context, now time.Time, row *hostsv1.Host) *hostsv1.Reachability {
	return &hostsv1.Reachability{
		Meta:   &metav1.Meta{Id: row.GetMeta().GetId()},
		Status: &hostsv1.ReachabilityStatus{Verdicts: s.verdicts(ctx, row), CheckTime: timestamppb.New(now)},
	}
}

func (s *Service) keep(ctx context.Context, found *hostsv1.Reachability) {
	if ctx.Err() == nil {
		store.SetEphemeral(s.opt.Store, found)
	}
}

// Controller tries hosts when they or their packages change, and now and then.
func (s *Service) Controller() reconcile.Controller {
	return reconcile.Controller{
		Name:    ControllerName,
		Writes:  []string{"reachability"},
		Workers: 2,
		Sources: []reconcile.Source{
			{Selector: store.Selector{Kind: "host"}, Keys: func(c store.Change) []string { return []string{c.ID} }},
			{Selector: store.Selector{Kind: "package"}, Keys: func(c store.Change) []string { return s.of(c.ID) }},
			{Selector: store.Selector{Kind: "healthcheck"}, Keys: func(c store.Change) []string { return s.missing(ids.Parent(c.ID)) }},
		},
		List: func() ([]string, error) { return s.of(""), nil },
		Reconcile: func(ctx context.Context, id string) (time.Duration, error) {
			return s.reconcile(ctx, id)
		},
	}
}

// of answers the hosts of a package, or of all.
func (s *Service) of(pkg string) (keys []string) {
	_ = s.opt.Store.View(func(tx *store.Tx) error {
		rows, err := store.List[*hostsv1.Host](tx, pkg)
		for _, row := range rows {
			keys = append(keys, row.GetMeta().GetId())
		}
		return err
	})
	return keys
}

// missing answers the hosts of a package of which an address did not work: a service that says something new of its health may
// listen by now.
func (s *Service) missing(pkg string) []string {
	return slices.DeleteFunc(s.of(pkg), func(id string) bool { last := s.Last(id); return last != nil && works(last) })
}

func (s *Service) reconcile(ctx context.Context, id string) (time.Duration, error) {
	var row *hostsv1.Host
	err := s.opt.Store.View(func(tx *store.Tx) error {
		found, ok, err := store.Lookup[*hostsv1.Host](tx, id)
		if ok {
			row = found
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if row == nil || row.GetSpec().GetKept() {
		store.DropEphemeral[*hostsv1.Reachability](s.opt.Store, id)
		s.forget(id)
		return 0, nil
	}
	found := s.look(ctx, time.Now(), row)
	if works(found) {
		s.forget(id)
		s.keep(ctx, found)
		return again, nil
	}
	wait := s.patience(id, row)
	if wait >= settle || !onlyPorts(found) || unserved(row) {
		s.keep(ctx, found)
	}
	return wait, nil
}

// onlyPorts tells whether all that does not work are ports, which the front door or the service may be about to listen on.
func onlyPorts(r *hostsv1.Reachability) bool {
	return !slices.ContainsFunc(r.GetStatus().GetVerdicts(), func(v *hostsv1.Verdict) bool {
		return !v.GetWorks() && v.GetMissing() != hostsv1.Verdict_STEP_PORT
	})
}

// unserved tells whether the front door has said of an address that it does not serve it: nothing is about to answer there.
func unserved(row *hostsv1.Host) bool {
	return slices.ContainsFunc(row.GetStatus().GetAddresses(), func(a *hostsv1.Address) bool { return a.GetUnserved() != "" })
}

// patience answers how long to wait before a host of which an address does not work is tried again.
func (s *Service) patience(id string, row *hostsv1.Host) time.Duration {
	since := fmt.Sprint(row.GetMeta().GetRevision(), s.started(id).AsTime())
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.misses[id]
	if known && m.since == since {
		m.wait = min(2*m.wait, broken)
	} else {
		m = miss{since, soon}
	}
	s.misses[id] = m
	return m.wait
}

func (s *Service) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.misses, id)
}

// works tells whether all addresses do.
func works(r *hostsv1.Reachability) bool {
	return !slices.ContainsFunc(r.GetStatus().GetVerdicts(), func(v *hostsv1.Verdict) bool { return !v.GetWorks() })
}

// running tells whether a service has a container that its connections can be led to.
func (s *Service) running(id string) bool {
	pkg := ids.Parent(id)
	if ids.Package(pkg).Reserved() {
		return true
	}
	return s.started(id) != nil
}

// started answers when the container of a host's package was started; nil where there is none.
func (s *Service) started(id string) (at *timestamppb.Timestamp) {
	_ = s.opt.Store.View(func(tx *store.Tx) error {
		row, _, err := store.Lookup[*packagesv1.Package](tx, ids.Parent(id))
		at = row.GetStatus().GetStartTime()
		return err
	})
	return at
}
