// Package packagesrpc answers hearth.packages.v1 from the areas install and artifact and the store.
package packagesrpc

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/artifact"
	"github.com/hearthos/hearth/server/internal/depend"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/monitor"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/content"
	"github.com/hearthos/hearth/server/internal/store"
)

// Server implements PackageServiceServer.
type Server struct {
	packagesv1.UnimplementedPackageServiceServer
	store     *store.Store
	install   *install.Service
	artifacts *artifact.Keeper
	engine    *operation.Engine
	monitor   *monitor.Service
	clock     func() time.Time
}

// New returns the server.
func New(st *store.Store, in *install.Service, artifacts *artifact.Keeper, engine *operation.Engine, m *monitor.Service, clock func() time.Time) *Server {
	return &Server{store: st, install: in, artifacts: artifacts, engine: engine, monitor: m, clock: clock}
}

// ListPackages implements PackageServiceServer.
func (s *Server) ListPackages(ctx context.Context, req *packagesv1.ListPackagesRequest) (*packagesv1.ListPackagesResponse, error) {
	var rows []*packagesv1.Package
	err := s.store.View(func(tx *store.Tx) error {
		var err error
		rows, err = store.List[*packagesv1.Package](tx, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	scope := rpc.CallerScope(ctx)
	rows = slices.DeleteFunc(rows, func(r *packagesv1.Package) bool { return !scope.Covers(r.GetMeta().GetId()) })
	page, token, err := rpc.Page(rows, req.GetPageSize(), 500, req.GetPageToken())
	return &packagesv1.ListPackagesResponse{Packages: page, NextPageToken: token}, err
}

// GetPackage implements PackageServiceServer.
func (s *Server) GetPackage(ctx context.Context, req *packagesv1.GetPackageRequest) (*packagesv1.GetPackageResponse, error) {
	resp := &packagesv1.GetPackageResponse{}
	err := s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, req.GetId())
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", req.GetId()).With("package", req.GetId())
		}
		resp.Package = row
		if resp.Artifact, _, err = store.Lookup[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact()); err != nil {
			return err
		}
		resp.Permissions = install.Permissions(resp.GetArtifact())
		if resp.HealthChecks, err = store.List[*packagesv1.HealthCheck](tx, req.GetId()); err != nil {
			return err
		}
		if resp.Dependencies, err = store.List[*packagesv1.Dependency](tx, req.GetId()); err != nil {
			return err
		}
		if resp.Snapshots, err = store.List[*packagesv1.Snapshot](tx, req.GetId()); err != nil {
			return err
		}
		all, err := depend.Read(tx, req.GetId())
		resp.DependencyStates = depend.States(req.GetId(), all)
		for _, d := range resp.GetDependencyStates() {
			if !rpc.CallerScope(ctx).Covers(d.GetPackageId()) {
				d.InstalledVersion = ""
			}
		}
		return err
	})
	return resp, err
}

// WhyPackage implements PackageServiceServer. Of other packages it tells those alone that the caller may see.
func (s *Server) WhyPackage(ctx context.Context, req *packagesv1.WhyPackageRequest) (*packagesv1.WhyPackageResponse, error) {
	resp := &packagesv1.WhyPackageResponse{}
	err := s.store.View(func(tx *store.Tx) error {
		all, err := depend.Read(tx, req.GetId())
		if err != nil {
			return err
		}
		if all[req.GetId()].Package == nil {
			return fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", req.GetId()).With("package", req.GetId())
		}
		resp.Links = depend.Why(req.GetId(), all)
		return nil
	})
	scope := rpc.CallerScope(ctx)
	resp.Links = slices.DeleteFunc(resp.Links, func(l *packagesv1.WhyLink) bool { return !scope.Covers(l.GetPackageId()) })
	for _, l := range resp.GetLinks() {
		if on := l.GetMetadata()["dependency"]; on != "" && !scope.Covers(on) {
			delete(l.Metadata, "installed")
		}
	}
	return resp, err
}

// CreateUpload implements PackageServiceServer.
func (s *Server) CreateUpload(ctx context.Context, req *packagesv1.CreateUploadRequest) (*packagesv1.CreateUploadResponse, error) {
	ticket, err := s.artifacts.Uploads().Create(req.GetSize())
	if err != nil {
		return nil, err
	}
	return &packagesv1.CreateUploadResponse{Ticket: ticket, Path: "/transfer/" + ticket}, nil
}

// InspectUpload implements PackageServiceServer.
func (s *Server) InspectUpload(_ context.Context, req *packagesv1.InspectUploadRequest) (*packagesv1.InspectUploadResponse, error) {
	art, icon, err := s.artifacts.InspectUpload(req.GetTicket())
	if err != nil {
		return nil, err
	}
	installed, other, err := s.install.Replaces(art)
	return &packagesv1.InspectUploadResponse{Artifact: art, Icon: icon, InstalledVersion: installed, OtherSigner: other}, err
}

// GetPackageDocument implements PackageServiceServer.
func (s *Server) GetPackageDocument(ctx context.Context, req *packagesv1.GetPackageDocumentRequest) (*packagesv1.GetPackageDocumentResponse, error) {
	var id string
	err := s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, req.GetId())
		if err == nil && !ok {
			err = fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", req.GetId()).With("package", req.GetId())
		}
		id = row.GetSpec().GetArtifact()
		return err
	})
	if err != nil {
		return nil, err
	}
	document, large, err := s.artifacts.Document(ctx, id, req.GetDocument())
	if err != nil {
		return nil, err
	}
	if large != nil {
		into := content.LargeOf(ctx)
		if into == nil {
			_ = large.Close() // nothing was read
			return nil, content.TooLarge(large.Size(), content.Path(req.GetId(), req.GetDocument()))
		}
		into.Take(large, 0)
	}
	return &packagesv1.GetPackageDocumentResponse{Document: document}, nil
}

// InstallPackage implements PackageServiceServer.
func (s *Server) InstallPackage(ctx context.Context, req *packagesv1.InstallPackageRequest) (*packagesv1.InstallPackageResponse, error) {
	asked, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	listed, err := listedOf(req)
	if err != nil {
		return nil, err
	}
	wish := install.Wish{
		Asked: asked, Ticket: req.GetTicket(), Listed: listed, AcceptBreakage: req.GetAcceptBreakage(),
		Start: req.GetStart(), AcceptSigner: req.GetAcceptSigner(), TimeLimit: req.GetTimeLimit().AsDuration(),
		Known: func(pkg string) { rpc.CallFrom(ctx).About("package", pkg) },
	}
	if req.GetHealthLimit() != nil {
		limit := req.GetHealthLimit().AsDuration()
		wish.HealthLimit = &limit
	}
	if req.GetValidateOnly() {
		plan, err := s.install.Plan(ctx, wish)
		return &packagesv1.InstallPackageResponse{Plan: plan}, err
	}
	op, err := s.install.Install(ctx, s.clock(), s.engine, wish)
	if err != nil {
		return nil, err
	}
	return &packagesv1.InstallPackageResponse{Operation: op}, nil
}

// listedOf is the file in a registry that a request names; nil for an upload. One of both there must be.
func listedOf(req *packagesv1.InstallPackageRequest) (*install.Listed, error) {
	from := req.GetFromRegistry()
	if (from == nil) == (req.GetTicket() == "") {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot install without a file: give the ticket of an upload, or a package in a registry, and not both").
			Violation("ticket", "must be given, or from_registry")
	}
	if from == nil {
		return nil, nil
	}
	return &install.Listed{Registry: from.GetRegistry(), Package: from.GetPackageId(), Version: from.GetVersion()}, nil
}

// UninstallPackage implements PackageServiceServer.
func (s *Server) UninstallPackage(ctx context.Context, req *packagesv1.UninstallPackageRequest) (*packagesv1.UninstallPackageResponse, error) {
	asked, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	op, err := s.install.Uninstall(ctx, s.clock(), s.engine, asked, req.GetId(), req.GetForce(), req.GetKeepData())
	if err != nil {
		return nil, err
	}
	return &packagesv1.UninstallPackageResponse{Operation: op}, nil
}

// ListPackageData implements PackageServiceServer. Only what is on the page is measured.
func (s *Server) ListPackageData(ctx context.Context, req *packagesv1.ListPackageDataRequest) (*packagesv1.ListPackageDataResponse, error) {
	all, err := s.install.KeptData()
	if err != nil {
		return nil, err
	}
	var rows []*packagesv1.Package
	for _, id := range all {
		rows = append(rows, &packagesv1.Package{Meta: &metav1.Meta{Id: id}})
	}
	page, token, err := rpc.Page(rows, req.GetPageSize(), 100, req.GetPageToken())
	if err != nil {
		return nil, err
	}
	resp := &packagesv1.ListPackageDataResponse{NextPageToken: token}
	for _, row := range page {
		data, err := s.install.DescribeData(ctx, row.GetMeta().GetId())
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		resp.Data = append(resp.Data, data)
	}
	return resp, nil
}

// DeletePackageData implements PackageServiceServer.
func (s *Server) DeletePackageData(ctx context.Context, req *packagesv1.DeletePackageDataRequest) (*packagesv1.DeletePackageDataResponse, error) {
	asked, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	op, err := s.install.DeleteData(ctx, s.clock(), s.engine, asked, req.GetId())
	if err != nil {
		return nil, err
	}
	return &packagesv1.DeletePackageDataResponse{Operation: op}, nil
}

// RollbackPackage implements PackageServiceServer.
func (s *Server) RollbackPackage(ctx context.Context, req *packagesv1.RollbackPackageRequest) (*packagesv1.RollbackPackageResponse, error) {
	asked, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	op, err := s.install.Rollback(ctx, s.clock(), s.engine, asked, req.GetId())
	if err != nil {
		return nil, err
	}
	return &packagesv1.RollbackPackageResponse{Operation: op}, nil
}

// ListSnapshots implements PackageServiceServer.
func (s *Server) ListSnapshots(_ context.Context, req *packagesv1.ListSnapshotsRequest) (*packagesv1.ListSnapshotsResponse, error) {
	resp := &packagesv1.ListSnapshotsResponse{}
	err := s.store.View(func(tx *store.Tx) error {
		_, ok, err := store.Lookup[*packagesv1.Package](tx, req.GetId())
		if err == nil && !ok {
			err = fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", req.GetId()).With("package", req.GetId())
		}
		if err != nil {
			return err
		}
		resp.Snapshots, err = store.List[*packagesv1.Snapshot](tx, req.GetId())
		return err
	})
	return resp, err
}

// DeleteSnapshot implements PackageServiceServer.
func (s *Server) DeleteSnapshot(ctx context.Context, req *packagesv1.DeleteSnapshotRequest) (*packagesv1.DeleteSnapshotResponse, error) {
	asked, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	op, err := s.install.DeleteSnapshot(ctx, s.clock(), s.engine, asked, req.GetId(), req.GetSnapshot())
	if err != nil {
		return nil, err
	}
	return &packagesv1.DeleteSnapshotResponse{Operation: op}, nil
}

// CollectGarbage implements PackageServiceServer.
func (s *Server) CollectGarbage(ctx context.Context, req *packagesv1.CollectGarbageRequest) (*packagesv1.CollectGarbageResponse, error) {
	items, err := s.install.Stored()
	if err != nil || req.GetValidateOnly() {
		return &packagesv1.CollectGarbageResponse{Items: items}, err
	}
	ops, err := s.install.Collect(ctx, s.clock(), s.engine, rpc.Caller(ctx))
	return &packagesv1.CollectGarbageResponse{Items: items, Operations: ops}, err
}

// StartPackage implements PackageServiceServer.
func (s *Server) StartPackage(ctx context.Context, req *packagesv1.StartPackageRequest) (*packagesv1.StartPackageResponse, error) {
	row, err := s.install.Start(ctx, s.clock(), req.GetId(), req.GetForce())
	if err != nil {
		return nil, err
	}
	return &packagesv1.StartPackageResponse{Package: row}, nil
}

// StopPackage implements PackageServiceServer.
func (s *Server) StopPackage(ctx context.Context, req *packagesv1.StopPackageRequest) (*packagesv1.StopPackageResponse, error) {
	row, err := s.install.Stop(ctx, s.clock(), req.GetId())
	if err != nil {
		return nil, err
	}
	return &packagesv1.StopPackageResponse{Package: row}, nil
}

// RestartPackage implements PackageServiceServer.
func (s *Server) RestartPackage(ctx context.Context, req *packagesv1.RestartPackageRequest) (*packagesv1.RestartPackageResponse, error) {
	row, err := s.install.Restart(ctx, s.clock(), req.GetId())
	if err != nil {
		return nil, err
	}
	return &packagesv1.RestartPackageResponse{Package: row}, nil
}

// RebuildPackage implements PackageServiceServer.
func (s *Server) RebuildPackage(ctx context.Context, req *packagesv1.RebuildPackageRequest) (*packagesv1.RebuildPackageResponse, error) {
	row, err := s.install.Rebuild(ctx, s.clock(), req.GetId())
	if err != nil {
		return nil, err
	}
	return &packagesv1.RebuildPackageResponse{Package: row}, nil
}
