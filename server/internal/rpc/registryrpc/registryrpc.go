// Package registryrpc answers hearth.registry.v1, the services of the program hearth-registry. Publishers and
// administrators sign their requests (api/httpsig); which key is whose the registry knows.
package registryrpc

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

// window is how far the clocks of both sides may be apart, and how long requests are remembered.
const (
	window      = 30 * time.Second
	maxRequests = 1 << 16
)

// Keys tells who signs a request by the signers of the registry: they are operators, administrators are admins. Each
// request passes once; what was signed before the start is refused, since nobody remembers whether it passed.
type Keys struct {
	service *registryd.Service
	start   time.Time

	mu    sync.Mutex // guards the rest
	seen  map[string]*httpsig.Request
	queue []string // of seen, as they came
}

// NewKeys returns the authenticator of a registry that starts now.
func NewKeys(service *registryd.Service) *Keys {
	return &Keys{service: service, start: service.Now(), seen: map[string]*httpsig.Request{}}
}

// Authenticate implements access.Authenticator.
func (k *Keys) Authenticate(_ context.Context, c access.Credential, from string) (access.Identity, error) {
	denied := fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept the credential: requests are signed with the key of a signer of the registry")
	if c.Signed == nil {
		return access.Identity{}, denied
	}
	key, who, ok := k.signer(c.Signed.KeyID)
	if !ok {
		return access.Identity{}, denied
	}
	id := access.Identity{Kind: access.Key, ID: key.PEM(), Account: who.Signer, Role: optionsv1.Role_ROLE_OPERATOR, Proven: c.Signed.Created}
	if who.Admin {
		id.Role = optionsv1.Role_ROLE_ADMIN
	}
	if from == "" {
		return id, nil
	}
	if c.Signed.Verify(key) != nil {
		return access.Identity{}, denied
	}
	return id, k.accept(c.Signed)
}

// signer finds the key of an id.
func (k *Keys) signer(id string) (sign.PublicKey, registryd.Who, bool) {
	for _, row := range k.service.Signers() {
		for _, raw := range row.GetSpec().GetKeys() {
			if key := sign.PublicKey(raw); httpsig.KeyID(key) == id {
				who, ok := k.service.Identify(key)
				return key, who, ok
			}
		}
	}
	return sign.PublicKey{}, registryd.Who{}, false
}

// accept lets a request in once; the same one may carry several calls.
func (k *Keys) accept(r *httpsig.Request) error {
	now := k.service.Now()
	if d := now.Sub(r.Created); d > window || d < -window || r.Created.Before(k.start.Truncate(time.Second)) {
		return fault.New(metav1.Reason_REASON_SIGNATURE_TIME, "cannot accept the signature: it was made at another time than now").
			With("server_time", now.UTC().Format(time.RFC3339Nano)).RetryAfter(time.Second)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.queue) > 0 && now.Sub(k.seen[k.queue[0]].Created) > 2*window {
		delete(k.seen, k.queue[0])
		k.queue = k.queue[1:]
	}
	id := r.KeyID + " " + r.Nonce
	switch before := k.seen[id]; {
	case before == r:
		return nil
	case before != nil:
		return fault.New(metav1.Reason_REASON_SIGNATURE_REPLAYED, "cannot accept the signature: the request was made before")
	case len(k.queue) >= maxRequests:
		return fault.New(metav1.Reason_REASON_RATE_LIMITED, "cannot accept more signed requests now").RetryAfter(window)
	}
	k.seen[id] = r
	k.queue = append(k.queue, id)
	return nil
}

// who is the signer who calls.
func who(ctx context.Context, s *registryd.Service) (registryd.Who, error) {
	c := rpc.CallFrom(ctx)
	if c == nil {
		return registryd.Who{}, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot tell who calls")
	}
	key, err := sign.ParsePublicKey(c.Caller.Identity.ID)
	if err == nil {
		if who, ok := s.Identify(key); ok {
			return who, nil
		}
	}
	return registryd.Who{}, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot do this but with the key of a signer")
}

func invalid(field string, err error) error {
	return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read %s: %w", field, err).Violation(field, err.Error())
}

func rangeOf(field, text string) (*exver.Range, error) {
	if text == "" {
		return nil, nil
	}
	r, err := exver.ParseRange(text)
	if err != nil {
		return nil, invalid(field, err)
	}
	return &r, nil
}

// Catalog answers CatalogService.
type Catalog struct {
	registryv1.UnsafeCatalogServiceServer
	service *registryd.Service
}

// NewCatalog returns it.
func NewCatalog(s *registryd.Service) *Catalog { return &Catalog{service: s} }

func icon(digest string) string {
	if digest == "" {
		return ""
	}
	return "/icons/" + digest
}

// GetInfo implements CatalogServiceServer.
func (s *Catalog) GetInfo(_ context.Context, req *registryv1.GetInfoRequest) (*registryv1.GetInfoResponse, error) {
	identity := s.service.Identity()
	resp := &registryv1.GetInfoResponse{Name: identity.GetName(), Icon: icon(identity.GetIcon())}
	all := s.service.Categories()
	for _, id := range sorted(all) {
		resp.Categories = append(resp.Categories, &registryv1.Category{Id: id, Name: all[id].Name.In(req.GetLanguage())})
	}
	return resp, nil
}

// question is which versions will do for a device.
func question(d *registryv1.Device, language string) (registry.Question, error) {
	if d == nil {
		return registry.Question{}, nil
	}
	compat, err := rangeOf("device.os_compat", d.GetOsCompat())
	if err != nil {
		return registry.Question{}, err
	}
	out := &registry.Device{Compat: exver.Any(), Language: language, Hardware: &registry.HardwareInfo{Arch: d.GetArchitecture(), RAM: d.GetRam()}}
	if compat != nil {
		out.Compat = *compat
	}
	return registry.Question{Device: out}, nil
}

// ListPackages implements CatalogServiceServer.
func (s *Catalog) ListPackages(_ context.Context, req *registryv1.ListPackagesRequest) (*registryv1.ListPackagesResponse, error) {
	q, err := question(req.GetDevice(), req.GetLanguage())
	if err != nil {
		return nil, err
	}
	after, err := rpc.PageAfter(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	limit := int(req.GetPageSize())
	if limit == 0 {
		limit = 50
	}
	found, total := s.service.List(registryd.Filter{Question: q, Query: req.GetQuery(), Category: req.GetCategory(), After: after, Limit: limit + 1})
	resp := &registryv1.ListPackagesResponse{Total: int32(min(total, 1<<30))}
	if len(found) > limit {
		found = found[:limit]
		resp.NextPageToken = rpc.PageToken(found[limit-1].ID)
	}
	for _, f := range found {
		resp.Packages = append(resp.Packages, s.listing(f, req.GetLanguage()))
	}
	return resp, nil
}

// GetPackage implements CatalogServiceServer.
func (s *Catalog) GetPackage(_ context.Context, req *registryv1.GetPackageRequest) (*registryv1.GetPackageResponse, error) {
	q, err := question(req.GetDevice(), req.GetLanguage())
	if err != nil {
		return nil, err
	}
	if q.Target, err = rangeOf("target", req.GetTarget()); err != nil {
		return nil, err
	}
	if req.GetSource() != "" {
		source, err := exver.Parse(req.GetSource())
		if err != nil {
			return nil, invalid("source", err)
		}
		q.Source = &source
	}
	found, there := s.service.Get(req.GetPackageId(), q)
	if !there {
		return nil, fault.New(metav1.Reason_REASON_LISTING_NOT_FOUND, "there is no package %q", req.GetPackageId()).With("package", req.GetPackageId())
	}
	return &registryv1.GetPackageResponse{Package: s.listing(found, req.GetLanguage())}, nil
}

// listing is what was found, in one language.
func (s *Catalog) listing(f registryd.Found, language string) *registryv1.Listing {
	l := &registryv1.Listing{PackageId: f.ID, Categories: f.Categories}
	for _, c := range f.Best {
		l.Best = append(l.Best, versionOf(s.service, f.ID, c.Version, f.Row(c), language))
	}
	for _, c := range f.Others {
		l.OtherVersions = append(l.OtherVersions, &registryv1.OtherVersion{Version: c.Exver.String(), ReleaseNotes: c.Version.ReleaseNotes.In(language)})
	}
	return l
}

// versionOf is a version in one language, with those of its files that v has.
func versionOf(s *registryd.Service, id string, v *registry.Version, row *registryv1.RegistryVersionSpec, language string) *registryv1.Version {
	out := &registryv1.Version{
		PackageId: id, Version: row.GetVersion(), Title: v.Title, ShortDescription: v.Description.Short.In(language), LongDescription: v.Description.Long.In(language),
		ReleaseNotes: v.ReleaseNotes.In(language), License: v.License, PackageRepo: v.PackageRepo, UpstreamRepo: v.UpstreamRepo,
		MarketingUrl: text(v.MarketingURL), DonationUrl: text(v.DonationURL), OsVersion: v.OSVersion.String(), Icon: icon(row.GetIcon()), SourceRange: row.GetSourceRange(),
	}
	for _, d := range row.GetDependencies() {
		shown := v.DependencyMetadata[packageID(d.GetPackageId())]
		one := &registryv1.VersionDependency{PackageId: d.GetPackageId(), Optional: d.GetOptional()}
		if shown.Title != nil {
			one.Title = shown.Title.In(language)
		}
		if shown.Description != nil {
			one.Description = shown.Description.In(language)
		}
		out.Dependencies = append(out.Dependencies, one)
	}
	for _, f := range v.Files {
		for _, r := range row.GetFiles() {
			if string(r.GetCommitment().GetRootSighash()) == string(f.Asset.Commitment.RootSighash[:]) {
				out.Files = append(out.Files, fileOf(s, f, r))
			}
		}
	}
	return out
}

func fileOf(s *registryd.Service, f registry.File, row *registryv1.RegistryFile) *registryv1.VersionFile {
	out := &registryv1.VersionFile{
		Architectures: f.Hardware.Arch, Urls: s.URLs(row), Commitment: row.GetCommitment(), Size: row.GetSize(), Signatures: row.GetSignatures(), PublishTime: row.GetPublishTime(),
	}
	if f.Hardware.RAM != nil {
		out.Ram = *f.Hardware.RAM
	}
	for _, d := range f.Hardware.Device {
		out.Devices = append(out.Devices, d.Description)
	}
	return out
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// ListPackageSigners implements CatalogServiceServer.
func (s *Catalog) ListPackageSigners(_ context.Context, req *registryv1.ListPackageSignersRequest) (*registryv1.ListPackageSignersResponse, error) {
	authorized, there := s.service.Authorized(req.GetPackageId())
	if !there {
		return nil, fault.New(metav1.Reason_REASON_LISTING_NOT_FOUND, "there is no package %q", req.GetPackageId()).With("package", req.GetPackageId())
	}
	rows, resp := s.service.Signers(), &registryv1.ListPackageSignersResponse{}
	for _, id := range sorted(authorized) {
		resp.Signers = append(resp.Signers, &registryv1.Authorization{Signer: rows[id], Versions: authorized[id].String()})
	}
	return resp, nil
}

// ListOSVersions implements CatalogServiceServer.
func (s *Catalog) ListOSVersions(_ context.Context, req *registryv1.ListOSVersionsRequest) (*registryv1.ListOSVersionsResponse, error) {
	q := registryd.SystemQuestion{Platform: req.GetPlatform()}
	var err error
	if q.Target, err = rangeOf("target", req.GetTarget()); err != nil {
		return nil, err
	}
	if req.GetSource() != "" {
		source, err := exver.ParsePlain(req.GetSource())
		if err != nil {
			return nil, invalid("source", err)
		}
		q.Source = &source
	}
	rows, resp := s.service.System(q), &registryv1.ListOSVersionsResponse{}
	for _, version := range sorted(rows) {
		resp.Versions = append(resp.Versions, rows[version])
	}
	return resp, nil
}

// nameOf is a text by language as the rows have it.
func nameOf(texts map[string]string) (json.RawMessage, error) {
	if one, only := texts[""]; only {
		return json.Marshal(one)
	}
	return json.Marshal(texts)
}
