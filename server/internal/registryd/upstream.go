package registryd

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/inbox"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	syncEvery    = time.Hour
	maxUpstreams = 64
	maxRefusals  = 50
	maxListed    = 20_000 // files that are looked at in one go
	maxRefusal   = 400    // bytes of a reason
)

// AddUpstream has the registry list and keep the packages of another one. Of one that is there it changes what is taken.
func (s *Service) AddUpstream(ctx context.Context, who Who, spec *registryv1.RegistryUpstreamSpec) (row *registryv1.RegistryUpstream, err error) {
	u, err := registry.ParseURL(spec.GetUrl())
	if err != nil {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the other registry: %s", err).Violation("url", err.Error())
	}
	if _, err := wantedVersions(spec); err != nil {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the range of versions: %s", err).Violation("versions", err.Error())
	}
	for _, id := range spec.GetPackages() {
		if _, err := ids.ParseNewPackage(id); err != nil {
			return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the id of a package: %s", err).Violation("packages", err.Error())
		}
	}
	spec.Url = u.String()
	if spec.Url == s.opt.URL {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot take packages of this registry itself").Violation("url", "is the address of this registry")
	}
	err = s.change(ctx, who, "upstream "+spec.GetUrl(), func(tx *store.Tx, _ func(string)) error {
		all, err := store.IDs[*registryv1.RegistryUpstream](tx, "")
		if err != nil {
			return err
		}
		var there bool
		id := upstreamID(spec.GetUrl())
		if row, there, err = store.Lookup[*registryv1.RegistryUpstream](tx, id); err != nil {
			return err
		}
		if !there {
			if len(all) >= maxUpstreams {
				return fault.New(metav1.Reason_REASON_TOO_MANY, "cannot take packages of more than %d registries", maxUpstreams)
			}
			row = &registryv1.RegistryUpstream{Meta: &metav1.Meta{Id: id}}
		}
		row.Spec = spec
		return store.Put(tx, row)
	})
	if err == nil {
		s.wakeUpstreams()
	}
	return row, err
}

// upstreamID is the id of the registry at an address.
func upstreamID(url string) string {
	sum := sha256.Sum256([]byte(url))
	return hex.EncodeToString(sum[:8])
}

func wantedVersions(spec *registryv1.RegistryUpstreamSpec) (exver.Range, error) {
	if spec.GetVersions() == "" {
		return exver.Any(), nil
	}
	return exver.ParseRange(spec.GetVersions())
}

func (s *Service) wakeUpstreams() {
	select {
	case s.upstreams <- struct{}{}:
	default:
	}
}

// Upstreams are the registries whose packages this one takes.
func (s *Service) Upstreams() (rows []*registryv1.RegistryUpstream, err error) {
	if s.follower != nil {
		return nil, s.follower.refusal()
	}
	return rows, s.store.View(func(tx *store.Tx) error {
		rows, err = store.List[*registryv1.RegistryUpstream](tx, "")
		return err
	})
}

// DeleteUpstream ends that packages are taken of a registry. What is listed from there is published here from now on.
func (s *Service) DeleteUpstream(ctx context.Context, who Who, id string) error {
	return s.change(ctx, who, "remove upstream "+id, func(tx *store.Tx, touch func(string)) error {
		if _, err := upstreamRow(tx, id); err != nil {
			return err
		}
		packages, err := store.List[*registryv1.RegistryPackage](tx, "")
		if err != nil {
			return err
		}
		for _, p := range packages {
			if p.GetSpec().GetUpstream() != id {
				continue
			}
			p.Spec.Upstream = ""
			touch(p.GetMeta().GetId())
			if err := store.Put(tx, p); err != nil {
				return err
			}
		}
		return store.Delete[*registryv1.RegistryUpstream](tx, id)
	})
}

func upstreamRow(tx *store.Tx, id string) (*registryv1.RegistryUpstream, error) {
	row, ok, err := store.Lookup[*registryv1.RegistryUpstream](tx, id)
	if err == nil && !ok {
		err = notListed("no packages are taken of a registry %q", id)
	}
	return row, err
}

// syncUpstreams looks into the other registries by the hour, and when one was added, until ctx ends.
func (s *Service) syncUpstreams(ctx context.Context) {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		rows, err := s.Upstreams()
		if err != nil {
			s.opt.Log.Warn("cannot read which packages are taken of other registries", "error", err)
		}
		for _, row := range rows {
			if s.opt.Clock().Sub(row.GetStatus().GetSyncTime().AsTime()) < syncEvery && row.GetMeta().GetGeneration() == row.GetStatus().GetGeneration() {
				continue
			}
			if _, err := s.SyncUpstream(ctx, row.GetMeta().GetId()); err != nil && ctx.Err() == nil {
				s.opt.Log.Warn("cannot take the packages of another registry", "url", row.GetSpec().GetUrl(), "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.upstreams:
		}
	}
}

// SyncUpstream lists what another registry has and this one has not, once every byte of it lies here and was hashed. What cannot be
// taken is told and keeps nothing else.
func (s *Service) SyncUpstream(ctx context.Context, id string) (row *registryv1.RegistryUpstream, err error) {
	if err := s.writable(); err != nil {
		return nil, err
	}
	select {
	case s.syncing <- struct{}{}: // one at a time: each fills the disk and the line
		defer func() { <-s.syncing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err = s.store.View(func(tx *store.Tx) error {
		row, err = upstreamRow(tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	run := &upstreamRun{service: s, row: row}
	failed := run.all(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	_, err = s.store.Update(ctx, s.opt.Clock(), func(tx *store.Tx) error {
		now, err := upstreamRow(tx, id)
		if err != nil {
			return err
		}
		status := &registryv1.RegistryUpstreamStatus{SyncTime: now.GetStatus().GetSyncTime(), Files: run.files, Refusals: run.refusals, Generation: row.GetMeta().GetGeneration()}
		if failed != nil {
			status.Error = fault.Cut(fault.Proto(failed).GetMessage(), maxRefusal)
		} else {
			status.SyncTime = timestamppb.New(s.opt.Clock())
		}
		now.Status = status
		row = now
		return store.Put(tx, now)
	})
	return row, err
}

// upstreamRun is one look into another registry.
type upstreamRun struct {
	service  *Service
	row      *registryv1.RegistryUpstream
	versions exver.Range
	seen     int
	files    uint32
	refusals []*registryv1.UpstreamRefusal
}

func (u *upstreamRun) all(ctx context.Context) error {
	var err error
	if u.versions, err = wantedVersions(u.row.GetSpec()); err != nil {
		return err
	}
	client, err := registry.NewClient(u.row.GetSpec().GetUrl(), registry.Options{Transport: u.service.opt.Transport, Timeout: 10 * time.Minute})
	if err != nil {
		return err
	}
	wanted := u.row.GetSpec().GetPackages()
	if len(wanted) == 0 {
		err := client.All(ctx, func(id string, _ registry.Listing) error {
			if len(wanted) == maxListed {
				return fmt.Errorf("it has more than %d packages", maxListed)
			}
			wanted = append(wanted, id)
			return nil
		})
		if err != nil {
			return upstreamFailed(err)
		}
		slices.Sort(wanted)
	}
	for _, id := range wanted {
		if err := u.one(ctx, client, id); err != nil {
			return err
		}
	}
	return nil
}

func upstreamFailed(err error) error {
	return fault.New(metav1.Reason_REASON_DOWNLOAD_FAILED, "cannot read what the other registry lists: %s", err)
}

// one takes the versions of a package, the newest first.
func (u *upstreamRun) one(ctx context.Context, client *registry.Client, id string) error {
	detail := registry.DetailFull
	l, err := client.Get(ctx, registry.GetParams{ID: &id, OtherVersions: &detail})
	if err != nil {
		return upstreamFailed(err)
	}
	all, err := l.All()
	if err != nil {
		return upstreamFailed(err)
	}
	for _, c := range registry.Candidates(all) {
		if !c.Exver.Satisfies(u.versions) {
			continue
		}
		for _, f := range c.Version.Files {
			if u.seen++; u.seen > maxListed {
				return fault.New(metav1.Reason_REASON_TOO_MANY, "cannot take more than %d files of one registry", maxListed)
			}
			err := u.file(ctx, id, c, f)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil {
				u.files++
				continue
			}
			if fault.Is(err, metav1.Reason_REASON_REGISTRY_STORAGE) || fault.Is(err, metav1.Reason_REASON_DISK_FULL) || fault.Is(err, metav1.Reason_REASON_REGISTRY_STORAGE_OTHER) {
				return err // nothing more will fit either
			}
			if len(u.refusals) < maxRefusals {
				u.refusals = append(u.refusals, &registryv1.UpstreamRefusal{
					PackageId: fault.Cut(id, 63), Version: fault.Cut(c.Exver.String(), 100), Message: fault.Cut(cmp.Or(fault.Proto(err).GetMessage(), "it cannot be taken"), maxRefusal),
				})
			}
		}
	}
	return nil
}

// file takes one file, which is listed with the signatures that it has there.
func (u *upstreamRun) file(ctx context.Context, id string, c registry.Candidate, f registry.File) error {
	s, upstream := u.service, u.row.GetMeta().GetId()
	if _, err := ids.ParseNewPackage(id); err != nil {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot take the package: %s", err)
	}
	e := s.catalog.get(id)
	if e != nil && e.row.GetUpstream() != upstream {
		return notUpstream(id, upstream, e.row.GetUpstream())
	}
	if e != nil && e.has(c.Exver, f) {
		return nil
	}
	if _, err := f.Asset.Verify(); err != nil || len(f.Asset.Signatures) > maxFiles {
		return fault.New(metav1.Reason_REASON_OFFER_SIGNATURE, "cannot trust what the other registry lists: its signatures do not verify")
	}
	upload, err := s.bring(ctx, f.Asset.URLs)
	if err != nil {
		return err
	}
	defer upload.Close()
	defer upload.Drop()
	inspected, err := inspect(ctx, upload, upload.Size(), true, f.Asset.Commitment, func(pkg string, v exver.Version) error {
		if pkg != id || !v.Equal(c.Exver) {
			return fault.New(metav1.Reason_REASON_OFFER_MISMATCH, "cannot take the file: it is %s %s", pkg, v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	spec, err := s.specOf(ctx, inspected, f.Asset)
	if err != nil {
		return err
	}
	if c.Version.SourceVersion != nil {
		spec.SourceRange = c.Version.SourceVersion.String()
	}
	if err := s.files.keep(ctx, upload, f.Asset.Commitment.Name()); err != nil {
		return err
	}
	_, _, err = s.list(ctx, Who{Name: u.row.GetSpec().GetUrl()}, inspected, spec, upstream)
	return err
}

// notUpstream refuses a package that comes from elsewhere.
func notUpstream(id, want, have string) error {
	if have == "" {
		return fault.New(metav1.Reason_REASON_LISTING_CONFLICT, "cannot take %s of another registry: it is published here", id).With("package", id)
	}
	if want == "" {
		return fault.New(metav1.Reason_REASON_LISTING_CONFLICT, "cannot publish %s here: it is taken of another registry (%s)", id, have).With("package", id)
	}
	return fault.New(metav1.Reason_REASON_LISTING_CONFLICT, "cannot take %s of two registries", id).With("package", id)
}

// has tells whether a version has a file, and the registry keeps it.
func (e *entry) has(v exver.Version, f registry.File) bool {
	for _, c := range e.versions {
		if !c.Exver.Equal(v) {
			continue
		}
		return slices.ContainsFunc(e.rowOf(c.Version).GetFiles(), func(row *registryv1.RegistryFile) bool {
			return row.GetKept() && commitmentOf(row.GetCommitment()) == f.Asset.Commitment
		})
	}
	return false
}

// specOf makes the row of a version from a file and what another registry tells of it.
func (s *Service) specOf(ctx context.Context, i *Inspected, a registry.Asset) (*registryv1.RegistryVersionSpec, error) {
	file := &registryv1.RegistryFile{
		Size: i.Size, PublishTime: timestamppb.New(a.PublishedAt), Kept: true,
		Commitment: &registryv1.Commitment{RootSighash: a.Commitment.RootSighash[:], RootMaxSize: uint64(a.Commitment.RootMaxSize)},
		Signatures: []*registryv1.Signature{{Key: i.Signer[:], Signature: i.Signature[:]}},
	}
	for key, signature := range a.Signatures {
		k, err := sign.ParsePublicKey(key)
		if err != nil {
			return nil, err
		}
		sg, err := sign.ParseSignature(signature)
		if err != nil {
			return nil, err
		}
		addSignature(file, k, sg)
	}
	slices.SortFunc(file.Signatures, func(a, b *registryv1.Signature) int { return strings.Compare(string(a.GetKey()), string(b.GetKey())) })
	return s.spec(ctx, i, file)
}

// bring fetches a file to where uploads arrive, from the first place that gives all of it.
func (s *Service) bring(ctx context.Context, places []string) (*inbox.Upload, error) {
	var failed error
	for _, place := range places[:min(len(places), maxMirrors)] {
		u, err := s.bringFrom(ctx, place)
		if err == nil || ctx.Err() != nil || fault.Is(err, metav1.Reason_REASON_DISK_FULL) {
			return u, err
		}
		failed = err
	}
	if failed == nil {
		failed = errors.New("it lies nowhere")
	}
	return nil, fault.New(metav1.Reason_REASON_DOWNLOAD_FAILED, "cannot fetch the file: %s", failed)
}

func (s *Service) bringFrom(ctx context.Context, place string) (*inbox.Upload, error) {
	file, err := fetch.Open(ctx, place, fetch.Options{Transport: s.opt.Transport})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if !file.Known() || file.Size() <= 0 {
		return nil, errors.New("the server does not say how long the file is")
	}
	ticket, err := s.files.Upload(uint64(file.Size()))
	if err != nil {
		return nil, err
	}
	u, err := s.files.OpenUpload(ticket)
	if err != nil {
		return nil, err
	}
	if _, err = u.Append(io.NewSectionReader(file, 0, file.Size())); err == nil {
		err = u.Whole()
	}
	if err != nil {
		return nil, errors.Join(err, u.Drop(), u.Close())
	}
	return u, nil
}
