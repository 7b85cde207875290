package registry

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/registry/export"
	"github.com/hearthos/hearth/server/internal/store"
)

const fileScheme = "file"

// source is where what a registry has is read: the registry, or its export.
type source interface {
	Info(ctx context.Context) (registry.Info, error)
	// Get answers nothing of a package that it does not have, or refuses it.
	Get(ctx context.Context, p registry.GetParams) (registry.Listing, error)
	// All tells of every package. What it has told counts when it ends without an error.
	All(ctx context.Context, tell func(id string, l registry.Listing) error) error
}

// source is that of a row, with what it is told of the machine.
func (s *Service) source(row *registriesv1.Registry, language string) (source, error) {
	if row.GetSpec().GetFingerprint() == "" {
		return s.client(row, language)
	}
	return &exported{s, row, s.device(language)}, nil
}

// exported reads an export, as it is at each call.
type exported struct {
	service *Service
	row     *registriesv1.Registry
	device  *registry.Device
}

func (e *exported) Info(ctx context.Context) (registry.Info, error) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	x, err := e.service.refresh(ctx, e.row)
	if err != nil {
		return registry.Info{}, err
	}
	return x.Info(ctx)
}

func (e *exported) Get(ctx context.Context, p registry.GetParams) (registry.Listing, error) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	x, err := e.service.refresh(ctx, e.row)
	if err != nil {
		return registry.Listing{}, err
	}
	return x.Get(ctx, p, e.device)
}

func (e *exported) All(ctx context.Context, tell func(id string, l registry.Listing) error) error {
	ctx, cancel := patiently(ctx)
	defer cancel()
	x, err := e.service.refresh(ctx, e.row)
	if err != nil {
		return err
	}
	return x.All(ctx, e.device, tell)
}

// state is what is known of an export while the server runs.
type state struct {
	turn chan struct{} // held by who looks at it, so that what is seen is written down in the order of looks
	seen *export.Export
}

// stateOf is the state of the export of a registry.
func (s *Service) stateOf(id string) *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.exports[id]
	if st == nil {
		st = &state{turn: make(chan struct{}, 1)}
		s.exports[id] = st
	}
	return st
}

// refresh looks at what an export says now. What was seen is on disk before anything of it is used.
func (s *Service) refresh(ctx context.Context, row *registriesv1.Registry) (*export.Export, error) {
	id := row.GetMeta().GetId()
	st := s.stateOf(id)
	select {
	case st.turn <- struct{}{}:
		defer func() { <-st.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	trust, err := s.trust(id)
	if err != nil {
		return nil, err
	}
	seen, next, err := export.Refresh(ctx, s.placeOf(row), trust, s.clock(), st.seen)
	if !sameTrust(trust, next) {
		if err := s.keepTrust(ctx, id, next); err != nil {
			return nil, err
		}
	}
	st.seen = seen
	return seen, err
}

func sameTrust(a, b export.Trust) bool {
	return string(a.Root) == string(b.Root) && string(a.Timestamp) == string(b.Timestamp) && string(a.Snapshot) == string(b.Snapshot)
}

func (s *Service) trust(id string) (t export.Trust, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*registriesv1.RegistryTrust](tx, id)
		if err == nil && !ok {
			err = fault.New(metav1.Reason_REASON_REGISTRY_NOT_FOUND, "there is no registry %q", id).With("registry", id)
		}
		t = export.Trust{Root: row.GetSpec().GetRoot(), Timestamp: row.GetSpec().GetTimestamp(), Snapshot: row.GetSpec().GetSnapshot()}
		return err
	})
	return t, err
}

// keepTrust writes down what was seen of an export, unless its registry has gone meanwhile.
func (s *Service) keepTrust(ctx context.Context, id string, t export.Trust) error {
	_, err := s.store.Update(context.WithoutCancel(ctx), s.clock(), func(tx *store.Tx) error {
		if _, ok, err := store.Lookup[*registriesv1.RegistryTrust](tx, id); err != nil || !ok {
			return err
		}
		return store.Put(tx, trustRow(id, t))
	})
	return err
}

func trustRow(id string, t export.Trust) *registriesv1.RegistryTrust {
	return &registriesv1.RegistryTrust{Meta: &metav1.Meta{Id: id}, Spec: &registriesv1.RegistryTrustSpec{Root: t.Root, Timestamp: t.Timestamp, Snapshot: t.Snapshot}}
}

// folderOf is the folder that a registry lies in; false for one of the web.
func folderOf(row *registriesv1.Registry) (string, bool) {
	u, err := url.Parse(row.GetSpec().GetUrl())
	if err != nil || u.Scheme != fileScheme {
		return "", false
	}
	return u.Path, true
}

// via is how the files of a registry are fetched: from its folder and nowhere else, or from the web.
func (s *Service) via(row *registriesv1.Registry) http.RoundTripper {
	if dir, ok := folderOf(row); ok {
		return export.InFolder(dir)
	}
	return s.transport(row.GetSpec().GetLocal())
}

func (s *Service) placeOf(row *registriesv1.Registry) *export.Place {
	if _, ok := folderOf(row); ok {
		return export.At(export.FolderBase, s.via(row)).Shown(row.GetSpec().GetUrl())
	}
	return export.At(row.GetSpec().GetUrl(), s.via(row))
}

// fetchedPlace is the address by which via gets what lies at a place.
func fetchedPlace(row *registriesv1.Registry, place string) string {
	if _, ok := folderOf(row); ok {
		if rest, ok := strings.CutPrefix(place, row.GetSpec().GetUrl()); ok {
			return export.FolderBase + rest
		}
	}
	return place
}

// addressOf brings the address of a registry into one form, with a proposal for its id.
func addressOf(address string) (form, id string, err error) {
	if !strings.HasPrefix(address, fileScheme+":") {
		u, err := registry.ParseURL(address)
		if err != nil {
			return "", "", err
		}
		return u.String(), nameOf(u.Hostname()), nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" || u.Fragment != "" || len(address) > maxPlace/2 {
		return "", "", errors.New("cannot use the address: of a folder of the server it is file:// and its path, as in file:///media/stick/export")
	}
	dir := filepath.Clean(u.Path)
	return (&url.URL{Scheme: fileScheme, Path: dir}).String(), nameOf(filepath.Base(dir)), nil
}

// meet asks a new registry what it is. What does not answer as a registry may be an export of one: its root must be the
// confirmed one, and with it the trust is answered.
func (s *Service) meet(ctx context.Context, row *registriesv1.Registry, fingerprint string) (registry.Info, *export.Trust, error) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	var noRegistry error
	if _, folder := folderOf(row); !folder && fingerprint == "" {
		client, err := s.client(row, "")
		if err != nil {
			return registry.Info{}, nil, err
		}
		info, err := client.Info(ctx)
		if !errors.Is(err, registry.ErrNotRegistry) && !errors.Is(err, registry.ErrInvalid) {
			return info, nil, told(row, err)
		}
		noRegistry = err
	}
	trust, err := export.Begin(ctx, s.placeOf(row), fingerprint)
	if err != nil {
		return registry.Info{}, nil, told(row, cmp.Or(noRegistry, err)) // where it is neither
	}
	if fingerprint == "" {
		shown := export.Fingerprint(trust.Root)
		return registry.Info{}, nil, fault.New(metav1.Reason_REASON_EXPORT_UNCONFIRMED, "what lies at %s is a signed export; the fingerprint of its root is %s", row.GetSpec().GetUrl(), shown).With("fingerprint", shown)
	}
	row.Spec.Fingerprint = export.Fingerprint(trust.Root)
	x, trust, err := export.Refresh(ctx, s.placeOf(row), trust, s.clock(), nil)
	if err != nil {
		return registry.Info{}, nil, told(row, err)
	}
	info, err := x.Info(ctx)
	return info, &trust, told(row, err)
}

// patiently bounds how long a look at an export may take in all; a file of which nothing comes is given up before.
func patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, 2*time.Minute, export.ErrSlow)
}

// exportFault is what is wrong with an export, as a fault.
func exportFault(row *registriesv1.Registry, err *export.Error) error {
	reasons := map[export.Kind]metav1.Reason{
		export.Unreachable: metav1.Reason_REASON_REGISTRY_UNREACHABLE, export.Incomplete: metav1.Reason_REASON_EXPORT_INCOMPLETE,
		export.Endless: metav1.Reason_REASON_EXPORT_ENDLESS, export.Slow: metav1.Reason_REASON_EXPORT_SLOW, export.OtherRoot: metav1.Reason_REASON_EXPORT_ROOT_OTHER,
		export.Signature: metav1.Reason_REASON_EXPORT_SIGNATURE, export.Rollback: metav1.Reason_REASON_EXPORT_ROLLBACK, export.Expired: metav1.Reason_REASON_EXPORT_EXPIRED,
		export.Mixed: metav1.Reason_REASON_EXPORT_MIXED, export.Content: metav1.Reason_REASON_EXPORT_CONTENT, export.Unlisted: metav1.Reason_REASON_EXPORT_UNLISTED,
		export.Invalid: metav1.Reason_REASON_REGISTRY_INVALID,
	}
	id := row.GetMeta().GetId()
	return fault.New(reasons[err.Kind], "cannot use the export of the registry %q: %s", id, brief(err.Error(), 500)).With("registry", id).With("file", brief(err.File, 200))
}
