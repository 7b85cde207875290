package runner

import (
	"context"
	"fmt"
	"sync"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// A stopped service costs no process for long: when nothing has asked for its container for a while it is parked. That is
// written down first, with what the package's code waits for, and then the code cleans up and the container is ended, as for
// a rebuild. The next container's init reads again whatever the last one had read.
//
//	container up, stopped ──quiet for a while──▶ being parked ──container gone──▶ parked
//	        ▲                                                                       │ start, action, backup, uninstall,
//	        └──────────── init ──── create ◀────────────────────────────────────────┘ or a value waited for is another
//
// Code that does anything but wait for values is not parked: it watches files, holds a timer or a connection, or has left a
// process behind. Nor is one whose agent cannot tell, being of an earlier release.

// Bounds of what a container may have the daemon wait for.
const (
	maxWaits       = 256
	maxWaitRequest = 16 << 10
	maxEtag        = 256
	// waitAgain is the pause after a wait that failed, as when the store is busy.
	waitAgain = 30 * time.Second
)

// parkIfQuiet parks a service that is stopped and is as wanted, when nothing has asked for its container for long enough;
// else it answers after which time to look again.
func (s *Service) parkIfQuiet(ctx context.Context, pkg string) (time.Duration, error) {
	row, err := s.row(pkg)
	if err != nil || row == nil || !stopsHere(row) {
		return 0, err
	}
	h := s.handle(pkg)
	if h == nil {
		return 0, nil // it is parked
	}
	asked, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	told, err := h.agent.client.Idle(asked, &agentv1.IdleRequest{})
	if err != nil {
		if status.Code(err) == codes.Unimplemented {
			return 0, nil
		}
		s.log.DebugContext(ctx, "a stopped service does not tell whether it is idle", "pkg", pkg, "error", err)
		return s.cfg.ParkAfter, nil
	}
	waits, busy := waitsOf(told)
	if busy != "" {
		s.log.DebugContext(ctx, "a stopped service keeps its container", "pkg", pkg, "reason", plain(busy))
		return s.cfg.ParkAfter, nil
	}
	if left := s.cfg.ParkAfter - told.GetQuiet().AsDuration(); left > 0 {
		return left, nil
	}
	if left := s.leave(h); left > 0 {
		return left, nil
	}
	s.log.InfoContext(ctx, "nothing asks for the container of a stopped service; it is ended", "pkg", pkg)
	err = s.changeContainer(ctx, pkg, func(spec *packagesv1.ContainerSpec) {
		spec.Parked = &packagesv1.Parked{
			Container: h.spec.GetInstance(), Artifact: h.spec.GetArtifact(), Rebuilds: h.spec.GetRebuilds(), Waits: waits,
		}
	})
	if err != nil {
		s.stay(h)
		return 0, err
	}
	return s.bring(ctx, pkg)
}

// stopsHere tells whether a service is stopped, for good as far as is known.
func stopsHere(row *packagesv1.Package) bool {
	return row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_STOPPED && row.GetSpec().GetOperation() == "" &&
		row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_STOPPED
}

// waitsOf takes what an agent says that its package waits for; it is foreign.
func waitsOf(told *agentv1.IdleResponse) (waits []*packagesv1.ParkedWait, busy string) {
	if told.GetBusy() != "" {
		return nil, told.GetBusy()
	}
	if len(told.GetWaits()) > maxWaits {
		return nil, "it waits for too much"
	}
	for _, w := range told.GetWaits() {
		if len(w.GetRequest()) > maxWaitRequest || len(w.GetEtag()) > maxEtag || len(w.GetEffect()) > maxEtag {
			return nil, "what it waits for is too long"
		}
		waits = append(waits, &packagesv1.ParkedWait{Effect: w.GetEffect(), Request: w.GetRequest(), Etag: w.GetEtag()})
	}
	return waits, ""
}

// leave marks a container as one that nobody may begin to use; if somebody uses it, or did a short while ago, it answers when
// to look again.
func (s *Service) leave(h *handle) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uses[h.pkg] > 0 {
		return s.cfg.ParkAfter
	}
	if left := s.cfg.ParkAfter - time.Since(h.used); left > 0 {
		return left
	}
	h.leaving = true
	return 0
}

// stay takes leave back.
func (s *Service) stay(h *handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.leaving = false
}

// use answers the handle of a package's container, which stays until release is called, and brings one up where the package
// is parked. Any other without a container is refused.
func (s *Service) use(ctx context.Context, pkg string) (h *handle, release func(), err error) {
	s.mu.Lock()
	s.uses[pkg]++
	s.mu.Unlock()
	done := sync.OnceFunc(func() { s.used(pkg) })
	defer func() {
		if err != nil {
			done() // what is returned with the error is nil
		}
	}()
	watcher, err := s.store.Watch(store.WatchOptions{From: s.store.Revision(), Selectors: []store.Selector{{Kind: "package", ID: pkg}, {Kind: "container", ID: pkg}}})
	if err != nil {
		return nil, nil, err
	}
	for woken := false; ; woken = true {
		row, parked, err := s.parkedRow(pkg)
		if err != nil {
			return nil, nil, err
		}
		h, leaving := s.present(pkg)
		if h != nil && !leaving && !parked {
			return h, done, nil
		}
		if row == nil || !parked && !leaving {
			return nil, nil, errGone(pkg)
		}
		if !woken {
			s.wake(pkg)
		} else if row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_FAILED {
			return nil, nil, fault.FromProto(row.GetStatus().GetFault())
		}
		if _, err := watcher.Next(ctx); err != nil {
			return nil, nil, err
		}
	}
}

// used says that somebody has done with a package's container.
func (s *Service) used(pkg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uses[pkg]--; s.uses[pkg] == 0 {
		delete(s.uses, pkg)
	}
	if h := s.live[pkg]; h != nil {
		h.used = time.Now()
	}
}

// present is the live handle of a package, or nil, and whether it is going.
func (s *Service) present(pkg string) (h *handle, leaving bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h = s.live[pkg]
	return h, h != nil && h.leaving
}

// awaited tells whether something asks for the container of a parked package.
func (s *Service) awaited(pkg string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uses[pkg] > 0 || s.fired[pkg]
}

func (s *Service) parkedRow(pkg string) (row *packagesv1.Package, parked bool, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		var ok bool
		var err error
		if row, ok, err = store.Lookup[*packagesv1.Package](tx, pkg); err != nil || !ok {
			row = nil
			return err
		}
		container, _, err := store.Lookup[*packagesv1.Container](tx, pkg)
		parked = container.GetSpec().GetParked() != nil
		return err
	})
	return row, parked, err
}

// watchParked waits in the place of the code of a parked package, and wakes it when a value is another than the one that the
// code had seen. It is watched once, whoever asks for it how often.
func (s *Service) watchParked(pkg string) error {
	row, err := s.containerRow(pkg)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watches[pkg] != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(s.background)
	s.watches[pkg] = cancel
	for _, w := range row.GetSpec().GetParked().GetWaits() {
		s.group.Go(func() {
			if s.changes(ctx, pkg, w) {
				s.log.InfoContext(ctx, "a value that a parked package waited for has changed", "pkg", pkg, "effect", w.GetEffect())
				s.fire(ctx, pkg)
				s.wake(pkg)
			}
		})
	}
	return nil
}

// fire has a parked package come up, unless it was up meanwhile.
func (s *Service) fire(ctx context.Context, pkg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() == nil {
		s.fired[pkg] = true
	}
}

// changes returns when a value has changed, or with false when ctx has ended or the value cannot be waited for.
func (s *Service) changes(ctx context.Context, pkg string, w *packagesv1.ParkedWait) bool {
	for {
		err := s.hooks.Changed(ctx, pkg, w)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			return true
		}
		s.log.WarnContext(ctx, "cannot wait in the place of a parked package", "pkg", pkg, "effect", w.GetEffect(), "error", err)
		if fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) || !rest(ctx, waitAgain) {
			return false
		}
	}
}

// unwatch ends watchParked: the package's own code does it again, or never will.
func (s *Service) unwatch(pkg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.watches[pkg]; cancel != nil {
		cancel()
	}
	delete(s.watches, pkg)
	delete(s.fired, pkg)
}

// changeContainer changes what is kept of a package's container, if something is.
func (s *Service) changeContainer(ctx context.Context, pkg string, fn func(*packagesv1.ContainerSpec)) error {
	_, err := s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Container](tx, pkg)
		if err != nil || !ok {
			return err
		}
		fn(row.Spec)
		return store.Put(tx, row)
	})
	if err != nil {
		return fmt.Errorf("cannot write down what becomes of the container of %q: %w", pkg, err)
	}
	return nil
}

// forgetParked says that nothing is left of which a next container would be the continuation.
func forgetParked(tx *store.Tx, pkg string) error {
	row, ok, err := store.Lookup[*packagesv1.Container](tx, pkg)
	if err != nil || !ok || row.GetSpec().GetParked() == nil {
		return err
	}
	row.Spec.Parked = nil
	return store.Put(tx, row)
}
