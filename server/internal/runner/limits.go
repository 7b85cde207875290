package runner

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path/filepath"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/platform"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// LimitControllerName is the name of the controller that puts limits in force.
const LimitControllerName = "limits"

// Quotas bound what files take on disk; *quota.Quotas and the sandbox's do.
type Quotas interface {
	// Unsupported tells why the file system bounds nothing, nil where it does.
	Unsupported() error
	// Bound makes folders, with all that is in them, those of an id, which together may take so many bytes; 0: any.
	Bound(ctx context.Context, id uint32, bytes uint64, dirs ...string) error
}

// limits are what a container may use: what is granted to it, else what each gets.
func (s *Service) limits(spec *packagesv1.PackageLimitsSpec) lxc.Limits {
	l := s.cfg.Limits
	choose := func(to *int64, chosen uint64) {
		if chosen > 0 {
			*to = int64(chosen)
		}
	}
	choose(&l.Memory, spec.GetMemoryBytes())
	choose(&l.CPU, uint64(spec.GetCpuMillis()))
	choose(&l.PIDs, uint64(spec.GetProcesses()))
	choose(&l.IOWeight, uint64(spec.GetIoWeight()))
	if d := s.cfg.Disk; d != nil { // a rate of 0 ends what was bounded before
		l.IO = []lxc.IOLimit{{Major: d.Major, Minor: d.Minor, Read: int64(spec.GetReadRate()), Write: int64(spec.GetWriteRate())}}
	}
	return l
}

// limitsRow is what was chosen for a package.
func limitsRow(tx *store.Tx, pkg string) (*packagesv1.PackageLimits, error) {
	if _, there, err := store.Lookup[*packagesv1.Package](tx, pkg); err != nil {
		return nil, err
	} else if !there {
		return nil, fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", pkg).With("package", pkg)
	}
	row, there, err := store.Lookup[*packagesv1.PackageLimits](tx, pkg)
	if err == nil && !there {
		row = &packagesv1.PackageLimits{Meta: &metav1.Meta{Id: pkg}}
	}
	if row != nil && row.Spec == nil {
		row.Spec = &packagesv1.PackageLimitsSpec{}
	}
	return row, err
}

// Limits answers what was chosen for a package, what its file declares, and what it may use.
func (s *Service) Limits(pkg string) (*packagesv1.GetPackageLimitsResponse, error) {
	out := &packagesv1.GetPackageLimitsResponse{Unsupported: map[string]string{}, Unbounded: map[string]*metav1.Words{}}
	for field, why := range s.unbounded() {
		out.Unsupported[field] = why.Error()
		if u := (*platform.Unable)(nil); errors.As(why, &u) {
			out.Unbounded[field] = &metav1.Words{Key: "capability." + u.Words + ".text", Metadata: u.Values, Quote: u.Quote}
		}
	}
	var granted *packagesv1.PackageLimitsSpec
	err := s.store.View(func(tx *store.Tx) (err error) {
		if out.Limits, err = limitsRow(tx, pkg); err != nil {
			return err
		}
		if out.Declared, err = declared(tx, pkg); err != nil {
			return err
		}
		granted = s.grant(out.GetLimits().GetSpec(), out.GetDeclared())
		return nil
	})
	if err != nil {
		return nil, err
	}
	l := s.limits(granted)
	out.Effective = &packagesv1.PackageLimitsSpec{
		MemoryBytes: uint64(l.Memory), CpuMillis: uint32(l.CPU), Processes: uint32(l.PIDs), IoWeight: uint32(l.IOWeight),
		ReadRate: granted.GetReadRate(), WriteRate: granted.GetWriteRate(), DiskBytes: granted.GetDiskBytes(),
	}
	return out, nil
}

// declared is what the file of an installed package says that it is content with.
func declared(tx *store.Tx, pkg string) (*packagesv1.PackageLimitsSpec, error) {
	spec := &packagesv1.PackageLimitsSpec{}
	row, there, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err != nil || !there {
		return spec, err
	}
	art, there, err := store.Lookup[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
	if err != nil || !there {
		return spec, err
	}
	m, err := s9pk.ParseManifest(art.GetSpec().GetManifest())
	if err != nil || m.Hearth == nil || m.Hearth.Limits == nil {
		return spec, err
	}
	l := m.Hearth.Limits
	return &packagesv1.PackageLimitsSpec{
		MemoryBytes: l.Memory, CpuMillis: l.CPU, Processes: l.Processes, IoWeight: l.IOWeight, ReadRate: l.Read, WriteRate: l.Write, DiskBytes: l.Disk,
	}, nil
}

// grant is what a package has beside what each gets: what was chosen for it, else what it declares, where that is less
// than what each gets and this machine can bound it. A file that strangers made takes no more for itself.
func (s *Service) grant(chosen, declared *packagesv1.PackageLimitsSpec) *packagesv1.PackageLimitsSpec {
	can := s.containers.Abilities(s.cfg.Disk)
	pick := func(chosen, declared uint64, each int64, unable error) uint64 {
		if chosen > 0 || unable != nil || each > 0 && declared > uint64(each) {
			return chosen
		}
		return declared
	}
	usual := s.cfg.Limits.IOWeight
	if usual == 0 {
		usual = usualWeight
	}
	l := s.cfg.Limits
	return &packagesv1.PackageLimitsSpec{
		MemoryBytes: pick(chosen.GetMemoryBytes(), declared.GetMemoryBytes(), l.Memory, nil),
		CpuMillis:   uint32(pick(uint64(chosen.GetCpuMillis()), uint64(declared.GetCpuMillis()), l.CPU, nil)),
		Processes:   uint32(pick(uint64(chosen.GetProcesses()), uint64(declared.GetProcesses()), l.PIDs, nil)),
		IoWeight:    uint32(pick(uint64(chosen.GetIoWeight()), uint64(declared.GetIoWeight()), usual, can.IOWeight)),
		ReadRate:    pick(chosen.GetReadRate(), declared.GetReadRate(), 0, can.IORate),
		WriteRate:   pick(chosen.GetWriteRate(), declared.GetWriteRate(), 0, can.IORate),
		DiskBytes:   pick(chosen.GetDiskBytes(), declared.GetDiskBytes(), 0, s.quotas.Unsupported()),
	}
}

// usualWeight is the share of disks of a service for which nobody chose one.
const usualWeight = 100

// unbounded tells what this machine cannot bound for a service, by field, and why.
func (s *Service) unbounded() map[string]error {
	out := map[string]error{}
	can := s.containers.Abilities(s.cfg.Disk)
	for field, why := range map[string]error{
		"io_weight": can.IOWeight, "read_rate": can.IORate, "write_rate": can.IORate, "disk_bytes": s.quotas.Unsupported(),
	} {
		if why != nil {
			out[field] = why
		}
	}
	return out
}

// SetLimits changes what a package may use. What this machine cannot bound is refused.
func (s *Service) SetLimits(ctx context.Context, now time.Time, req *packagesv1.SetPackageLimitsRequest) (row *packagesv1.PackageLimits, err error) {
	pkg, unbounded := req.GetId(), s.unbounded()
	for field, n := range map[string]uint64{
		"io_weight": uint64(req.GetIoWeight()), "read_rate": req.GetReadRate(), "write_rate": req.GetWriteRate(), "disk_bytes": req.GetDiskBytes(),
	} {
		if why := unbounded[field]; n > 0 && why != nil {
			return nil, fault.New(metav1.Reason_REASON_LIMIT_UNSUPPORTED, "cannot bound the %s of %q: %s", field, pkg, why).
				With("package", pkg).With("what", field)
		}
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		if row, err = limitsRow(tx, pkg); err != nil {
			return err
		}
		spec := proto.CloneOf(row.GetSpec())
		if req.MemoryBytes != nil {
			spec.MemoryBytes = req.GetMemoryBytes()
		}
		if req.CpuMillis != nil {
			spec.CpuMillis = req.GetCpuMillis()
		}
		if req.Processes != nil {
			spec.Processes = req.GetProcesses()
		}
		if req.IoWeight != nil {
			spec.IoWeight = req.GetIoWeight()
		}
		if req.ReadRate != nil {
			spec.ReadRate = req.GetReadRate()
		}
		if req.WriteRate != nil {
			spec.WriteRate = req.GetWriteRate()
		}
		if req.DiskBytes != nil {
			spec.DiskBytes = req.GetDiskBytes()
		}
		row.Spec = spec
		return store.Put(tx, row)
	})
	return row, err
}

// LimitController puts limits in force on what runs. What starts has them from the beginning.
func (s *Service) LimitController() reconcile.Controller {
	return reconcile.Controller{
		Name: LimitControllerName, Area: "runner", Reads: []string{"artifact", "package", "container"}, Writes: []string{"packagelimits"},
		Drives: []string{"control groups", "quotas"},
		Sources: []reconcile.Source{{Selector: store.Selector{Kind: "packagelimits"}, Keys: func(c store.Change) []string {
			row, ok := c.Row.(*packagesv1.PackageLimits)
			if ok && row.GetStatus().GetObservedGeneration() == row.GetMeta().GetGeneration() {
				return nil
			}
			return []string{c.ID}
		}}},
		Reconcile: s.bound,
	}
}

// bound puts the limits of a package in force, and records that or why not.
func (s *Service) bound(ctx context.Context, pkg string) (time.Duration, error) {
	row, granted, err := s.granted(pkg)
	if err != nil || row == nil {
		return 0, err
	}
	var why *metav1.Fault
	failed := s.enforce(ctx, pkg, granted)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if failed != nil {
		failed = fault.New(metav1.Reason_REASON_LIMIT_FAILED, "the limits of %q are not in force: %w", pkg, failed).With("package", pkg)
		why = fault.Proto(failed)
	}
	_, err = s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		now, there, err := store.Lookup[*packagesv1.PackageLimits](tx, pkg)
		if err != nil || !there || now.GetMeta().GetGeneration() != row.GetMeta().GetGeneration() {
			return err // it was changed meanwhile, and that woke us
		}
		status := &packagesv1.PackageLimitsStatus{ObservedGeneration: row.GetMeta().GetGeneration(), Fault: why}
		if proto.Equal(now.GetStatus(), status) {
			return nil
		}
		now.Status = status
		return store.Put(tx, now)
	})
	return 0, errors.Join(failed, err)
}

// granted is what a package has beside what each gets, and the row of what was chosen for it, nil where nobody chose.
func (s *Service) granted(pkg string) (row *packagesv1.PackageLimits, spec *packagesv1.PackageLimitsSpec, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		found, there, err := store.Lookup[*packagesv1.PackageLimits](tx, pkg)
		if err != nil {
			return err
		}
		if there {
			row = found
		}
		says, err := declared(tx, pkg)
		spec = s.grant(row.GetSpec(), says)
		return err
	})
	return row, spec, err
}

// enforce bounds the container of a package, if one runs, and its files.
func (s *Service) enforce(ctx context.Context, pkg string, spec *packagesv1.PackageLimitsSpec) error {
	err := s.containers.Limit(pkg, s.limits(spec))
	if errors.Is(err, lxc.ErrNotRunning) {
		err = nil
	}
	container, missing := s.containerRow(pkg)
	if missing != nil || container.GetSpec().GetFirstUid() == 0 {
		return errors.Join(err, missing) // one that has had no container has no files
	}
	return errors.Join(err, s.boundFiles(ctx, ids.Package(pkg), container.GetSpec(), spec.GetDiskBytes()))
}

// boundFiles bounds what the data of a package and what its containers write beside them take on disk together.
func (s *Service) boundFiles(ctx context.Context, pkg ids.Package, spec *packagesv1.ContainerSpec, limit uint64) error {
	if s.quotas.Unsupported() != nil {
		return nil // nothing was chosen, or it was where there were quotas: then a person moved the data
	}
	sum := sha256.Sum256([]byte(s.cfg.Tag))
	id := uint32(binary.BigEndian.Uint16(sum[:]))<<16 | spec.GetFirstUid()/idmap.Range&0xffff
	return s.quotas.Bound(ctx, id, limit, filepath.Dir(s.volumes.Path(pkg, "x")), s.upperDir(string(pkg)))
}

// mountQuota has what the container writes counted and bounded, before it writes anything.
func (s *Service) mountQuota(ctx context.Context, a *assembly) error {
	_, granted, err := s.granted(string(a.pkg))
	if err != nil {
		return err
	}
	return s.boundFiles(ctx, a.pkg, a.spec, granted.GetDiskBytes())
}
