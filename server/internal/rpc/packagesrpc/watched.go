package packagesrpc

import (
	"context"
	"slices"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/store"
)

// ListPackageUsage implements PackageServiceServer.
func (s *Server) ListPackageUsage(ctx context.Context, req *packagesv1.ListPackageUsageRequest) (*packagesv1.ListPackageUsageResponse, error) {
	rows, err := s.monitor.Usage()
	if err != nil {
		return nil, err
	}
	scope, only := rpc.CallerScope(ctx), req.GetPackageId()
	rows = slices.DeleteFunc(rows, func(r *packagesv1.Usage) bool {
		id := r.GetMeta().GetId()
		return !scope.Covers(id) || only != "" && id != only
	})
	if only != "" && len(rows) == 0 {
		return nil, notInstalled(only)
	}
	page, token, err := rpc.Page(rows, req.GetPageSize(), 500, req.GetPageToken())
	return &packagesv1.ListPackageUsageResponse{Usage: page, NextPageToken: token}, err
}

func notInstalled(pkg string) error {
	return fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", pkg).With("package", pkg)
}

// ListHealthChanges implements PackageServiceServer.
func (s *Server) ListHealthChanges(_ context.Context, req *packagesv1.ListHealthChangesRequest) (*packagesv1.ListHealthChangesResponse, error) {
	var rows []*packagesv1.HealthChange
	err := s.store.View(func(tx *store.Tx) error {
		if _, there, err := store.Lookup[*packagesv1.Package](tx, req.GetId()); err != nil || !there {
			if err == nil {
				err = notInstalled(req.GetId())
			}
			return err
		}
		var err error
		rows, err = store.List[*packagesv1.HealthChange](tx, req.GetId())
		return err
	})
	if err != nil {
		return nil, err
	}
	if check := req.GetCheck(); check != "" {
		rows = slices.DeleteFunc(rows, func(r *packagesv1.HealthChange) bool { return r.GetStatus().GetCheck() != check })
	}
	slices.Reverse(rows)
	page, token, err := rpc.Page(rows, req.GetPageSize(), 100, req.GetPageToken())
	return &packagesv1.ListHealthChangesResponse{Changes: page, NextPageToken: token}, err
}
