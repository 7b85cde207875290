package runner

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"github.com/hearthos/hearth/server/internal/store"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// assembly is a container being put together. The hooks below run in order; each is idempotent, and drop takes back
// what all of them did on the host.
type assembly struct {
	pkg    ids.Package
	spec   *packagesv1.ContainerSpec
	file   *s9pk.File
	path   string // of the package file
	layout *s9pk.Layout
	merged string // the container's root on the host
	ids    idmap.Map
}

// hook puts one thing into an assembly.
type hook struct {
	name string
	do   func(*Service, context.Context, *assembly) error
}

// hooks is the order in which a container is assembled.
func hooks() []hook {
	return []hook{
		{"root", (*Service).mountRoot},
		{"package code", (*Service).mountCode},
		{"images", (*Service).mountImages},
		{"volumes", (*Service).mountVolumes},
		{"quota", (*Service).mountQuota},
		{"compiled code", (*Service).mountCompiled},
		{"lock of the data", (*Service).mountLock},
		{"host programs", (*Service).mountPrograms},
		{"sockets", (*Service).mountSockets},
		{"names", (*Service).writeNames},
	}
}

// create makes the container of a package and starts it: what it is made from is committed first, so that a daemon
// that comes after a crash knows what it finds.
func (s *Service) create(ctx context.Context, row *packagesv1.Package) error {
	pkg := row.GetMeta().GetId()
	if err := s.volumes.Unheld(ids.Package(pkg)); err != nil {
		return err
	}
	// A container that ended by itself left its status behind.
	err := s.change(ctx, pkg, func(tx *store.Tx, now *packagesv1.Package) error {
		now.Status.State, now.Status.InitializedArtifact, now.Status.StartTime = packagesv1.PackageStatus_STATE_CREATING, "", nil
		return s.hooks.Stopped(tx, pkg)
	})
	if err != nil {
		return err
	}
	spec, err := s.assign(ctx, row)
	if err != nil {
		return err
	}
	if err := s.clear(ctx, pkg, compiledFor(spec)); err != nil {
		return err
	}
	if err := s.cfg.EnsureReach(ctx, pkg); err != nil {
		return err
	}
	c, err := s.assemble(ctx, ids.Package(pkg), spec, row.GetSpec().GetArtifact())
	if err != nil {
		return err
	}
	if _, err := s.attach(pkg, c, spec); err != nil {
		return err
	}
	return s.change(ctx, pkg, func(_ *store.Tx, now *packagesv1.Package) error {
		now.Status.Ipv4, now.Status.Ipv6, now.Status.Container = spec.GetIpv4(), spec.GetIpv6(), spec.GetInstance()
		return nil
	})
}

// assign gives a package its address and its ids, the first time, and every new container its own id.
func (s *Service) assign(ctx context.Context, row *packagesv1.Package) (*packagesv1.ContainerSpec, error) {
	bridge6, err := s.cfg.Bridge6()
	if err != nil {
		return nil, err
	}
	instance, err := ids.NewULID(s.clock(), rand.Reader)
	if err != nil {
		return nil, err
	}
	var spec *packagesv1.ContainerSpec
	_, err = s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		all, err := store.List[*packagesv1.Container](tx, "")
		if err != nil {
			return err
		}
		mine, ok, err := store.Lookup[*packagesv1.Container](tx, row.GetMeta().GetId())
		if err != nil {
			return err
		}
		if !ok {
			mine = &packagesv1.Container{Meta: &metav1.Meta{Id: row.GetMeta().GetId()}, Spec: &packagesv1.ContainerSpec{}}
			if mine.Spec.Ipv4, mine.Spec.FirstUid, err = s.allocate(all); err != nil {
				return err
			}
		}
		spec = mine.Spec
		if spec.Ipv6, err = address6(spec.GetIpv4(), bridge6); err != nil {
			return err
		}
		spec.Instance, spec.Artifact, spec.Rebuilds = string(instance), row.GetSpec().GetArtifact(), row.GetSpec().GetRebuilds()
		spec.Boot = s.cfg.Boot
		return store.Put(tx, mine)
	})
	return spec, err
}

// address6 is the IPv6 address that goes with one of IPv4; empty where services have none.
func address6(ipv4 string, bridge netip.Prefix) (string, error) {
	if !bridge.IsValid() {
		return "", nil
	}
	a, err := netip.ParseAddr(ipv4)
	if err != nil {
		return "", err
	}
	return netdev.Address6(bridge, a).String(), nil
}

// network is the container's end of the cable. Over IPv6 the machine is its only neighbour.
func (s *Service) network(pkg ids.Package, spec *packagesv1.ContainerSpec) (*lxc.Network, error) {
	address, err := netip.ParseAddr(spec.GetIpv4())
	if err != nil {
		return nil, err
	}
	n := &lxc.Network{
		Interface: InterfaceName(s.cfg.Tag, string(pkg)), Bridge: s.cfg.Bridge,
		Address: netip.PrefixFrom(address, s.cfg.BridgeAddress.Bits()), Gateway: s.cfg.BridgeAddress.Addr(),
		MAC: netdev.MAC(address),
	}
	if spec.GetIpv6() == "" {
		return n, nil
	}
	six, err := netip.ParseAddr(spec.GetIpv6())
	if err != nil {
		return nil, err
	}
	bridge, err := s.cfg.Bridge6()
	if err != nil {
		return nil, err
	}
	if bridge.IsValid() {
		n.Address6, n.Gateway6 = netip.PrefixFrom(six, six.BitLen()), bridge.Addr()
	}
	return n, nil
}

// allocate finds the lowest address and the lowest range of ids that no package has.
func (s *Service) allocate(all []*packagesv1.Container) (string, uint32, error) {
	addresses, uids := map[string]bool{}, map[uint32]bool{}
	for _, c := range all {
		addresses[c.GetSpec().GetIpv4()], uids[c.GetSpec().GetFirstUid()] = true, true
	}
	uid := s.cfg.FirstUID
	for uids[uid] {
		uid += idmap.Range
	}
	prefix := s.cfg.BridgeAddress
	last := broadcast(prefix)
	for a := prefix.Addr().Next(); prefix.Contains(a) && a != last; a = a.Next() {
		if !addresses[a.String()] {
			return a.String(), uid, nil
		}
	}
	return "", 0, fault.New(metav1.Reason_REASON_CONTAINER_FAILED, "no address is free on the bridge %s", prefix)
}

// broadcast is the last address of an IPv4 network, which no host may have.
func broadcast(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(a)
}

// assemble puts a container together and starts it. On the host only the folder in which container and daemon meet stays
// mounted, whether it succeeds or not: a running container holds its own copy of its mounts.
func (s *Service) assemble(ctx context.Context, pkg ids.Package, spec *packagesv1.ContainerSpec, artifact string) (lxc.Container, error) {
	file, f, err := s.openFile(artifact)
	if err != nil {
		return lxc.Container{}, err
	}
	defer f.Close()
	layout, err := file.Layout(Architecture())
	if err != nil {
		return lxc.Container{}, err
	}
	a := &assembly{
		pkg: pkg, spec: spec, file: file, path: f.Name(), layout: layout,
		merged: filepath.Join(s.serviceDir(string(pkg)), "merged"), ids: idmap.Base(spec.GetFirstUid()),
	}
	defer func() {
		lower := filepath.Join(s.serviceDir(string(pkg)), "lower")
		if err := errors.Join(s.mounts.UnmountBelow(a.merged), s.mounts.UnmountBelow(lower)); err != nil {
			s.log.WarnContext(ctx, "cannot take off the mounts of an assembly", "pkg", pkg, "error", err)
		}
	}()
	for _, h := range hooks() {
		err := h.do(s, ctx, a)
		if _, known := errors.AsType[*fault.Error](err); known {
			return lxc.Container{}, err
		}
		if err != nil {
			return lxc.Container{}, containerFailed(fmt.Errorf("cannot set up the %s of the container: %w", h.name, err))
		}
	}
	cable, err := s.network(pkg, spec)
	if err != nil {
		return lxc.Container{}, err
	}
	language, err := s.cfg.Language()
	if err != nil {
		return lxc.Container{}, err
	}
	given, err := devices(file.Manifest(), s.cfg.MachineRoot)
	if err != nil {
		return lxc.Container{}, err
	}
	_, granted, err := s.granted(string(pkg))
	if err != nil {
		return lxc.Container{}, err
	}
	c, err := s.containers.Start(ctx, lxc.Spec{
		Name: string(pkg), Rootfs: a.merged, IDBase: spec.GetFirstUid(), Hostname: string(pkg),
		Init: []string{"/usr/lib/hearth/agent", "init"},
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
			"LANG=" + language + ".UTF-8", "HEARTH_CONTAINER=" + spec.GetInstance(), "HEARTH_PACKAGE=" + string(pkg),
			"HEARTH_DATA_LOCK=" + lockPath,
		},
		Network:    cable,
		Devices:    given,
		Limits:     s.limits(granted),
		ConsoleLog: filepath.Join(s.serviceDir(string(pkg)), "console.log"),
	})
	if err != nil {
		return lxc.Container{}, containerFailed(err)
	}
	if _, now, err := s.granted(string(pkg)); err != nil || !proto.Equal(now, granted) {
		return c, errors.Join(err, s.enforce(ctx, string(pkg), now)) // what was chosen meanwhile found no container
	}
	return c, nil
}

// containerFailed is a fault that tells its cause to whom it is told: they mind the machine on which it failed, and have nobody to
// ask. The package does not hear of it, it has no container.
func containerFailed(err error) error {
	if errors.Is(err, unix.ENOSPC) {
		return fault.New(metav1.Reason_REASON_DISK_FULL, "%v", err)
	}
	return fault.New(metav1.Reason_REASON_CONTAINER_FAILED, "%v", err)
}

// InterfaceName is the name of the host's end of a container's network: at most 15 bytes, the same for a package at
// all times.
func InterfaceName(tag, pkg string) string {
	sum := sha256.Sum256([]byte(pkg))
	return "h" + tag + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// clear removes what an earlier container of the package left on the host, but for one entry of its upper folder, if one is named.
func (s *Service) clear(ctx context.Context, pkg, keep string) error {
	if err := s.mounts.UnmountBelow(s.serviceDir(pkg)); err != nil {
		return err
	}
	// What a container wrote may be deeper than one can have folders open.
	failed := tree.Remove(ctx, s.serviceDir(pkg))
	if keep == "" {
		return errors.Join(failed, tree.Remove(ctx, s.upperDir(pkg)))
	}
	left, err := os.ReadDir(s.upperDir(pkg))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(failed, err)
	}
	for _, entry := range left {
		if entry.Name() != keep {
			failed = errors.Join(failed, tree.Remove(ctx, filepath.Join(s.upperDir(pkg), entry.Name())))
		}
	}
	return failed
}

// compiledFor is the entry of a package's upper folder in which compiled code is kept: from one container to the next of the same
// file, until the package is rebuilt. It counts to what the package writes.
func compiledFor(spec *packagesv1.ContainerSpec) string {
	if spec.GetArtifact() == "" {
		return ""
	}
	return fmt.Sprintf("code-%s-%d", spec.GetArtifact(), spec.GetRebuilds())
}

// upperDir holds what containers and subcontainers of a package write outside of volumes; it lives as long as the
// container, but for what compiledFor names.
func (s *Service) upperDir(pkg string) string { return filepath.Join(s.cfg.StateDir, "upper", pkg) }

// destroy ends the container of a package, if there is one, and removes what it left. Volumes stay.
func (s *Service) destroy(ctx context.Context, pkg string) error {
	if err := s.foresee(ctx, pkg); err != nil {
		return err
	}
	if err := s.containers.Stop(ctx, pkg, stopGrace); err != nil {
		return fmt.Errorf("cannot end the container of %q: %w", pkg, err)
	}
	s.detach(pkg)
	keep, err := s.keeps(pkg)
	if err != nil {
		return err
	}
	if err := s.clear(ctx, pkg, keep); err != nil {
		return err
	}
	address, address6 := "", ""
	_, err = s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Container](tx, pkg)
		if err == nil && row.GetSpec().GetParked() != nil {
			address, address6 = row.GetSpec().GetIpv4(), row.GetSpec().GetIpv6() // others find it as they find one that is stopped and not parked
		}
		if err != nil || !ok || row.GetSpec().GetInstance() == "" {
			return err
		}
		row.Spec.Instance, row.Spec.Artifact, row.Spec.Boot = "", "", ""
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	return s.change(ctx, pkg, func(tx *store.Tx, now *packagesv1.Package) error {
		now.Status.InitializedArtifact, now.Status.StartTime = "", nil
		now.Status.Ipv4, now.Status.Ipv6, now.Status.Container = address, address6, ""
		return s.hooks.Stopped(tx, pkg)
	})
}

// foresee records that the container is about to be ended: a daemon that dies with it must not leave the next one to count a crash.
func (s *Service) foresee(ctx context.Context, pkg string) error {
	_, err := s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Container](tx, pkg)
		if err != nil || !ok || row.GetSpec().GetBoot() == "" {
			return err
		}
		row.Spec.Boot = ""
		return store.Put(tx, row)
	})
	return err
}

// keeps is what stays of a container that is ended, for the next one; nothing where there is to be none.
func (s *Service) keeps(pkg string) (string, error) {
	row, err := s.row(pkg)
	if err != nil || row == nil || absent(row.GetSpec()) {
		return "", err
	}
	container, err := s.containerRow(pkg)
	return compiledFor(container.GetSpec()), err
}

// removeStray ends a container whose package is not installed: what a crash left of an uninstallation.
func (s *Service) removeStray(ctx context.Context, pkg string) error {
	if err := s.containers.Stop(ctx, pkg, stopGrace); err != nil {
		return err
	}
	s.detach(pkg)
	return s.clear(ctx, pkg, "")
}

// StopAll ends all containers after stopping their services in order: those that need others before those others. It is
// for the shutdown of the machine; what is wanted of the services stays as it is.
func (s *Service) StopAll(ctx context.Context) error {
	running, err := s.containers.List()
	if err != nil {
		return err
	}
	needs, err := s.needs()
	if err != nil {
		return err
	}
	var names []string
	for _, c := range running {
		names = append(names, c.Name)
	}
	var failed error
	for _, wave := range slices.Backward(waves(names, needs)) {
		results := make(chan error, len(wave))
		for _, pkg := range wave {
			go func() { results <- s.endInOrder(ctx, pkg) }()
		}
		for range wave {
			failed = errors.Join(failed, <-results)
		}
	}
	return failed
}

// endInOrder stops a service as its package would have it, and ends its container.
func (s *Service) endInOrder(ctx context.Context, pkg string) error {
	if h := s.handle(pkg); h != nil {
		stop := func(ctx context.Context) error { return h.agent.stop(ctx, "shutdown-"+h.spec.GetInstance()) }
		if err := within(ctx, stopPatience, nil, stop); err != nil {
			s.log.WarnContext(ctx, "cannot stop a service in order", "pkg", pkg, "error", err)
		}
	}
	return s.destroy(ctx, pkg)
}
