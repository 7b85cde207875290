// Package registryd is a registry of packages: what is published, by whom, and what everybody may read of it. It is the
// domain of the program hearth-registry and takes no part in a server.
//
//	registryd.go  the service, who calls, changes
//	catalog.go    what is read, in memory
//	publish.go    files that are listed and taken out
//	inspect.go    what a file says it is, with every byte of it verified
//	people.go     signers, administrators, categories, the registry itself
//	system.go     versions of the system and their images
//	files.go      the files that it keeps, uploads, icons
//	count.go      how often versions are asked for
//	v0            protocol v0, as StartOS speaks it
//
// Invariants: nothing is listed whose bytes were not hashed and whose signature does not verify; what is listed of a version
// never changes, files and mirrors are added to it; the newest commit is what is read. A registry decides who may publish
// what; whether its word counts is for those to decide who read it.
package registryd

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/store"
)

// Options are what a registry is made from.
type Options struct {
	Store *store.Store
	// Dir is the folder of files, which is made.
	Dir   string
	Log   *slog.Logger
	Clock func() time.Time
	// URL is where others reach the registry, without a slash at its end.
	URL string
	// Transport fetches what publishers link to.
	Transport http.RoundTripper
	// Inspect takes the place of fetching a file and verifying it; nil outside of tests. It asks admit what the file says it
	// is before it reads more of it than tells that.
	Inspect func(ctx context.Context, url string, c s9pk.Commitment, admit Admit) (*Inspected, error)
}

// Service is the registry. It is safe for concurrent use.
type Service struct {
	opt     Options
	store   *store.Store
	files   *Files
	catalog *catalog
	counts  *counts

	changes sync.Mutex // held from a commit until the catalogue has it, so that it never shows an older one
}

// New opens the registry.
func New(o Options) (*Service, error) {
	files, err := newFiles(o.Dir, o.Clock)
	if err != nil {
		return nil, err
	}
	s := &Service{opt: o, store: o.Store, files: files, catalog: newCatalog(), counts: newCounts()}
	if s.opt.Inspect == nil {
		s.opt.Inspect = s.fetch
	}
	if err := s.catalog.load(s.store); err != nil {
		return nil, err
	}
	return s, s.files.sweep(s.catalog.keeps)
}

// Files are the uploads, files and icons of the registry.
func (s *Service) Files() *Files { return s.files }

// Who is somebody who has proven to have the key of a signer.
type Who struct {
	Signer string
	Name   string
	Admin  bool
	Key    sign.PublicKey
}

// Identify tells whose a key is; false: nobody's.
func (s *Service) Identify(key sign.PublicKey) (Who, bool) {
	row := s.catalog.signerOf(key)
	if row == nil {
		return Who{}, false
	}
	return Who{Signer: row.GetMeta().GetId(), Name: row.GetSpec().GetName(), Admin: row.GetSpec().GetAdmin(), Key: key}, true
}

// change runs fn as one commit and brings the catalogue up to it. Of packages it reads those anew that fn names.
func (s *Service) change(ctx context.Context, who Who, what string, fn func(tx *store.Tx, touch func(pkg string)) error) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	var touched []string
	_, err := s.store.Update(ctx, s.opt.Clock(), func(tx *store.Tx) error {
		touched = touched[:0] // it may run again
		return fn(tx, func(pkg string) { touched = append(touched, pkg) })
	})
	if err != nil {
		return err
	}
	s.opt.Log.Info("registry changed", "by", who.Name, "signer", who.Signer, "what", what, "packages", slices.Compact(touched))
	return s.catalog.refresh(s.store, touched)
}

// EnsureAdmin has a key belong to an administrator: it makes a signer of this name for one that nobody has.
func (s *Service) EnsureAdmin(ctx context.Context, name string, key sign.PublicKey) error {
	who, known := s.Identify(key)
	switch {
	case known && who.Admin:
		return nil
	case known:
		return s.AddAdmin(ctx, who, who.Signer)
	}
	row, err := s.AddSigner(ctx, Who{Name: "the command line"}, &registryv1.RegistrySignerSpec{Name: name, Keys: [][]byte{key[:]}})
	if err != nil {
		return err
	}
	return s.AddAdmin(ctx, Who{Name: "the command line"}, row.GetMeta().GetId())
}

func notListed(format string, args ...any) *fault.Error {
	return fault.New(metav1.Reason_REASON_LISTING_NOT_FOUND, format, args...)
}
