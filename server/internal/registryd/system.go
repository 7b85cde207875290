package registryd

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"slices"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const maxAssets = 64 // of a version of the system

// systemOf is a version of the system in the form of the protocol.
func systemOf(spec *registryv1.RegistryOSVersionSpec) *registry.OSVersion {
	out := &registry.OSVersion{
		Headline: spec.GetHeadline(), ReleaseNotes: spec.GetReleaseNotes(), Authorized: spec.GetAuthorized(),
		ISO: map[string]registry.OSAsset{}, IMG: map[string]registry.OSAsset{}, Squashfs: map[string]registry.OSAsset{},
	}
	if out.Authorized == nil {
		out.Authorized = []string{}
	}
	out.SourceVersion, _ = exver.ParseRange(spec.GetSourceRange()) // checked when it was entered
	for _, a := range spec.GetAssets() {
		asset := registry.OSAsset{
			PublishedAt: a.GetPublishTime().AsTime(), URLs: a.GetUrls(), Signatures: SignaturesOf(a.GetSignatures()),
			Commitment: registry.FileCommitment{Hash: base64.RawStdEncoding.EncodeToString(a.GetCommitment().GetHash()), Size: a.GetCommitment().GetSize()},
		}
		switch a.GetKind() {
		case registryv1.OSAssetKind_OS_ASSET_KIND_ISO:
			out.ISO[a.GetPlatform()] = asset
		case registryv1.OSAssetKind_OS_ASSET_KIND_IMG:
			out.IMG[a.GetPlatform()] = asset
		case registryv1.OSAssetKind_OS_ASSET_KIND_SQUASHFS:
			out.Squashfs[a.GetPlatform()] = asset
		}
	}
	return out
}

// SystemQuestion is which versions of the system will do.
type SystemQuestion struct {
	Target   *exver.Range
	Source   *exver.Plain
	Platform string // for which there must be an image to update to
}

// System finds versions of the system, by version.
func (s *Service) System(q SystemQuestion) map[string]*registryv1.RegistryOSVersion {
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	found := map[string]*registryv1.RegistryOSVersion{}
	for name, row := range s.catalog.system {
		v, err := exver.ParsePlain(name)
		if err != nil {
			continue
		}
		source, _ := exver.ParseRange(row.GetSpec().GetSourceRange())
		updates := func(a *registryv1.OSAsset) bool {
			return a.GetKind() == registryv1.OSAssetKind_OS_ASSET_KIND_SQUASHFS && a.GetPlatform() == q.Platform
		}
		if q.Target != nil && !v.Satisfies(*q.Target) || q.Source != nil && !q.Source.Satisfies(source) ||
			q.Platform != "" && !slices.ContainsFunc(row.GetSpec().GetAssets(), updates) {
			continue
		}
		found[name] = row
	}
	return found
}

// SystemOf is the row of a version in the form of the protocol.
func SystemOf(row *registryv1.RegistryOSVersion) *registry.OSVersion { return systemOf(row.GetSpec()) }

// AddOSVersion adds a version of the system or changes what is said of it. Whoever does it may publish its images.
func (s *Service) AddOSVersion(ctx context.Context, who Who, version, headline, notes string, source exver.Range) error {
	v, err := exver.ParsePlain(version)
	if err != nil {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the version: %w", err)
	}
	return s.change(ctx, who, "add system "+version, func(tx *store.Tx, _ func(string)) error {
		row, err := systemRow(tx, v)
		if fault.Is(err, metav1.Reason_REASON_LISTING_NOT_FOUND) {
			id, err := ids.Escape(v.String())
			if err != nil {
				return err
			}
			row = &registryv1.RegistryOSVersion{Meta: &metav1.Meta{Id: id}, Spec: &registryv1.RegistryOSVersionSpec{Version: v.String()}}
		} else if err != nil {
			return err
		}
		row.Spec.Headline, row.Spec.ReleaseNotes, row.Spec.SourceRange = headline, notes, source.String()
		if who.Signer != "" && !slices.Contains(row.Spec.Authorized, who.Signer) {
			row.Spec.Authorized = append(row.Spec.Authorized, who.Signer)
		}
		return store.Put(tx, row)
	})
}

func systemRow(tx *store.Tx, v exver.Plain) (*registryv1.RegistryOSVersion, error) {
	id, err := ids.Escape(v.String())
	if err != nil {
		return nil, err
	}
	row, ok, err := store.Lookup[*registryv1.RegistryOSVersion](tx, id)
	if err == nil && !ok {
		err = notListed("there is no version %s of the system", v)
	}
	return row, err
}

// changeSystem changes a version of the system that is there.
func (s *Service) changeSystem(ctx context.Context, who Who, version string, fn func(tx *store.Tx, spec *registryv1.RegistryOSVersionSpec) error) (after *registryv1.RegistryOSVersion, err error) {
	v, err := exver.ParsePlain(version)
	if err != nil {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the version: %w", err)
	}
	return after, s.change(ctx, who, "system "+version, func(tx *store.Tx, _ func(string)) error {
		row, err := systemRow(tx, v)
		if err != nil {
			return err
		}
		if err := fn(tx, row.Spec); err != nil {
			return err
		}
		after = row
		return store.Put(tx, row)
	})
}

// DeleteOSVersion takes a version of the system out.
func (s *Service) DeleteOSVersion(ctx context.Context, who Who, version string) error {
	v, err := exver.ParsePlain(version)
	if err != nil {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the version: %w", err)
	}
	return s.change(ctx, who, "remove system "+version, func(tx *store.Tx, _ func(string)) error {
		row, err := systemRow(tx, v)
		if err != nil {
			return err
		}
		return store.Delete[*registryv1.RegistryOSVersion](tx, row.GetMeta().GetId())
	})
}

// SetOSSigner lets a signer publish the images of a version, or ends that.
func (s *Service) SetOSSigner(ctx context.Context, who Who, version, signer string, may bool) error {
	_, err := s.changeSystem(ctx, who, version, func(tx *store.Tx, spec *registryv1.RegistryOSVersionSpec) error {
		if _, err := signerRow(tx, signer); err != nil {
			return err
		}
		spec.Authorized = slices.DeleteFunc(spec.Authorized, func(have string) bool { return have == signer })
		if may {
			spec.Authorized = append(spec.Authorized, signer)
		}
		return nil
	})
	return err
}

// SystemFile is an image that a signer speaks of.
type SystemFile struct {
	Version, Platform string
	Kind              registryv1.OSAssetKind
	URL               string
	Commitment        *registryv1.FileCommitment
	Signature         sign.Signature
}

func systemMessage(c *registryv1.FileCommitment) []byte {
	return binary.BigEndian.AppendUint64(slices.Clone(c.GetHash()), c.GetSize())
}

func checkSystemSignature(who Who, c *registryv1.FileCommitment, signature sign.Signature) error {
	if len(c.GetHash()) != 32 {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use a hash of %d bytes", len(c.GetHash()))
	}
	if who.Key.Verify(sign.ContextOS, systemMessage(c), signature) != nil {
		return fault.New(metav1.Reason_REASON_OFFER_SIGNATURE, "cannot list the image: the signature over it does not verify")
	}
	return nil
}

func mayPublish(who Who, spec *registryv1.RegistryOSVersionSpec) error {
	if !who.Admin && !slices.Contains(spec.GetAuthorized(), who.Signer) {
		return notAllowed("%s may not publish images of %s", who.Name, spec.GetVersion())
	}
	return nil
}

func findAsset(spec *registryv1.RegistryOSVersionSpec, f SystemFile) *registryv1.OSAsset {
	for _, a := range spec.GetAssets() {
		if a.GetKind() == f.Kind && a.GetPlatform() == f.Platform {
			return a
		}
	}
	return nil
}

// AddOSAsset lists an image, or a further place of one that is listed. Its bytes are not fetched: whoever updates by it
// hashes them.
func (s *Service) AddOSAsset(ctx context.Context, who Who, f SystemFile) (*registryv1.RegistryOSVersion, error) {
	if err := checkSystemSignature(who, f.Commitment, f.Signature); err != nil {
		return nil, err
	}
	now := timestamppb.New(s.opt.Clock())
	return s.changeSystem(ctx, who, f.Version, func(_ *store.Tx, spec *registryv1.RegistryOSVersionSpec) error {
		if err := mayPublish(who, spec); err != nil {
			return err
		}
		a := findAsset(spec, f)
		switch {
		case a == nil && len(spec.Assets) >= maxAssets:
			return fault.New(metav1.Reason_REASON_TOO_MANY, "cannot list more than %d images of a version", maxAssets)
		case a == nil:
			a = &registryv1.OSAsset{Kind: f.Kind, Platform: f.Platform, Commitment: f.Commitment, PublishTime: now}
			spec.Assets = append(spec.Assets, a)
		case !proto.Equal(a.GetCommitment(), f.Commitment):
			return fault.New(metav1.Reason_REASON_LISTING_CONFLICT, "cannot list another image in the place of one that is listed; take that out first")
		}
		if !slices.Contains(a.Urls, f.URL) {
			a.Urls = append(a.Urls, f.URL)
		}
		if len(a.Urls) > maxMirrors {
			return fault.New(metav1.Reason_REASON_TOO_MANY, "cannot list more than %d places of an image", maxMirrors)
		}
		a.Signatures = withSignature(a.Signatures, who.Key, f.Signature)
		return nil
	})
}

func withSignature(list []*registryv1.Signature, key sign.PublicKey, signature sign.Signature) []*registryv1.Signature {
	if slices.ContainsFunc(list, func(have *registryv1.Signature) bool { return sign.PublicKey(have.GetKey()) == key }) {
		return list
	}
	return append(list, &registryv1.Signature{Key: key[:], Signature: signature[:]})
}

// SignOSAsset adds a signature to an image. That somebody administers the registry is not enough.
func (s *Service) SignOSAsset(ctx context.Context, who Who, f SystemFile) (*registryv1.RegistryOSVersion, error) {
	return s.changeSystem(ctx, who, f.Version, func(_ *store.Tx, spec *registryv1.RegistryOSVersionSpec) error {
		if !slices.Contains(spec.GetAuthorized(), who.Signer) {
			return notAllowed("%s may not sign images of %s", who.Name, spec.GetVersion())
		}
		a := findAsset(spec, f)
		if a == nil {
			return notListed("there is no such image of %s", spec.GetVersion())
		}
		if err := checkSystemSignature(who, a.GetCommitment(), f.Signature); err != nil {
			return err
		}
		a.Signatures = withSignature(a.Signatures, who.Key, f.Signature)
		return nil
	})
}

// DeleteOSAsset takes an image out.
func (s *Service) DeleteOSAsset(ctx context.Context, who Who, f SystemFile) error {
	_, err := s.changeSystem(ctx, who, f.Version, func(_ *store.Tx, spec *registryv1.RegistryOSVersionSpec) error {
		if err := mayPublish(who, spec); err != nil {
			return err
		}
		if findAsset(spec, f) == nil {
			return notListed("there is no such image of %s", spec.GetVersion())
		}
		spec.Assets = slices.DeleteFunc(spec.Assets, func(a *registryv1.OSAsset) bool { return a.GetKind() == f.Kind && a.GetPlatform() == f.Platform })
		return nil
	})
	return err
}
