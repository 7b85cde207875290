package install

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// Parameters of installations and updates from a registry: which one, and the file that it listed, so that the file
// which was decided on is the one that is fetched, also after a restart.
const (
	paramRegistry = "registry"
	paramSighash  = "sighash"
	paramMaxSize  = "max_size"
	paramPlaces   = "places" // a line each
	paramSigner   = "signer" // whose file it is, in PEM
)

// maxPlaces bounds what an operation remembers of where its file lies, in bytes.
const maxPlaces = 16 << 10

// Listed names a package in a registry.
type Listed struct {
	Registry string // empty: that of the installed version, else the first that has it
	Package  string
	Version  string // a version or a range; empty: the newest
}

// resolved is the file that a registry lists.
type resolved struct {
	registry string
	asset    registry.Asset
	art      *packagesv1.Artifact
}

// from is the wish with the registry in it that has the file.
func (w Wish) from(r resolved) Wish {
	listed := *w.Listed
	listed.Registry, w.Listed = r.registry, &listed
	return w
}

// resolve finds what a registry lists and looks at the file where it lies, before anything is begun.
func (s *Service) resolve(ctx context.Context, l Listed) (resolved, error) {
	wanted := registry.Wanted{Package: l.Package, Version: l.Version, Suits: s.suits}
	err := s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, l.Package)
		if ok {
			wanted.Installed = row.GetSpec().GetVersion()
			if l.Registry == "" {
				l.Registry = row.GetSpec().GetRegistry()
			}
		}
		if err != nil || l.Version != "" {
			return err
		}
		if !ok {
			wanted.Needed, err = needed(tx, l.Package)
			return err
		}
		policy, _, err := store.Lookup[*packagesv1.UpdatePolicy](tx, l.Package)
		wanted.Skipped = policy.GetSpec().GetSkipped()
		return err
	})
	if err != nil {
		return resolved{}, err
	}
	id, version, asset, err := s.sources.Find(ctx, l.Registry, wanted)
	if err != nil {
		return resolved{}, err
	}
	pinned, err := s.pinned(l.Package)
	if err != nil {
		return resolved{}, err
	}
	if key, err := sign.ParsePublicKey(pinned); err == nil {
		asset = asset.OnlyBy(key)
	}
	file, err := s.sources.Open(ctx, id, asset)
	if err != nil {
		return resolved{}, err
	}
	defer file.Close()
	art, err := s.artifacts.Describe(file, file.Size(), asset.Commitment)
	if err != nil {
		return resolved{}, err
	}
	if art.GetSpec().GetPackageId() != l.Package || art.GetSpec().GetVersion() != version.String() {
		return resolved{}, fault.New(metav1.Reason_REASON_OFFER_MISMATCH, "the registry %q lists the file as %s %s, and it is %s %s", id, l.Package, version,
			art.GetSpec().GetPackageId(), art.GetSpec().GetVersion()).With("registry", id)
	}
	key, err := sign.ParsePublicKey(art.GetSpec().GetSigner())
	return resolved{id, asset.OnlyBy(key), art}, err
}

// pinned is who signed what is installed of a package, or what left the data that were kept; "" where there is neither.
func (s *Service) pinned(pkg string) (signer string, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if err != nil || !ok {
			return err
		}
		art, _, err := store.Lookup[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
		signer = art.GetSpec().GetSigner()
		return err
	})
	if err != nil || signer != "" {
		return signer, err
	}
	return s.data.KeptOf(pkg)
}

// suits tells whether a file that a registry lists is for this machine, as far as the registry tells.
func (s *Service) suits(v *registry.Version, f registry.File) bool {
	m := &s9pk.Manifest{SDKVersion: v.SDKVersion, Hardware: f.Hardware}
	return knownSDK(m) == nil && s.machine.Fits(m) == nil
}

// needed are the versions of a package that all installed packages which need it will do with; nil where none needs it, or
// no version is one.
func needed(tx *store.Tx, pkg string) (*exver.Range, error) {
	rows, err := dependents(tx, pkg)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	all := exver.Any()
	for _, d := range rows {
		if r, err := exver.ParseRange(d.GetSpec().GetVersionRange()); err == nil {
			all = all.And(r)
		}
	}
	if !all.Satisfiable() {
		return nil, nil
	}
	return &all, nil
}

// installListed begins the installation of a package from a registry, or its update.
func (s *Service) installListed(ctx context.Context, now time.Time, engine *operation.Engine, w Wish) (*operationsv1.Operation, error) {
	r, err := s.resolve(ctx, *w.Listed)
	if err != nil {
		return nil, err
	}
	request, err := s.admit(ctx, w.from(r), r.art)
	if err != nil {
		return nil, err
	}
	maps.Copy(request.Parameters, r.parameters())
	return engine.Begin(ctx, now, request)
}

func (r resolved) parameters() map[string]string {
	places := ""
	for _, place := range r.asset.URLs {
		if len(places)+len(place) < maxPlaces && !strings.Contains(place, "\n") {
			places += place + "\n"
		}
	}
	return map[string]string{
		paramSigner:   r.art.GetSpec().GetSigner(),
		paramRegistry: r.registry, paramPlaces: places, paramMaxSize: strconv.FormatInt(r.asset.Commitment.RootMaxSize, 10),
		paramSighash: base64.RawStdEncoding.EncodeToString(r.asset.Commitment.RootSighash[:]),
	}
}

// listedOf reads back what parameters wrote.
func listedOf(r *operation.Run) (registry.Asset, error) {
	hash, err := base64.RawStdEncoding.DecodeString(r.Param(paramSighash))
	if err != nil || len(hash) != len(merkle.Hash{}) {
		return registry.Asset{}, fmt.Errorf("cannot read which file operation %s is about", r.ID())
	}
	size, err := strconv.ParseInt(r.Param(paramMaxSize), 10, 64)
	a := registry.Asset{URLs: strings.Fields(r.Param(paramPlaces)), Commitment: s9pk.Commitment{RootSighash: merkle.Hash(hash), RootMaxSize: size}}
	if signer := r.Param(paramSigner); signer != "" {
		a.Signatures = map[string]string{signer: ""} // it was verified when the operation began
	}
	return a, err
}

// dropDownload forgets what has arrived.
func (s *Service) dropDownload(_ context.Context, r *operation.Run) error { return s.discard(r) }

// download fetches the file that a registry listed; for an upload there is nothing to do.
func (s *Service) download(ctx context.Context, r *operation.Run) error {
	id := r.Param(paramRegistry)
	if id == "" {
		return nil
	}
	asset, err := listedOf(r)
	if err != nil {
		return err
	}
	return s.artifacts.Receive(r.ID(), func(f *os.File) error {
		return s.sources.Download(ctx, id, asset, f, func(done, total uint64) {
			r.Progress(done, total, "bytes", "fetching the package file")
		})
	})
}
