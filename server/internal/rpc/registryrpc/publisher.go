package registryrpc

import (
	"context"
	"maps"
	"slices"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func packageID(id string) ids.Package { return ids.Package(id) }

// Publisher answers PublisherService.
type Publisher struct {
	registryv1.UnsafePublisherServiceServer
	service *registryd.Service
}

// NewPublisher returns it.
func NewPublisher(s *registryd.Service) *Publisher { return &Publisher{service: s} }

// CreateUpload implements PublisherServiceServer.
func (s *Publisher) CreateUpload(_ context.Context, req *registryv1.CreateUploadRequest) (*registryv1.CreateUploadResponse, error) {
	ticket, err := s.service.Files().Upload(req.GetSize())
	if err != nil {
		return nil, err
	}
	return &registryv1.CreateUploadResponse{Ticket: ticket, Path: "/transfer/" + ticket}, nil
}

func offer(c *registryv1.Commitment, signature []byte) (registryd.Offer, error) {
	if len(c.GetRootSighash()) != len(merkle.Hash{}) || c.GetRootMaxSize() > 1<<62 {
		return registryd.Offer{}, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the commitment").Violation("commitment.root_sighash", "must have 32 bytes")
	}
	return registryd.Offer{
		Commitment: s9pk.Commitment{RootSighash: merkle.Hash(c.GetRootSighash()), RootMaxSize: int64(c.GetRootMaxSize())}, Signature: sign.Signature(signature),
	}, nil
}

// AddPackage implements PublisherServiceServer.
func (s *Publisher) AddPackage(ctx context.Context, req *registryv1.AddPackageRequest) (*registryv1.AddPackageResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	o, err := offer(req.GetCommitment(), req.GetSignature())
	if err != nil {
		return nil, err
	}
	o.Ticket, o.URLs = req.GetTicket(), req.GetUrls()
	row, id, err := s.service.AddPackage(ctx, by, o)
	if err != nil {
		return nil, err
	}
	return &registryv1.AddPackageResponse{Version: s.version(id, row)}, nil
}

// version is a version as it is listed now.
func (s *Publisher) version(id string, row *registryv1.RegistryVersionSpec) *registryv1.Version {
	found, _ := s.service.Get(id, registry.Question{})
	for _, c := range append(found.Best, found.Others...) {
		if c.Exver.String() == row.GetVersion() {
			return versionOf(s.service, id, c.Version, found.Row(c), "")
		}
	}
	return nil // taken out meanwhile
}

// AddMirror implements PublisherServiceServer.
func (s *Publisher) AddMirror(ctx context.Context, req *registryv1.AddMirrorRequest) (*registryv1.AddMirrorResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	o, err := offer(req.GetCommitment(), req.GetSignature())
	if err != nil {
		return nil, err
	}
	o.URLs = []string{req.GetUrl()}
	row, id, err := s.service.AddMirror(ctx, by, o)
	if err != nil {
		return nil, err
	}
	return &registryv1.AddMirrorResponse{Version: s.version(id, row)}, nil
}

// DeletePackage implements PublisherServiceServer.
func (s *Publisher) DeletePackage(ctx context.Context, req *registryv1.DeletePackageRequest) (*registryv1.DeletePackageResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	var version *exver.Version
	if req.GetVersion() != "" {
		v, err := exver.Parse(req.GetVersion())
		if err != nil {
			return nil, invalid("version", err)
		}
		version = &v
	}
	changed, err := s.service.RemovePackage(ctx, by, req.GetPackageId(), version, req.GetSighash())
	if err != nil {
		return nil, err
	}
	return &registryv1.DeletePackageResponse{Changed: changed}, nil
}

// DeleteMirror implements PublisherServiceServer.
func (s *Publisher) DeleteMirror(ctx context.Context, req *registryv1.DeleteMirrorRequest) (*registryv1.DeleteMirrorResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	v, err := exver.Parse(req.GetVersion())
	if err != nil {
		return nil, invalid("version", err)
	}
	return &registryv1.DeleteMirrorResponse{}, s.service.RemoveMirror(ctx, by, req.GetPackageId(), v, req.GetUrl())
}

// AddOSAsset implements PublisherServiceServer.
func (s *Publisher) AddOSAsset(ctx context.Context, req *registryv1.AddOSAssetRequest) (*registryv1.AddOSAssetResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	row, err := s.service.AddOSAsset(ctx, by, registryd.SystemFile{
		Version: req.GetVersion(), Platform: req.GetPlatform(), Kind: req.GetKind(), URL: req.GetUrl(), Commitment: req.GetCommitment(), Signature: sign.Signature(req.GetSignature()),
	})
	if err != nil {
		return nil, err
	}
	return &registryv1.AddOSAssetResponse{VersionRow: row}, nil
}

// SignOSAsset implements PublisherServiceServer.
func (s *Publisher) SignOSAsset(ctx context.Context, req *registryv1.SignOSAssetRequest) (*registryv1.SignOSAssetResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	row, err := s.service.SignOSAsset(ctx, by, registryd.SystemFile{
		Version: req.GetVersion(), Platform: req.GetPlatform(), Kind: req.GetKind(), Signature: sign.Signature(req.GetSignature()),
	})
	if err != nil {
		return nil, err
	}
	return &registryv1.SignOSAssetResponse{VersionRow: row}, nil
}

// DeleteOSAsset implements PublisherServiceServer.
func (s *Publisher) DeleteOSAsset(ctx context.Context, req *registryv1.DeleteOSAssetRequest) (*registryv1.DeleteOSAssetResponse, error) {
	by, err := who(ctx, s.service)
	if err != nil {
		return nil, err
	}
	return &registryv1.DeleteOSAssetResponse{}, s.service.DeleteOSAsset(ctx, by, registryd.SystemFile{Version: req.GetVersion(), Platform: req.GetPlatform(), Kind: req.GetKind()})
}
