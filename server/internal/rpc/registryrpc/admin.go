package registryrpc

import (
	"context"
	"encoding/json"

	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/registryd"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// Admin answers RegistryAdminService.
type Admin struct {
	registryv1.UnsafeRegistryAdminServiceServer
	service *registryd.Service
}

// NewAdmin returns it.
func NewAdmin(s *registryd.Service) *Admin { return &Admin{service: s} }

// ListSigners implements RegistryAdminServiceServer.
func (s *Admin) ListSigners(_ context.Context, req *registryv1.ListSignersRequest) (*registryv1.ListSignersResponse, error) {
	all := s.service.Signers()
	var rows []*registryv1.RegistrySigner
	for _, id := range sorted(all) {
		rows = append(rows, all[id])
	}
	page, token, err := rpc.Page(rows, 0, 500, req.GetPageToken())
	return &registryv1.ListSignersResponse{Signers: page, NextPageToken: token}, err
}

// ListDownloads implements RegistryAdminServiceServer.
func (s *Admin) ListDownloads(ctx context.Context, req *registryv1.ListDownloadsRequest) (*registryv1.ListDownloadsResponse, error) {
	total, counts, err := s.service.Downloads(ctx, req.GetPackageId(), req.GetAfter(), req.GetBefore())
	return &registryv1.ListDownloadsResponse{Total: total, Counts: counts}, err
}

// SetInfo implements RegistryAdminServiceServer.
func (s *Admin) SetInfo(ctx context.Context, req *registryv1.SetInfoRequest) (*registryv1.SetInfoResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.SetInfoResponse{}, s.service.SetIdentity(ctx, by, req.Name, req.Icon)
}

// AddSigner implements RegistryAdminServiceServer.
func (s *Admin) AddSigner(ctx context.Context, req *registryv1.AddSignerRequest) (*registryv1.AddSignerResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	row, err := s.service.AddSigner(ctx, by, &registryv1.RegistrySignerSpec{Name: req.GetName(), Contacts: req.GetContacts(), Keys: req.GetKeys()})
	if err != nil {
		return nil, err
	}
	return &registryv1.AddSignerResponse{Signer: row}, nil
}

// UpdateSigner implements RegistryAdminServiceServer.
func (s *Admin) UpdateSigner(ctx context.Context, req *registryv1.UpdateSignerRequest) (*registryv1.UpdateSignerResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	row, err := s.service.UpdateSigner(ctx, by, req.GetSigner(), registryd.SignerChange{
		Name: req.Name, AddContacts: req.GetAddContacts(), RemoveContacts: req.GetRemoveContacts(), AddKeys: req.GetAddKeys(), RemoveKeys: req.GetRemoveKeys(),
	})
	if err != nil {
		return nil, err
	}
	return &registryv1.UpdateSignerResponse{Signer: row}, nil
}

// DeleteSigner implements RegistryAdminServiceServer.
func (s *Admin) DeleteSigner(ctx context.Context, req *registryv1.DeleteSignerRequest) (*registryv1.DeleteSignerResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.DeleteSignerResponse{}, s.service.DeleteSigner(ctx, by, req.GetSigner())
}

// AddAdmin implements RegistryAdminServiceServer.
func (s *Admin) AddAdmin(ctx context.Context, req *registryv1.AddAdminRequest) (*registryv1.AddAdminResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.AddAdminResponse{}, s.service.AddAdmin(ctx, by, req.GetSigner())
}

// DeleteAdmin implements RegistryAdminServiceServer.
func (s *Admin) DeleteAdmin(ctx context.Context, req *registryv1.DeleteAdminRequest) (*registryv1.DeleteAdminResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.DeleteAdminResponse{}, s.service.DeleteAdmin(ctx, by, req.GetSigner())
}

// AddPackageSigner implements RegistryAdminServiceServer.
func (s *Admin) AddPackageSigner(ctx context.Context, req *registryv1.AddPackageSignerRequest) (*registryv1.AddPackageSignerResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	versions, err := rangeOf("versions", req.GetVersions())
	if err != nil {
		return nil, err
	}
	if versions == nil {
		all := exver.Any()
		versions = &all
	}
	return &registryv1.AddPackageSignerResponse{}, s.service.AddPackageSigner(ctx, by, req.GetPackageId(), req.GetSigner(), *versions, req.GetMerge())
}

// DeletePackageSigner implements RegistryAdminServiceServer.
func (s *Admin) DeletePackageSigner(ctx context.Context, req *registryv1.DeletePackageSignerRequest) (*registryv1.DeletePackageSignerResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.DeletePackageSignerResponse{}, s.service.DeletePackageSigner(ctx, by, req.GetPackageId(), req.GetSigner())
}

// AddCategory implements RegistryAdminServiceServer.
func (s *Admin) AddCategory(ctx context.Context, req *registryv1.AddCategoryRequest) (*registryv1.AddCategoryResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	raw, err := nameOf(req.GetName())
	if err != nil {
		return nil, err
	}
	var name s9pk.LocaleString
	if err := json.Unmarshal(raw, &name); err != nil {
		return nil, invalid("name", err)
	}
	return &registryv1.AddCategoryResponse{}, s.service.SetCategory(ctx, by, req.GetCategory(), name)
}

// DeleteCategory implements RegistryAdminServiceServer.
func (s *Admin) DeleteCategory(ctx context.Context, req *registryv1.DeleteCategoryRequest) (*registryv1.DeleteCategoryResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.DeleteCategoryResponse{}, s.service.DeleteCategory(ctx, by, req.GetCategory())
}

// AddPackageToCategory implements RegistryAdminServiceServer.
func (s *Admin) AddPackageToCategory(ctx context.Context, req *registryv1.AddPackageToCategoryRequest) (*registryv1.AddPackageToCategoryResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.AddPackageToCategoryResponse{}, s.service.Categorize(ctx, by, req.GetCategory(), req.GetPackageId(), true)
}

// DeletePackageFromCategory implements RegistryAdminServiceServer.
func (s *Admin) DeletePackageFromCategory(ctx context.Context, req *registryv1.DeletePackageFromCategoryRequest) (*registryv1.DeletePackageFromCategoryResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.DeletePackageFromCategoryResponse{}, s.service.Categorize(ctx, by, req.GetCategory(), req.GetPackageId(), false)
}

// AddOSVersion implements RegistryAdminServiceServer.
func (s *Admin) AddOSVersion(ctx context.Context, req *registryv1.AddOSVersionRequest) (*registryv1.AddOSVersionResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	source, err := exver.ParseRange(req.GetSourceRange())
	if err != nil {
		return nil, invalid("source_range", err)
	}
	return &registryv1.AddOSVersionResponse{}, s.service.AddOSVersion(ctx, by, req.GetVersion(), req.GetHeadline(), req.GetReleaseNotes(), source)
}

// DeleteOSVersion implements RegistryAdminServiceServer.
func (s *Admin) DeleteOSVersion(ctx context.Context, req *registryv1.DeleteOSVersionRequest) (*registryv1.DeleteOSVersionResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.DeleteOSVersionResponse{}, s.service.DeleteOSVersion(ctx, by, req.GetVersion())
}

// AddOSSigner implements RegistryAdminServiceServer.
func (s *Admin) AddOSSigner(ctx context.Context, req *registryv1.AddOSSignerRequest) (*registryv1.AddOSSignerResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.AddOSSignerResponse{}, s.service.SetOSSigner(ctx, by, req.GetVersion(), req.GetSigner(), true)
}

// DeleteOSSigner implements RegistryAdminServiceServer.
func (s *Admin) DeleteOSSigner(ctx context.Context, req *registryv1.DeleteOSSignerRequest) (*registryv1.DeleteOSSignerResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.DeleteOSSignerResponse{}, s.service.SetOSSigner(ctx, by, req.GetVersion(), req.GetSigner(), false)
}

// GetUsage implements RegistryAdminServiceServer.
func (s *Admin) GetUsage(ctx context.Context, req *registryv1.GetUsageRequest) (*registryv1.GetUsageResponse, error) {
	return s.service.Usage(ctx, req.GetAfter(), req.GetBefore())
}

// AddUpstream implements RegistryAdminServiceServer.
func (s *Admin) AddUpstream(ctx context.Context, req *registryv1.AddUpstreamRequest) (*registryv1.AddUpstreamResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	row, err := s.service.AddUpstream(ctx, by, &registryv1.RegistryUpstreamSpec{Url: req.GetUrl(), Packages: req.GetPackages(), Versions: req.GetVersions()})
	if err != nil {
		return nil, err
	}
	return &registryv1.AddUpstreamResponse{Upstream: row}, nil
}

// DeleteUpstream implements RegistryAdminServiceServer.
func (s *Admin) DeleteUpstream(ctx context.Context, req *registryv1.DeleteUpstreamRequest) (*registryv1.DeleteUpstreamResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.DeleteUpstreamResponse{}, s.service.DeleteUpstream(ctx, by, req.GetUpstream())
}

// ListUpstreams implements RegistryAdminServiceServer.
func (s *Admin) ListUpstreams(_ context.Context, req *registryv1.ListUpstreamsRequest) (*registryv1.ListUpstreamsResponse, error) {
	rows, err := s.service.Upstreams()
	if err != nil {
		return nil, err
	}
	page, token, err := rpc.Page(rows, 0, 100, req.GetPageToken())
	return &registryv1.ListUpstreamsResponse{Upstreams: page, NextPageToken: token}, err
}

// SyncUpstream implements RegistryAdminServiceServer.
func (s *Admin) SyncUpstream(ctx context.Context, req *registryv1.SyncUpstreamRequest) (*registryv1.SyncUpstreamResponse, error) {
	row, err := s.service.SyncUpstream(ctx, req.GetUpstream())
	if err != nil {
		return nil, err
	}
	return &registryv1.SyncUpstreamResponse{Upstream: row}, nil
}
