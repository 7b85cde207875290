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
//	blob          the storage of files: a folder, or a bucket
//	parts.go      rows as parts of what is written for others
//	shared.go     what is written into the storage for replicas
//	follow.go     a replica
//	upstream.go   packages that are taken of other registries
//	count.go      how often versions are asked for
//	usage.go      how many servers ask
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
	"path/filepath"
	"slices"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd/blob"
	"github.com/hearthos/hearth/server/internal/store"
)

// Options are what a registry is made from.
type Options struct {
	// Store has what is listed. Without one the registry is a replica: it shows what another one writes into the storage.
	Store *store.Store
	// Dir is the folder of uploads, which is made, and of the files where there is no other storage.
	Dir string
	// Storage keeps the files, with the folders that Folders names.
	Storage blob.Storage
	// Shared has what is listed be written into the storage, too, for replicas. TakeOver lets it go on from what another registry
	// has written there.
	Shared, TakeOver bool
	Log              *slog.Logger
	Clock            func() time.Time
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
	opt      Options
	store    *store.Store // nil: a replica
	storage  blob.Storage
	files    *Files
	catalog  *catalog
	counts   *counts
	shared   *shared   // nil: nobody follows
	follower *follower // of a replica

	upstreams chan struct{} // wakes who looks into other registries
	syncing   chan struct{} // held by who does

	changes sync.Mutex // held from a commit until the catalogue has it, so that it never shows an older one
}

// New opens the registry. What it has to read and write in its storage for that ends with ctx.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{opt: o, store: o.Store, storage: o.Storage, catalog: newCatalog(), counts: newCounts(),
		upstreams: make(chan struct{}, 1), syncing: make(chan struct{}, 1)}
	if s.opt.Inspect == nil {
		s.opt.Inspect = s.fetch
	}
	var err error
	if s.storage == nil {
		if s.storage, err = blob.NewFolder(o.Dir, Folders()...); err != nil {
			return nil, err
		}
	}
	incoming := ""
	if s.store != nil {
		incoming = filepath.Join(o.Dir, "incoming")
	}
	if s.files, err = newFiles(s.storage, incoming, o.Clock); err != nil {
		return nil, err
	}
	if s.store == nil {
		s.follower = &follower{service: s}
		return s, s.follower.step(ctx)
	}
	return s, s.open(ctx)
}

// open reads what a registry that writes has, and brings its storage up to it.
func (s *Service) open(ctx context.Context) (err error) {
	if s.opt.Shared {
		if s.shared, err = s.share(ctx); err != nil {
			return err
		}
	}
	if err := s.catalog.load(s.store); err != nil {
		return err
	}
	if s.shared != nil {
		return s.shared.begin(ctx)
	}
	return s.files.sweep(ctx, s.catalog.kept())
}

// writable refuses changes where another registry writes.
func (s *Service) writable() error {
	switch {
	case s.follower != nil:
		return s.follower.refusal()
	case s.shared != nil:
		return s.shared.refusal()
	}
	return nil
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
	if err := s.writable(); err != nil {
		return err
	}
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
	if s.shared != nil {
		defer s.shared.mark(touched)
	}
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
