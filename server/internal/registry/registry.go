// Package registry knows the registries that packages are found in and fetched from, and owns the kind registry.
//
//	registry.go  which registries there are
//	browse.go    what they have
//	documents.go what listed packages bring for people to see
//	exported.go  registries that are signed exports, on the web or in a folder
//	download.go  files, verified while they arrive
//
// A registry is a stranger. Its answers are bounded in size, number and time; nothing it says makes the server connect to
// the machine itself or to private networks, unless a person has added it as one of these; no key, cookie or token goes to
// it. Which versions and files will do is decided here once more, and what is fetched must be the very file that all its
// signers have signed. Whose signature counts is decided where packages are installed.
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/registry/export"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/server/internal/store"
)

const (
	maxRegistries = 32
	maxID         = 63 // bytes
	callTimeout   = 30 * time.Second
	// keptFor is how long what a registry has is remembered for those who browse, and keptMost of how many registries.
	keptFor  = time.Minute
	keptMost = 4
)

// Deps are what the area needs.
type Deps struct {
	Store *store.Store
	Clock func() time.Time
	// Machine is what registries are told of it.
	Machine registry.HardwareInfo
	// Transport connects to addresses that strangers choose, and to those of the machine and of private networks with local
	// alone: fetch.Guarded.
	Transport func(local bool) *http.Transport
}

// Service is the area. It is safe for concurrent use.
type Service struct {
	store     *store.Store
	clock     func() time.Time
	machine   registry.HardwareInfo
	transport func(local bool) *http.Transport
	documents *documents

	mu      sync.Mutex // guards what follows
	kept    map[string]catalogue
	exports map[string]*state
}

// New returns the area.
func New(d Deps) *Service {
	return &Service{store: d.Store, clock: d.Clock, machine: d.Machine, transport: d.Transport, documents: newDocuments(), kept: map[string]catalogue{}, exports: map[string]*state{}}
}

// List lists the registries by id.
func (s *Service) List() (rows []*registriesv1.Registry, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		rows, err = store.List[*registriesv1.Registry](tx, "")
		return err
	})
	return rows, err
}

// get is a registry.
func (s *Service) get(id string) (*registriesv1.Registry, error) {
	var row *registriesv1.Registry
	err := s.store.View(func(tx *store.Tx) error {
		found, ok, err := store.Lookup[*registriesv1.Registry](tx, id)
		if err == nil && !ok {
			err = fault.New(metav1.Reason_REASON_REGISTRY_NOT_FOUND, "there is no registry %q", id).With("registry", id)
		}
		row = found
		return err
	})
	return row, err
}

// Addition says which registry is to be added. Without an id it is called by its host or folder.
type Addition struct {
	Address, ID string
	// Local lets it be in the machine or in private networks.
	Local bool
	// Fingerprint is that of the root of an export, as a person has confirmed it.
	Fingerprint string
}

// Add adds a registry, which must answer.
func (s *Service) Add(ctx context.Context, now time.Time, n Addition) (*registriesv1.Registry, error) {
	address, id, err := addressOf(n.Address)
	if err != nil {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "%w", err).Violation("url", err.Error())
	}
	id = cmp.Or(n.ID, id)
	if _, err := ids.ParsePackage(id); err != nil {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot call a registry %q: lower-case letters, digits and single hyphens", id).Violation("id", "must be such a name")
	}
	row := &registriesv1.Registry{Meta: &metav1.Meta{Id: id}, Spec: &registriesv1.RegistrySpec{Url: address, Local: n.Local}}
	info, trust, err := s.meet(ctx, row, n.Fingerprint)
	if err != nil {
		return nil, err
	}
	if info.Name != nil {
		row.Spec.Name = brief(*info.Name, 200)
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		rows, err := store.List[*registriesv1.Registry](tx, "")
		if err != nil {
			return err
		}
		if id, err = freeID(rows, n.ID, id, address); err != nil {
			return err
		}
		row.Meta.Id = id
		if len(rows) >= maxRegistries {
			return fault.New(metav1.Reason_REASON_TOO_MANY, "cannot have more than %d registries", maxRegistries)
		}
		if trust != nil {
			if err := store.Put(tx, trustRow(id, *trust)); err != nil {
				return err
			}
		}
		return store.Put(tx, row)
	})
	if err != nil {
		return nil, err
	}
	return s.get(id)
}

// freeID is an id for a registry: the one that is wished for, else its host's name, with a number where other registries of that
// host are known.
func freeID(known []*registriesv1.Registry, wish, name, address string) (string, error) {
	taken := make(map[string]bool, len(known))
	for _, have := range known {
		id, url := have.GetMeta().GetId(), have.GetSpec().GetUrl()
		if url == address || id == wish {
			return "", fault.New(metav1.Reason_REASON_ALREADY_EXISTS, "there is the registry %q at %s already", id, url).With("registry", id)
		}
		taken[id] = true
	}
	id := cmp.Or(wish, name)
	for n := 2; taken[id]; n++ {
		number := fmt.Sprintf("-%d", n)
		id = name[:min(len(name), maxID-len(number))] + number
	}
	return id, nil
}

var notOfNames = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf makes the id of a registry of its host.
func nameOf(host string) string {
	if net.ParseIP(host) == nil {
		host = strings.TrimPrefix(strings.TrimPrefix(host, "www."), "registry.")
	}
	return brief(strings.Trim(notOfNames.ReplaceAllString(host, "-"), "-"), maxID)
}

// Delete forgets a registry.
func (s *Service) Delete(ctx context.Context, now time.Time, id string) error {
	if _, err := s.get(id); err != nil {
		return err
	}
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		if _, ok, err := store.Lookup[*registriesv1.RegistryTrust](tx, id); err != nil {
			return err
		} else if ok {
			if err := store.Delete[*registriesv1.RegistryTrust](tx, id); err != nil {
				return err
			}
		}
		return store.Delete[*registriesv1.Registry](tx, id)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.kept, func(key string, _ catalogue) bool { return strings.HasPrefix(key, id+" ") })
	delete(s.exports, id)
	return err
}

// device is what a registry is told of the machine.
func (s *Service) device(language string) *registry.Device {
	version, err := exver.ParsePlain(s9pk.CompatibleOS)
	if err != nil {
		panic(err) // a constant
	}
	compat, err := exver.ParseRange("<=" + s9pk.CompatibleOS + ":0")
	if err != nil {
		panic(err)
	}
	machine := s.machine
	return &registry.Device{Version: version, Compat: compat, Platform: machine.Arch, Language: language, Hardware: &machine}
}

// client calls a registry, without any key.
func (s *Service) client(row *registriesv1.Registry, language string) (*registry.Client, error) {
	transport := s.transport(row.GetSpec().GetLocal())
	transport.DisableKeepAlives = true // it is used for a call or two
	return registry.NewClient(row.GetSpec().GetUrl(), registry.Options{Transport: transport, Timeout: callTimeout, Device: s.device(language)})
}

// told is an error of a call as a fault.
func told(row *registriesv1.Registry, err error) error {
	var refusal *registry.Error
	var wrong *export.Error
	id := row.GetMeta().GetId()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fetch.ErrLocalAddress):
		return fault.New(metav1.Reason_REASON_REGISTRY_ADDRESS_LOCAL, "cannot ask the registry %q: it is at an address of this machine or of a private network", id).With("registry", id)
	case errors.As(err, &refusal):
		return fault.New(metav1.Reason_REASON_REGISTRY_REFUSED, "the registry %q answers: %s", id, refusal).With("registry", id)
	case errors.As(err, new(*fault.Error)):
		return err
	case errors.As(err, &wrong):
		return exportFault(row, wrong)
	case errors.Is(err, registry.ErrTooLarge), errors.Is(err, registry.ErrInvalid):
		return fault.New(metav1.Reason_REASON_REGISTRY_INVALID, "cannot read the registry %q: %s", id, err).With("registry", id)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fault.New(metav1.Reason_REASON_REGISTRY_UNREACHABLE, "cannot ask the registry %q: %s", id, err).With("registry", id)
}

// brief is foreign text, cut.
func brief(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}
