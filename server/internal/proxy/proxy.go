// Package proxy keeps the front door's table true: which sockets it listens on, which certificate it shows, where
// connections go, and which names it resolves.
//
// The table is a pure function of rows and of what the machine's network looks like (Table); a controller renders it
// anew whenever one of them changes and hands it over whole. It deliberately opens no socket and holds no connection:
// the door does, and goes on with its last table while the daemon is away. What of a binding is served
// where are the addresses that people and packages are told, and nothing else (abi.Derive).
//
// Invariants: no address and port is in a table twice; a binding is served only while it is enabled and its package has
// a container; nothing of a binding without an interface, and nothing unprotected, leaves the machine; the door gets the
// keys of leaf certificates and no other key.
package proxy

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthos/hearth/api/abi"
	dnsv1 "github.com/hearthos/hearth/api/gen/go/hearth/dns/v1"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// Name of the controller and its one key: the daemon wakes it when SetNetwork had news and when it reached the door anew.
const (
	ControllerName = "proxy"
	ControllerKey  = "table"
)

// renew is how often the certificate is asked for though nothing changed, so that it is renewed in time.
const renew = 24 * time.Hour

// Door takes tables.
type Door interface {
	// Apply puts a whole table in force; the same one again changes nothing.
	Apply(ctx context.Context, t *doorv1.Table) (*doorv1.ApplyResponse, error)
	// Check tells by a fault REASON_INVALID_ARGUMENT, as Apply does, that a table cannot be used, and changes nothing.
	Check(ctx context.Context, t *doorv1.Table) error
	// GetStatus tells what is in force.
	GetStatus(ctx context.Context) (*doorv1.GetStatusResponse, error)
}

// Names are the names of the server and its services.
type Names interface {
	// Certificate answers the names and addresses of the server's certificate.
	Certificate(gateways []abi.Gateway) []string
	// Local answers the labels by which the server is called in .local; none where it is not to be.
	Local() []string
	// Records answers the names of services, and to whom they are told.
	Records(packages []*packagesv1.Package, dependencies []*packagesv1.Dependency) []*doorv1.Record
}

// Certificates makes certificates.
type Certificates interface {
	// ServerLeaf answers a certificate for names that is valid for some weeks at least, and its key, PEM. It is asked at
	// least daily, so that it can renew.
	ServerLeaf(names []string) (chain, key []byte, err error)
	// InForce tells that the door shows what was asked for since then, and nothing else.
	InForce(since time.Time)
}

// Gates tells whom the gates of a host let pass, by the port inside the container. An error tells which gates nobody passes
// until it is mended, beside an answer with the others.
type Gates interface {
	Gates(tx *store.Tx, host string) (map[uint32]*hostsv1.GateCredentials, error)
}

// Options are what the area is made of.
type Options struct {
	Store        *store.Store
	Log          *slog.Logger
	Door         Door
	Names        Names
	Certificates Certificates
	Gates        Gates
	Server       Server
	// Told is called when something else is not served than before; nil for nobody who wants to know.
	Told func()
}

// Service is the area. It is safe for concurrent use.
type Service struct {
	opt Options

	applying sync.Mutex                 // held over the making of a table and its change, so that none comes after a newer one; guards confined
	confined map[netip.Addr]confinement // of services by the table in force; replaced, never changed

	mu       sync.Mutex // guards what follows
	told     bool       // by SetNetwork
	gateways []abi.Gateway
	mdns     string
	services map[string]string // names in .local by the id of the host
	failed   []string          // what was last told not to be listened on
	omitted  []Omission        // what found no place in the last table
	unusable []Unusable        // what the door could not use of the last table
	stuck    string            // why it could not use any of it
}

// New returns the area. It does nothing until its controller runs.
func New(opt Options) *Service { return &Service{opt: opt, gateways: abi.Gateways(nil)} }

// SetNetwork tells which gateways there are now and what the server is called in .local, and its hosts by row id, and answers
// whether that is news. When it is, the caller wakes the controller.
func (s *Service) SetNetwork(gateways []abi.Gateway, mdns string, services map[string]string) bool {
	gateways = abi.Gateways(gateways)
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.mdns != mdns || !maps.Equal(s.services, services) || !reflect.DeepEqual(s.gateways, gateways)
	s.told, s.gateways, s.mdns, s.services = true, gateways, mdns, maps.Clone(services)
	return news
}

// KnowsNetwork tells whether there was a first SetNetwork.
func (s *Service) KnowsNetwork() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// ServiceNames answers the labels by which services are to be called in .local, by the id of the host whose page is reached there.
func (s *Service) ServiceNames() (labels map[string]string, err error) {
	err = s.opt.Store.View(func(tx *store.Tx) error {
		rows, err := store.List[*hostsv1.Host](tx, "")
		labels = serviceNames(rows, s.opt.Names.Local())
		return err
	})
	return labels, err
}

// Controller applies the table at boot and whenever a row it follows from changes.
func (s *Service) Controller() reconcile.Controller {
	keys := []string{ControllerKey}
	c := reconcile.Controller{
		Name:    ControllerName,
		Reads:   []string{"artifact"},
		Drives:  []string{"front door"},
		Workers: 1,
		List:    func() ([]string, error) { return keys, nil },
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) {
			return renew, s.Follow(ctx)
		},
	}
	for _, kind := range []string{"host", "package", "dependency", "dnssettings", "hostgates", "passthrough", "container"} {
		c.Sources = append(c.Sources, reconcile.Source{
			Selector: store.Selector{Kind: kind},
			Keys:     func(store.Change) []string { return keys },
		})
	}
	return c
}

// Follow has the door follow what is committed, and returns when it does. The controller does the same by itself a little later.
func (s *Service) Follow(ctx context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	return s.applyNow(ctx)
}

// applyNow needs s.applying.
func (s *Service) applyNow(ctx context.Context) error {
	begun := time.Now()
	in, err := s.input()
	if err != nil {
		return err
	}
	table, omitted := Table(in)
	response, err := s.opt.Door.Apply(ctx, table)
	var unusable []Unusable
	if refuses(err) {
		var rest Input
		if rest, unusable, err = s.usable(ctx, in, err); err == nil {
			table, omitted = Table(rest)
			response, err = s.opt.Door.Apply(ctx, table)
		}
	}
	s.tellUnusable(unusable, err)
	if err != nil {
		return err
	}
	s.confined = confinements(in.Confined)
	s.opt.Certificates.InForce(begun)
	s.tell(response.GetSockets(), omitted)
	return nil
}

// Certificate answers the certificate for all names and addresses of the server as they are now, and its key, PEM.
func (s *Service) Certificate() (chain, key []byte, err error) {
	return s.opt.Certificates.ServerLeaf(s.Names())
}

// Names answers the names and addresses of the server as they are now.
func (s *Service) Names() []string {
	s.mu.Lock()
	gateways := s.gateways
	s.mu.Unlock()
	return s.opt.Names.Certificate(gateways)
}

// Render answers the table as it should be now.
func (s *Service) Render() (*doorv1.Table, error) {
	table, _, err := s.render()
	return table, err
}

// render answers the table as it should be now, and what found no place in it.
func (s *Service) render() (*doorv1.Table, []Omission, error) {
	in, err := s.input()
	if err != nil {
		return nil, nil, err
	}
	table, omitted := Table(in)
	return table, omitted, nil
}

// input is what the table follows from now.
func (s *Service) input() (Input, error) {
	s.mu.Lock()
	in := Input{Server: s.opt.Server, Gateways: s.gateways, MDNS: s.mdns, Claimed: s.services, Domains: make(map[string]Pair)}
	s.mu.Unlock()
	err := s.opt.Store.View(func(tx *store.Tx) (err error) {
		if in.Hosts, err = store.List[*hostsv1.Host](tx, ""); err != nil {
			return err
		}
		if in.Packages, err = store.List[*packagesv1.Package](tx, ""); err != nil {
			return err
		}
		in.Gates = s.gates(tx, in.Hosts)
		if in.Confined, err = confined(tx); err != nil {
			return err
		}
		if in.Dependencies, err = store.List[*packagesv1.Dependency](tx, ""); err != nil {
			return err
		}
		if in.Passthroughs, err = store.List[*hostsv1.Passthrough](tx, ""); err != nil {
			return err
		}
		chosen, there, err := store.Lookup[*dnsv1.DnsSettings](tx, "server")
		if there && len(chosen.GetSpec().GetServers()) > 0 {
			in.Server.Upstreams = chosen.GetSpec().GetServers()
		}
		return err
	})
	if err != nil {
		return Input{}, err
	}
	in.Records = s.opt.Names.Records(in.Packages, in.Dependencies)
	in.Local = s.opt.Names.Local()
	in.Services = serviceNames(in.Hosts, in.Local)
	if in.Chain, in.Key, err = s.Certificate(); err != nil {
		return Input{}, err
	}
	for _, name := range unique(append(Domains(in.Hosts), slices.Collect(maps.Values(in.Claimed))...)) {
		var p Pair
		if p.Chain, p.Key, err = s.opt.Certificates.ServerLeaf([]string{name}); err != nil {
			return Input{}, err
		}
		in.Domains[name] = p
	}
	in.Private = privateDomains(in.Hosts)
	return in, nil
}

// gates answers whom the gates of hosts let pass. A gate whose secrets cannot be read lets nobody pass, and is no reason not to
// serve the others.
func (s *Service) gates(tx *store.Tx, all []*hostsv1.Host) map[string]map[uint32]*hostsv1.GateCredentials {
	out := make(map[string]map[uint32]*hostsv1.GateCredentials)
	for _, row := range all {
		gated := false
		for _, b := range row.GetSpec().GetBindings() {
			gated = gated || b.GetAddSsl().GetGate() != nil
		}
		if !gated {
			continue
		}
		id := row.GetMeta().GetId()
		known, err := s.opt.Gates.Gates(tx, id)
		if err != nil {
			s.opt.Log.Warn("nobody passes a gate", "host", id, "error", err)
		}
		out[id] = known
	}
	return out
}

// Omitted answers what found no place at the front door.
func (s *Service) Omitted() []Omission {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.omitted)
}

// Failed answers the addresses that are not listened on though services are to be served there, each with why.
func (s *Service) Failed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.failed)
}

// tellUnusable tells what the door cannot use when it is something else than before, or that it can use nothing.
func (s *Service) tellUnusable(parts []Unusable, err error) {
	stuck := ""
	if refuses(err) {
		stuck = reason(err)
	}
	s.mu.Lock()
	if err != nil && stuck == "" { // it is away
		parts, stuck = s.unusable, s.stuck
	}
	news := !slices.Equal(s.unusable, parts) || s.stuck != stuck
	s.unusable, s.stuck = parts, stuck
	s.mu.Unlock()
	if !news {
		return
	}
	for _, p := range parts {
		s.opt.Log.Warn("the front door cannot use a part of its table", "part", p.ID, "error", p.Why)
	}
	if s.opt.Told != nil {
		s.opt.Told()
	}
}

// tell logs what is not listened on when it is something else than before. The door tries again by itself.
func (s *Service) tell(sockets []*doorv1.Socket, omitted []Omission) {
	var failed []string
	for _, o := range omitted {
		failed = append(failed, o.Address+": "+o.Why())
	}
	for _, socket := range sockets {
		if socket.GetError() != "" {
			failed = append(failed, socket.GetAddress()+": "+socket.GetError())
		}
	}
	slices.Sort(failed)
	s.mu.Lock()
	news := !slices.Equal(s.failed, failed)
	s.failed, s.omitted = failed, omitted
	s.mu.Unlock()
	if news && s.opt.Told != nil {
		s.opt.Told()
	}
	switch {
	case news && len(failed) > 0:
		s.opt.Log.Warn("the front door cannot listen everywhere", "sockets", strings.Join(failed, "; "))
	case news:
		s.opt.Log.Info("the front door listens everywhere")
	}
}
