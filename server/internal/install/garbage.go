package install

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// KindCollect is the kind of the operation that removes what nothing uses of a package.
const KindCollect = "collect-garbage"

// byKeeping is who asks for what was kept long enough to go.
const byKeeping = "garbage collection"

// references are who uses package files, and which snapshots are kept no longer.
type references struct {
	files   map[string][]string // by id of the artifact
	expired map[string]bool     // snapshots by id
}

// count counts who uses what, as of now. Of a package that an operation works on everything is used: it may be about to.
func count(tx *store.Tx, now time.Time) (references, error) {
	refs := references{files: map[string][]string{}, expired: map[string]bool{}}
	packages, err := store.List[*packagesv1.Package](tx, "")
	if err != nil {
		return refs, err
	}
	for _, p := range packages {
		refs.files[p.GetSpec().GetArtifact()] = append(refs.files[p.GetSpec().GetArtifact()], "package "+p.GetMeta().GetId())
	}
	snapshots, err := store.List[*packagesv1.Snapshot](tx, "")
	if err != nil {
		return refs, err
	}
	for _, s := range snapshots {
		policy, _, err := store.Lookup[*packagesv1.UpdatePolicy](tx, ids.Parent(s.GetMeta().GetId()))
		if err != nil {
			return refs, err
		}
		keep := policy.GetSpec().GetKeepPrevious().AsDuration()
		if keep > 0 && now.Sub(s.GetMeta().GetCreateTime().AsTime()) >= keep {
			refs.expired[s.GetMeta().GetId()] = true
			continue
		}
		refs.files[s.GetSpec().GetArtifact()] = append(refs.files[s.GetSpec().GetArtifact()], "snapshot "+s.GetMeta().GetId())
	}
	return refs, nil
}

// working are the operations that work on packages, by package.
func working(tx *store.Tx, besides string) (map[string]string, error) {
	all, err := store.List[*operationsv1.Operation](tx, "")
	at := map[string]string{}
	for _, op := range all {
		if op.GetStatus().GetEndTime() == nil && op.GetMeta().GetId() != besides {
			at[op.GetSpec().GetTarget()] = op.GetMeta().GetId()
		}
	}
	return at, err
}

// Stored lists what is kept of packages besides their data, by package, and what of it goes.
func (s *Service) Stored() ([]*packagesv1.StoredItem, error) {
	var list []*packagesv1.StoredItem
	left, err := s.artifacts.Left()
	if err != nil {
		return nil, err
	}
	err = s.store.View(func(tx *store.Tx) error {
		refs, err := count(tx, s.clock())
		if err != nil {
			return err
		}
		busy, err := working(tx, "")
		if err != nil {
			return err
		}
		artifacts, err := store.List[*packagesv1.Artifact](tx, "")
		if err != nil {
			return err
		}
		for _, a := range artifacts {
			list = append(list, &packagesv1.StoredItem{
				Kind: packagesv1.StoredItem_KIND_PACKAGE_FILE, Id: a.GetMeta().GetId(), PackageId: a.GetSpec().GetPackageId(), Version: a.GetSpec().GetVersion(),
				Bytes: a.GetSpec().GetSize(), CreateTime: a.GetMeta().GetCreateTime(), UsedBy: refs.files[a.GetMeta().GetId()],
			})
		}
		snapshots, err := store.List[*packagesv1.Snapshot](tx, "")
		for _, sn := range snapshots {
			pkg, id, _ := strings.Cut(sn.GetMeta().GetId(), "/")
			item := &packagesv1.StoredItem{
				Kind: packagesv1.StoredItem_KIND_SNAPSHOT, Id: id, PackageId: pkg, Version: sn.GetSpec().GetVersion(),
				Bytes: sn.GetStatus().GetBytes(), CreateTime: sn.GetMeta().GetCreateTime(),
			}
			if !refs.expired[sn.GetMeta().GetId()] {
				item.UsedBy = []string{"package " + pkg}
			}
			list = append(list, item)
		}
		for _, item := range list {
			if op := busy[item.GetPackageId()]; op != "" {
				item.UsedBy = append(item.UsedBy, "operation "+op)
			}
		}
		return err
	})
	list = append(list, left...)
	for _, item := range list {
		item.Garbage = len(item.GetUsedBy()) == 0
	}
	slices.SortStableFunc(list, func(a, b *packagesv1.StoredItem) int {
		return cmp.Or(strings.Compare(a.GetPackageId(), b.GetPackageId()), cmp.Compare(a.GetKind(), b.GetKind()), a.GetCreateTime().AsTime().Compare(b.GetCreateTime().AsTime()))
	})
	return list, err
}

// Collect begins to remove what nothing uses, by an operation for each package, and answers those. What cannot be had since
// an operation works on the package is left.
func (s *Service) Collect(ctx context.Context, now time.Time, engine *operation.Engine, by string) ([]*operationsv1.Operation, error) {
	s.claims.Lock() // between a claim and its operation nothing tells whose it is
	err := s.artifacts.Tidy()
	s.claims.Unlock()
	if err != nil {
		return nil, err
	}
	items, err := s.Stored()
	if err != nil {
		return nil, err
	}
	var begun []*operationsv1.Operation
	for _, item := range items {
		pkg := item.GetPackageId()
		if !item.GetGarbage() || pkg == "" || slices.ContainsFunc(begun, func(op *operationsv1.Operation) bool { return op.GetSpec().GetTarget() == pkg }) {
			continue
		}
		id, err := ids.NewULID(now, rand.Reader)
		if err != nil {
			return begun, err
		}
		op, err := engine.Begin(ctx, now, operation.Request{Asked: operation.Asked{ID: string(id), By: by}, Kind: KindCollect, Target: pkg})
		if fault.Is(err, metav1.Reason_REASON_OPERATION_CONFLICT) {
			continue
		}
		if err != nil {
			return begun, err
		}
		begun = append(begun, op)
	}
	return begun, nil
}

// GarbageController has what was kept long enough go, once a night.
func (s *Service) GarbageController(engine *operation.Engine) reconcile.Controller {
	return reconcile.Controller{
		Name: "garbage", Area: "install",
		Times:  []reconcile.Time{{Key: "garbage", Calendar: reconcile.MustCalendar("20 4 * * *")}},
		Reads:  []string{"package", "artifact", "snapshot", "operation", "updatepolicy"},
		Drives: []string{"operations"},
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) {
			_, err := s.Collect(ctx, s.clock(), engine, byKeeping)
			return 0, err
		},
	}
}

// collectDefinition removes snapshots that are kept no longer, and then the files that nothing uses. It holds the package, so that
// nothing begins to use them meanwhile.
func (s *Service) collectDefinition() operation.Definition {
	return operation.Definition{
		Kind: KindCollect, Locks: locks,
		Repeat: func(*store.Tx, *operationsv1.Operation) error { return nil },
		Steps: []operation.Step{{
			Name: "remove", Weight: 1, Timeout: time.Hour, Final: true, Leaves: "what nothing uses, of which some may be gone",
			Do: func(ctx context.Context, r *operation.Run) error { return s.collect(ctx, r) },
		}},
	}
}

func (s *Service) collect(ctx context.Context, r *operation.Run) error {
	refs, files, err := s.ofPackage(r)
	if err != nil {
		return err
	}
	err = s.dropSnapshots(ctx, r, func(id string) bool { return refs.expired[r.Target()+"/"+id] })
	for _, id := range files {
		err = errors.Join(err, s.dropFile(ctx, id, ""))
	}
	return err
}

// ofPackage is who uses what of a package, and which files of it nothing does.
func (s *Service) ofPackage(r *operation.Run) (refs references, files []string, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		if refs, err = count(tx, s.clock()); err != nil {
			return err
		}
		all, err := store.List[*packagesv1.Artifact](tx, "")
		for _, a := range all {
			if a.GetSpec().GetPackageId() == r.Target() && len(refs.files[a.GetMeta().GetId()]) == 0 {
				files = append(files, a.GetMeta().GetId())
			}
		}
		return err
	})
	return refs, files, err
}
