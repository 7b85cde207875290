package install

import (
	"context"
	"slices"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// KindDeleteData is the kind of the operation that removes data without a package.
const KindDeleteData = "delete-data"

// KeptData lists the ids of the packages that are not installed and whose data are there, in ascending order.
func (s *Service) KeptData() ([]string, error) {
	all, err := s.data.Packages()
	if err != nil {
		return nil, err
	}
	err = s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Package](tx, "")
		for _, row := range rows {
			all = slices.DeleteFunc(all, func(id string) bool { return id == row.GetMeta().GetId() })
		}
		return err
	})
	slices.Sort(all)
	return all, err
}

// DescribeData tells what is known of data and measures them.
func (s *Service) DescribeData(ctx context.Context, pkg string) (*packagesv1.PackageData, error) {
	return s.data.Describe(ctx, pkg)
}

// DeleteData begins the removal of the data of a package that is not installed. There is no way back from it.
func (s *Service) DeleteData(ctx context.Context, now time.Time, engine *operation.Engine, asked operation.Asked, pkg string) (*operationsv1.Operation, error) {
	unknown := fault.New(metav1.Reason_REASON_PACKAGE_DATA_NOT_FOUND, "no data of a package %q are kept", pkg).With("package", pkg)
	if _, err := ids.ParsePackage(pkg); err != nil {
		return nil, unknown
	}
	there, err := s.data.Exists(pkg)
	if err != nil {
		return nil, err
	}
	return engine.Begin(ctx, now, operation.Request{
		Asked: asked, Kind: KindDeleteData, Target: pkg,
		Prepare: func(tx *store.Tx) error {
			if err := notInstalled(tx, pkg); err != nil {
				return err
			}
			if !there {
				return unknown
			}
			return nil
		},
	})
}

func notInstalled(tx *store.Tx, pkg string) error {
	_, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err == nil && ok {
		err = fault.New(metav1.Reason_REASON_PACKAGE_INSTALLED, "cannot remove the data of %q: the package is installed", pkg).With("package", pkg)
	}
	return err
}

func (s *Service) deleteDataDefinition() operation.Definition {
	return operation.Definition{
		Kind:  KindDeleteData,
		Locks: locks, // so no installation begins on data that are going
		Repeat: func(tx *store.Tx, op *operationsv1.Operation) error {
			return notInstalled(tx, op.GetSpec().GetTarget())
		},
		Steps: []operation.Step{
			{
				Name: "remove", Weight: 1, Timeout: time.Hour, Final: true, Leaves: "data of which some may be there still: remove them again",
				Do: func(ctx context.Context, r *operation.Run) error {
					r.Progress(0, 0, "", "removing the data")
					if err := s.data.Remove(ctx, r.Target(), r.ID()); err != nil {
						return err
					}
					return s.forgetRows(ctx, r, false)
				},
			},
		},
	}
}
