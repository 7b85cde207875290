package packagesrpc

import (
	"context"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// BackupPackage implements PackageServiceServer.
func (s *Server) BackupPackage(ctx context.Context, req *packagesv1.BackupPackageRequest) (*packagesv1.BackupPackageResponse, error) {
	asked, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	op, err := s.install.Backup(ctx, s.clock(), s.engine, asked, req.GetId(), req.GetDirectory(), req.GetTimeLimit().AsDuration())
	if err != nil {
		return nil, err
	}
	return &packagesv1.BackupPackageResponse{Operation: op}, nil
}

// RestorePackage implements PackageServiceServer.
func (s *Server) RestorePackage(ctx context.Context, req *packagesv1.RestorePackageRequest) (*packagesv1.RestorePackageResponse, error) {
	asked, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	op, err := s.install.Install(ctx, s.clock(), s.engine, install.Wish{
		Asked: asked, Ticket: req.GetTicket(), Start: req.GetStart(), TimeLimit: req.GetTimeLimit().AsDuration(), RestoreFrom: req.GetDirectory(),
	})
	if err != nil {
		return nil, err
	}
	return &packagesv1.RestorePackageResponse{Operation: op}, nil
}
