package install

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// newestSDK is the newest generation of the SDK whose packages run here; each later one may ask for what is not there.
const newestSDK = 2

// obstacles are what speaks against a file before anything is done with it, each as it would be refused; the first is
// the one that refuses.
func (s *Service) obstacles(ctx context.Context, art *packagesv1.Artifact, w Wish, request operation.Request) ([]error, error) {
	m, err := s9pk.ParseManifest(art.GetSpec().GetManifest())
	if err != nil {
		return nil, err
	}
	var list []error
	add := func(err error) {
		if err != nil {
			list = append(list, err)
		}
	}
	add(s.data.Whole(art.GetSpec().GetPackageId()))
	if request.Kind == KindInstall {
		add(s.mayTakeOver(art, w.AcceptSigner))
		data, err := s.willHave(art.GetSpec().GetPackageId(), w)
		if err != nil {
			return nil, err
		}
		add(mayGoOn(m, data))
	}
	add(runsHere(m))
	add(knownSDK(m))
	add(s.machine.Fits(m))
	err = s.store.View(func(tx *store.Tx) error {
		add(request.Prepare(tx))
		broken, err := s.broken(tx, art, m)
		if err == nil && !w.AcceptBreakage {
			add(broken)
		}
		if err == nil && w.Unattended {
			add(needsWord(tx, art, w))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	needed, free, err := s.room(ctx, art, w)
	if err == nil && needed > free {
		add(fault.New(metav1.Reason_REASON_DISK_FULL, "cannot install %q: it needs %s on disk and %s are free", art.GetSpec().GetPackageId(), fault.Bytes(needed), fault.Bytes(free)).
			With("package", art.GetSpec().GetPackageId()).With("needed", needed).With("free", free))
	}
	return list, err
}

// willHave is the version of the data with which an installation begins: of those that were kept, or of a backup.
func (s *Service) willHave(pkg string, w Wish) (string, error) {
	if w.RestoreFrom == "" {
		return s.data.Version(pkg)
	}
	folder, err := s.folder(w.RestoreFrom)
	if err != nil {
		return "", err
	}
	return folder.Look(pkg)
}

// needsWord refuses an update that changes what a person should decide about. Who signed it is looked at for all.
func needsWord(tx *store.Tx, art *packagesv1.Artifact, w Wish) error {
	plan := &packagesv1.InstallPlan{PackageId: art.GetSpec().GetPackageId()}
	if err := compare(tx, art, plan); err != nil {
		return err
	}
	var changes []string
	if w.Listed == nil || plan.GetFromRegistry() != w.Listed.Registry {
		changes = append(changes, "registry")
	}
	if plan.GetOtherFlavor() {
		changes = append(changes, "flavor")
	}
	if slices.ContainsFunc(plan.GetPermissionsAdded(), func(p *packagesv1.Permission) bool { return p.GetKind() != packagesv1.Permission_KIND_VOLUME }) {
		changes = append(changes, "permissions")
	}
	if len(changes) == 0 {
		return nil
	}
	return fault.New(metav1.Reason_REASON_UPDATE_NEEDS_WORD, "the update of %q to %s changes what somebody should decide about: %s",
		plan.GetPackageId(), art.GetSpec().GetVersion(), strings.Join(changes, ", ")).
		With("package", plan.GetPackageId()).With("version", art.GetSpec().GetVersion()).With("changes", strings.Join(changes, ","))
}

// runsHere refuses a package whose code is of a kind that nothing here runs.
func runsHere(m *s9pk.Manifest) error {
	if !m.ForOldOS() {
		return nil
	}
	return fault.New(metav1.Reason_REASON_PACKAGE_OS_TOO_OLD, "cannot install %q: it was made for StartOS %s, and code of packages from before StartOS 0.3 does not run here", m.ID, m.OSVersion).
		With("package", string(m.ID)).With("os", m.OSVersion.String())
}

// knownSDK refuses a package that was written with an SDK of a later generation.
func knownSDK(m *s9pk.Manifest) error {
	if m.SDKVersion == nil {
		return nil
	}
	major, _, _ := strings.Cut(m.SDKVersion.String(), ".")
	if len(major) == 1 && major[0] <= '0'+newestSDK {
		return nil
	}
	return fault.New(metav1.Reason_REASON_PACKAGE_SDK_NEWER, "cannot install %q: it was written with version %s of the SDK, and packages run here that were written with up to %d.x", m.ID, m.SDKVersion, newestSDK).
		With("package", string(m.ID)).With("sdk", m.SDKVersion.String())
}

// room is how much of the disk an installation needs, and how much is free: the snapshot of the data, where it is a copy,
// and a reserve. An uploaded file is there already, and another is made of one that has to be converted; one of a registry is
// still to be fetched.
func (s *Service) room(ctx context.Context, art *packagesv1.Artifact, w Wish) (needed, free uint64, err error) {
	if free, err = s.machine.Room(); err != nil {
		return 0, 0, err
	}
	needed, err = s.data.SnapshotRoom(ctx, art.GetSpec().GetPackageId())
	switch {
	case w.Listed != nil:
		needed += art.GetSpec().GetSize()
	case s.artifacts.NeedsConversion(art):
		needed += 2 * art.GetSpec().GetSize() // its images as files, and the file they go into
	}
	return needed, free, err
}

// broken is a fault that names the installed packages that need this one in a version which the new one is not, and
// have had it so far; nil where there are none.
func (s *Service) broken(tx *store.Tx, art *packagesv1.Artifact, m *s9pk.Manifest) (error, error) {
	pkg := art.GetSpec().GetPackageId()
	row, there, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err != nil || !there {
		return nil, err
	}
	have, err := store.Get[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
	if err != nil {
		return nil, err
	}
	old, err := s9pk.ParseManifest(have.GetSpec().GetManifest())
	if err != nil {
		return nil, err
	}
	needs, err := dependents(tx, pkg)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range needs {
		if within(d.GetSpec().GetVersionRange(), old) && !within(d.GetSpec().GetVersionRange(), m) {
			names = append(names, ids.Parent(d.GetMeta().GetId())+" ("+d.GetSpec().GetVersionRange()+")")
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	return fault.New(metav1.Reason_REASON_DEPENDENT_BROKEN, "cannot replace %s %s by %s: packages need another version of it: %s", pkg, row.GetSpec().GetVersion(), m.Version, strings.Join(names, ", ")).
		With("package", pkg).With("dependents", strings.Join(names, ", ")), nil
}

// dependents are the rows by which other packages need this one.
func dependents(tx *store.Tx, pkg string) ([]*packagesv1.Dependency, error) {
	rows, err := store.List[*packagesv1.Dependency](tx, "")
	return slices.DeleteFunc(rows, func(d *packagesv1.Dependency) bool {
		return ids.Parent(d.GetMeta().GetId())+"/"+pkg != d.GetMeta().GetId()
	}), err
}

// within tells whether a version of a package, or one it says it is as good as, is in a range.
func within(text string, m *s9pk.Manifest) bool {
	r, err := exver.ParseRange(text)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(append([]exver.Version{m.Version}, m.Satisfies...), func(v exver.Version) bool { return v.Satisfies(r) })
}

// Plan tells what an installation would do, and begins nothing. The ticket stays good, and nothing of a file in a registry
// is kept.
func (s *Service) Plan(ctx context.Context, w Wish) (*packagesv1.InstallPlan, error) {
	if w.Listed != nil {
		r, err := s.resolve(ctx, *w.Listed)
		if err != nil {
			return nil, err
		}
		plan, err := s.planned(ctx, w.from(r), r.art)
		if err == nil {
			plan.ToRegistry = r.registry
		}
		return plan, err
	}
	s.claims.Lock()
	defer s.claims.Unlock()
	if err := s.artifacts.Claim(w.Ticket, w.ID); err != nil {
		return nil, err
	}
	art, err := s.artifacts.Inspect(ctx, w.ID)
	if err != nil {
		return nil, errors.Join(err, s.artifacts.Unclaim(w.Ticket, w.ID))
	}
	plan, err := s.planned(ctx, w, art)
	return plan, errors.Join(err, s.artifacts.Unclaim(w.Ticket, w.ID))
}

func (s *Service) planned(ctx context.Context, w Wish, art *packagesv1.Artifact) (*packagesv1.InstallPlan, error) {
	request, err := s.plan(w, art)
	if err != nil {
		return nil, err
	}
	list, err := s.obstacles(ctx, art, w, request)
	if err != nil {
		return nil, err
	}
	pkg := art.GetSpec().GetPackageId()
	plan := &packagesv1.InstallPlan{
		PackageId: pkg, Title: art.GetSpec().GetTitle(), FromVersion: request.Parameters[paramFrom], ToVersion: art.GetSpec().GetVersion(),
	}
	for _, obstacle := range list {
		plan.Obstacles = append(plan.Obstacles, fault.Proto(obstacle))
	}
	if plan.DataVersion, err = s.data.Version(pkg); err != nil {
		return nil, err
	}
	if plan.BytesNeeded, plan.BytesFree, err = s.room(ctx, art, w); err != nil {
		return nil, err
	}
	return plan, s.store.View(func(tx *store.Tx) error { return compare(tx, art, plan) })
}

// compare fills in what is told by what is installed.
func compare(tx *store.Tx, art *packagesv1.Artifact, plan *packagesv1.InstallPlan) error {
	m, err := s9pk.ParseManifest(art.GetSpec().GetManifest())
	if err != nil {
		return err
	}
	old := &s9pk.Manifest{}
	row, there, err := store.Lookup[*packagesv1.Package](tx, plan.GetPackageId())
	if err != nil {
		return err
	}
	if there {
		have, err := store.Get[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
		if err != nil {
			return err
		}
		if old, err = s9pk.ParseManifest(have.GetSpec().GetManifest()); err != nil {
			return err
		}
		plan.FromRegistry, plan.OtherFlavor = row.GetSpec().GetRegistry(), flavor(old.Version) != flavor(m.Version)
		if wantsRunning(row) {
			plan.Stopped = append(plan.Stopped, plan.GetPackageId())
		}
	}
	before, after := permissions(old), permissions(m)
	plan.PermissionsAdded, plan.PermissionsRemoved = without(after, before), without(before, after)
	if there {
		plan.PermissionsAdded = beyond(plan.PermissionsAdded, old.Hearth.Reach())
		plan.PermissionsRemoved = beyond(plan.PermissionsRemoved, m.Hearth.Reach())
	}
	needs, err := dependents(tx, plan.GetPackageId())
	for _, d := range needs {
		plan.Dependents = append(plan.Dependents, ids.Parent(d.GetMeta().GetId()))
	}
	for _, id := range slices.Sorted(maps.Keys(m.Dependencies)) {
		other, _, look := store.Lookup[*packagesv1.Package](tx, string(id))
		err = errors.Join(err, look)
		d := &packagesv1.PlannedDependency{PackageId: string(id), Optional: m.Dependencies[id].Optional, InstalledVersion: other.GetSpec().GetVersion()}
		if text := m.Dependencies[id].Description; text != nil {
			d.Description = text.In("en_US")
		}
		plan.Dependencies = append(plan.Dependencies, d)
	}
	return err
}

func flavor(v exver.Version) string {
	name, _ := v.Flavor()
	return name
}

// permissions are what a package may do by its manifest, in a lasting order.
func permissions(m *s9pk.Manifest) (list []*packagesv1.Permission) {
	add := func(has bool, kind packagesv1.Permission_Kind, target string) {
		if has {
			list = append(list, &packagesv1.Permission{Kind: kind, Target: target})
		}
	}
	add(m.HardwareAcceleration, packagesv1.Permission_KIND_HARDWARE_ACCELERATION, "")
	add(m.UserspaceFilesystems, packagesv1.Permission_KIND_USERSPACE_FILESYSTEMS, "")
	add(m.VirtualNetworking, packagesv1.Permission_KIND_VIRTUAL_NETWORKING, "")
	for _, id := range slices.Sorted(maps.Keys(m.Dependencies)) {
		add(true, packagesv1.Permission_KIND_DEPENDENCY, string(id))
	}
	for _, p := range m.Plugins {
		add(true, packagesv1.Permission_KIND_PLUGIN, p)
	}
	for _, v := range m.Volumes {
		add(true, packagesv1.Permission_KIND_VOLUME, string(v))
	}
	if m.ID == "" {
		return list // nothing is installed
	}
	for _, permission := range []string{s9pk.PermissionMail, s9pk.PermissionNotifications, s9pk.PermissionCertificates, s9pk.PermissionPackages} {
		add(m.Hearth.Asks(permission), packagesv1.Permission_KIND_SERVER_FEATURE, permission)
	}
	for _, target := range m.Hearth.Reach().Targets() {
		add(true, packagesv1.Permission_KIND_NETWORK, target)
	}
	return list
}

// Permissions answers what a package may do by the manifest of its file; nothing where it cannot be read.
func Permissions(art *packagesv1.Artifact) []*packagesv1.Permission {
	m, err := s9pk.ParseManifest(art.GetSpec().GetManifest())
	if err != nil {
		return nil
	}
	return permissions(m)
}

// beyond leaves out the networks that are reached anyway.
func beyond(list []*packagesv1.Permission, reach s9pk.Reach) []*packagesv1.Permission {
	return slices.DeleteFunc(list, func(p *packagesv1.Permission) bool {
		return p.GetKind() == packagesv1.Permission_KIND_NETWORK && reach.Covers(p.GetTarget())
	})
}

// without are those of a list that another does not have.
func without(list, other []*packagesv1.Permission) (rest []*packagesv1.Permission) {
	for _, p := range list {
		if !slices.ContainsFunc(other, func(o *packagesv1.Permission) bool {
			return o.GetKind() == p.GetKind() && o.GetTarget() == p.GetTarget()
		}) {
			rest = append(rest, p)
		}
	}
	return rest
}
