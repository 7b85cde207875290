// Package registriesrpc answers hearth.registries.v1.
package registriesrpc

import (
	"bytes"
	"context"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/artifact"
	"github.com/hearthos/hearth/server/internal/registry"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/content"
)

// Server implements RegistryServiceServer.
type Server struct {
	registriesv1.UnsafeRegistryServiceServer
	registries *registry.Service
	read       registry.ReadDocument
	clock      func() time.Time
}

// New returns the service. Documents of listed files are read by read.
func New(registries *registry.Service, read registry.ReadDocument, clock func() time.Time) *Server {
	return &Server{registries: registries, read: read, clock: clock}
}

// ListRegistries implements RegistryServiceServer.
func (s *Server) ListRegistries(_ context.Context, req *registriesv1.ListRegistriesRequest) (*registriesv1.ListRegistriesResponse, error) {
	rows, err := s.registries.List()
	if err != nil {
		return nil, err
	}
	page, token, err := rpc.Page(rows, 0, 100, req.GetPageToken())
	return &registriesv1.ListRegistriesResponse{Registries: page, NextPageToken: token}, err
}

// AddRegistry implements RegistryServiceServer.
func (s *Server) AddRegistry(ctx context.Context, req *registriesv1.AddRegistryRequest) (*registriesv1.AddRegistryResponse, error) {
	row, err := s.registries.Add(ctx, s.clock(), registry.Addition{Address: req.GetUrl(), ID: req.GetId(), Local: req.GetLocal(), Fingerprint: req.GetFingerprint()})
	if err != nil {
		return nil, err
	}
	return &registriesv1.AddRegistryResponse{Registry: row}, nil
}

// DeleteRegistry implements RegistryServiceServer.
func (s *Server) DeleteRegistry(ctx context.Context, req *registriesv1.DeleteRegistryRequest) (*registriesv1.DeleteRegistryResponse, error) {
	return &registriesv1.DeleteRegistryResponse{}, s.registries.Delete(ctx, s.clock(), req.GetId())
}

// SearchPackages implements RegistryServiceServer.
func (s *Server) SearchPackages(ctx context.Context, req *registriesv1.SearchPackagesRequest) (*registriesv1.SearchPackagesResponse, error) {
	after, err := rpc.PageAfter(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	limit := int(req.GetPageSize())
	if limit == 0 {
		limit = 50
	}
	found, more, failures, err := s.registries.Search(ctx, registry.Search{
		Registry: req.GetRegistry(), Query: req.GetQuery(), Category: req.GetCategory(), Language: req.GetLanguage(), After: after, Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	resp := &registriesv1.SearchPackagesResponse{Offers: found}
	if more {
		resp.NextPageToken = rpc.PageToken(registry.OfferID(found[len(found)-1]))
	}
	for _, f := range failures {
		resp.Failures = append(resp.Failures, &registriesv1.RegistryFailure{Registry: f.Registry, Fault: fault.Proto(f.Err)})
	}
	return resp, nil
}

// GetOffer implements RegistryServiceServer.
func (s *Server) GetOffer(ctx context.Context, req *registriesv1.GetOfferRequest) (*registriesv1.GetOfferResponse, error) {
	o, err := s.registries.Offer(ctx, req.GetRegistry(), req.GetPackageId(), req.GetVersion(), req.GetLanguage())
	if err != nil {
		return nil, err
	}
	return &registriesv1.GetOfferResponse{Offer: o}, nil
}

// ListCategories implements RegistryServiceServer.
func (s *Server) ListCategories(ctx context.Context, req *registriesv1.ListCategoriesRequest) (*registriesv1.ListCategoriesResponse, error) {
	list, err := s.registries.Categories(ctx, req.GetRegistry(), req.GetLanguage())
	if err != nil {
		return nil, err
	}
	return &registriesv1.ListCategoriesResponse{Categories: list}, nil
}

// GetOfferDocument implements RegistryServiceServer.
func (s *Server) GetOfferDocument(ctx context.Context, req *registriesv1.GetOfferDocumentRequest) (*registriesv1.GetOfferDocumentResponse, error) {
	d, err := s.registries.Document(ctx, req.GetRegistry(), req.GetPackageId(), req.GetVersion(), req.GetDocument(), s.read)
	if err != nil {
		return nil, err
	}
	size := int64(len(d.GetContent()))
	if size <= artifact.MaxDocument {
		return &registriesv1.GetOfferDocumentResponse{Document: d}, nil
	}
	into := content.LargeOf(ctx)
	if into == nil {
		return nil, content.TooLarge(size, content.OfferPath(req.GetRegistry(), req.GetPackageId(), req.GetVersion(), req.GetDocument()))
	}
	into.Take(bytes.NewReader(d.GetContent()), size)
	return &registriesv1.GetOfferDocumentResponse{Document: &packagesv1.Document{Kind: d.GetKind(), MediaType: d.GetMediaType(), Digest: d.GetDigest()}}, nil
}
