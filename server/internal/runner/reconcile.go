package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Time the runner gives containers and packages.
const (
	agentPatience = 2 * time.Minute        // for a new container's agent to answer
	loadPatience  = 2 * time.Minute        // for the package's code to be loaded
	stopGrace     = 10 * time.Second       // for a container's processes to end by themselves
	recheck       = 500 * time.Millisecond // before looking again at code that is busy
)

// reconcile takes one service to what is wanted of it, when its turn has come.
func (s *Service) reconcile(ctx context.Context, pkg string) (time.Duration, error) {
	if wait := s.booting.admit(pkg, s.clock()); wait > 0 {
		row, err := s.row(pkg)
		if err != nil || row != nil && !notRunning(row.GetSpec()) {
			return wait, err
		}
		// It is no longer wanted: nothing of it has to wait.
	}
	after, err := s.bring(ctx, pkg)
	settled := after == 0
	if settled && err == nil && s.cfg.ParkAfter > 0 {
		after, err = s.parkIfQuiet(ctx, pkg)
	}
	if settled || err != nil {
		for _, next := range s.booting.done(pkg) {
			s.wake(next)
		}
	}
	return after, err
}

// bring takes one service to what is wanted of it. A step that fails is reported in the status and tried again by the
// controller's back-off.
func (s *Service) bring(ctx context.Context, pkg string) (time.Duration, error) {
	for {
		row, err := s.row(pkg)
		if err != nil {
			return 0, err
		}
		if row == nil || notRunning(row.GetSpec()) {
			ctx = store.WithUrgency(ctx) // what fills a disk must end on a full one
		}
		if row == nil {
			return 0, s.removeStray(ctx, pkg)
		}
		o, err := s.observe(ctx, pkg)
		if err != nil {
			return 0, s.report(ctx, row, err)
		}
		o.recorded = o.alive && row.GetStatus().GetInitializedArtifact() == o.artifact && row.GetStatus().GetObservedRebuilds() == o.rebuilds
		step := next(row.GetSpec(), row.GetStatus(), o)
		switch step {
		case stepRest, stepAbsent:
			if step == stepRest && !o.alive {
				if err := s.watchParked(pkg); err != nil {
					return 0, err
				}
			}
			return 0, s.settle(ctx, row, o, step)
		case stepWait:
			if h := s.handle(pkg); h != nil {
				h.awaited.Store(true)
			}
			return recheck, s.note(ctx, row, stateOf(o.phase))
		case stepCreate:
			if rest, err := s.recover(ctx, row); err != nil || rest > 0 {
				return rest, err
			}
		}
		if step == stepStart && !row.GetSpec().GetPastTasks() {
			if blocked := s.gate(pkg); blocked != nil {
				s.log.InfoContext(ctx, "service waits for a task", "pkg", pkg, "reason", blocked.Error())
				return 0, s.settle(ctx, row, o, stepRest)
			}
		}
		if err := s.take(ctx, step, row, o); err != nil && !errors.Is(err, errUnwanted) {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			return 0, s.report(ctx, row, err)
		}
	}
}

// gate asks whether the service may start.
func (s *Service) gate(pkg string) error {
	return s.store.View(func(tx *store.Tx) error { return s.hooks.Gate(tx, pkg) })
}

// observe looks at the container and asks its agent.
func (s *Service) observe(ctx context.Context, pkg string) (observed, error) {
	row, err := s.containerRow(pkg)
	if err != nil {
		return observed{}, err
	}
	parked := row.GetSpec().GetParked()
	leaving := parked != nil && parked.GetContainer() == row.GetSpec().GetInstance()
	c, err := s.containers.Adopt(pkg)
	if errors.Is(err, lxc.ErrNotRunning) {
		s.detach(pkg)
		if parked == nil {
			return observed{}, nil
		}
		return observed{
			parked: true, leaving: leaving, asked: s.awaited(pkg), phase: agentv1.State_PHASE_STOPPED,
			artifact: parked.GetArtifact(), rebuilds: parked.GetRebuilds(),
		}, nil
	}
	if err != nil {
		return observed{}, err
	}
	if row.GetSpec().GetInstance() == "" {
		// Started by a daemon that died before it could record so: nothing is known of it, and nothing is lost with it.
		return observed{alive: true, phase: agentv1.State_PHASE_CRASHED, why: "a daemon that died had begun its container"}, nil
	}
	h, err := s.attach(pkg, c, row.GetSpec())
	if err != nil {
		return observed{}, err
	}
	if h.silent.Load() {
		return observed{alive: true, phase: agentv1.State_PHASE_CRASHED, why: "the agent in its container did not answer any more"}, nil
	}
	o := observed{alive: true, artifact: row.GetSpec().GetArtifact(), rebuilds: row.GetSpec().GetRebuilds(), parked: parked != nil, leaving: leaving}
	asked, cancel := context.WithTimeout(ctx, agentPatience)
	defer cancel()
	st, err := h.agent.fresh(asked)
	if err != nil {
		if ctx.Err() != nil {
			return observed{}, ctx.Err()
		}
		s.log.WarnContext(ctx, "the agent of a container does not answer", "pkg", pkg, "error", err)
		o.phase, o.why = agentv1.State_PHASE_CRASHED, "the agent in its container does not answer"
		return o, nil
	}
	o.phase, o.why, o.stalled = st.GetPhase(), "the package's code: "+st.GetExitReason(), st.GetStalled()
	if h.owner.Load() {
		return o, nil
	}
	owns, err := s.owns(c)
	if err != nil {
		return observed{}, err
	}
	if !owns {
		s.log.ErrorContext(ctx, "a container does not hold the data of its package and is ended", "pkg", pkg, "pid", c.InitPID)
		o.phase, o.why = agentv1.State_PHASE_CRASHED, "its container did not hold the data"
		return o, nil
	}
	h.owner.Store(true)
	return o, nil
}

// take carries out one step.
func (s *Service) take(ctx context.Context, step step, row *packagesv1.Package, o observed) error {
	pkg := row.GetMeta().GetId()
	switch step {
	case stepCreate:
		return s.create(ctx, row)
	case stepInit:
		return s.init(ctx, row, o)
	case stepStart:
		return s.start(ctx, row)
	case stepStop:
		return s.stop(ctx, row)
	case stepExit:
		return s.exit(ctx, row, o)
	case stepDestroy:
		if o.phase == agentv1.State_PHASE_CRASHED && !absent(row.GetSpec()) {
			if err := s.crashed(ctx, row, o.why, false); err != nil {
				return err
			}
		}
		return s.destroy(ctx, pkg)
	}
	return nil
}

func (s *Service) init(ctx context.Context, row *packagesv1.Package, o observed) error {
	pkg := row.GetMeta().GetId()
	if err := s.note(ctx, row, packagesv1.PackageStatus_STATE_INITIALIZING); err != nil {
		return err
	}
	h := s.handle(pkg)
	if h == nil {
		return errGone(pkg)
	}
	from := row.GetSpec().GetRestoreFrom()
	if from != "" && o.phase == agentv1.State_PHASE_READY { // one that runs has it
		if err := s.attachBackup(h, mount.Bind{Path: from}, true); err != nil {
			return err
		}
	}
	kind := map[packagesv1.PackageSpec_InitKind]string{
		packagesv1.PackageSpec_INIT_KIND_INSTALL: "install",
		packagesv1.PackageSpec_INIT_KIND_UPDATE:  "update",
		packagesv1.PackageSpec_INIT_KIND_RESTORE: "restore",
	}[row.GetSpec().GetInitKind()]
	err := s.whileWanted(ctx, row, absent, func(ctx context.Context) error { return h.agent.init(ctx, h.spec.GetInstance(), kind) })
	if fault.Is(err, metav1.Reason_REASON_SERVICE_NOT_READY) {
		asked, cancel := context.WithTimeout(ctx, answerLimit)
		st, _ := h.agent.fresh(asked)
		cancel()
		err = initFault(err, st)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errUnwanted) {
		// The agent would answer a second init of this container with the first one's result: the next try gets another.
		return errors.Join(err, s.destroy(ctx, pkg))
	}
	if err != nil {
		return err
	}
	if err := s.volumes.Secure(ids.Package(pkg)); err != nil {
		return err // else a power cut could leave an init that is recorded and whose files are empty
	}
	// From here on its code answers whoever asks, also for what follows.
	err = s.change(ctx, pkg, func(tx *store.Tx, now *packagesv1.Package) error {
		now.Status.State, now.Status.Fault = packagesv1.PackageStatus_STATE_STOPPED, nil
		return forgetParked(tx, pkg)
	})
	if err != nil {
		return err
	}
	s.unwatch(pkg)
	if from != "" {
		if err := s.detachBackup(h); err != nil {
			return err
		}
	}
	// Recorded last: until then the next turn, or the next daemon, comes here again.
	if err := s.hooks.Initialized(ctx, s.clock(), pkg); err != nil {
		return err
	}
	return s.change(ctx, pkg, func(_ *store.Tx, now *packagesv1.Package) error {
		now.Status.InitializedArtifact, now.Status.ObservedRebuilds = h.spec.GetArtifact(), h.spec.GetRebuilds()
		now.Status.Ipv4, now.Status.Ipv6, now.Status.Container = h.spec.GetIpv4(), h.spec.GetIpv6(), h.spec.GetInstance()
		return nil
	})
}

// initFault is why an init failed, of which the agent says no more than that it cannot be asked: code that ends its own
// program in the middle of it has failed, and is not to be waited for.
func initFault(err error, st *agentv1.State) error {
	if !ended(st.GetPhase()) {
		return err
	}
	return fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "the program of the package's code ended during its init: %s", plain(st.GetExitReason()))
}

func (s *Service) start(ctx context.Context, row *packagesv1.Package) error {
	pkg := row.GetMeta().GetId()
	if err := s.note(ctx, row, packagesv1.PackageStatus_STATE_STARTING); err != nil {
		return err
	}
	h := s.handle(pkg)
	if h == nil {
		return errGone(pkg)
	}
	event, err := ids.NewULID(s.clock(), rand.Reader)
	if err != nil {
		return err
	}
	if err := s.whileWanted(ctx, row, notRunning, func(ctx context.Context) error { return h.agent.start(ctx, string(event)) }); err != nil {
		return err
	}
	return s.change(ctx, pkg, func(_ *store.Tx, now *packagesv1.Package) error {
		now.Status.State = packagesv1.PackageStatus_STATE_RUNNING
		now.Status.StartTime = timestamppb.New(s.clock())
		now.Status.ObservedRestarts = row.GetSpec().GetRestarts()
		now.Status.Fault = nil
		return nil
	})
}

func (s *Service) stop(ctx context.Context, row *packagesv1.Package) error {
	pkg := row.GetMeta().GetId()
	began := time.Now()
	if err := s.note(ctx, row, packagesv1.PackageStatus_STATE_STOPPING); err != nil {
		return err
	}
	h := s.handle(pkg)
	if h == nil {
		return errGone(pkg)
	}
	event, err := ids.NewULID(s.clock(), rand.Reader)
	if err != nil {
		return err
	}
	err = s.untilForced(ctx, row, stopPatience, func(ctx context.Context) error { return h.agent.stop(ctx, string(event)) })
	if errors.Is(err, errHangs) {
		s.log.WarnContext(ctx, "a service does not stop; its container is ended", "pkg", pkg, "after", time.Since(began).Round(time.Second))
		return s.destroy(ctx, pkg)
	}
	if err != nil {
		return err
	}
	if err := s.volumes.Remember(ids.Package(pkg)); err != nil {
		return err
	}
	return s.change(ctx, pkg, func(tx *store.Tx, now *packagesv1.Package) error {
		now.Status.State = packagesv1.PackageStatus_STATE_STOPPED
		now.Status.StartTime = nil
		now.Status.ObservedRestarts = row.GetSpec().GetRestarts()
		return s.hooks.Stopped(tx, pkg)
	})
}

// exit has the package clean up and destroys the container. A package that is being removed keeps its container when
// its clean-up fails, unless that is forced; one that is rebuilt loses it all the same, since its data are safe and the
// next container's init brings them up to date.
func (s *Service) exit(ctx context.Context, row *packagesv1.Package, o observed) error {
	pkg, spec := row.GetMeta().GetId(), row.GetSpec()
	if !o.leaving || absent(spec) { // a service that is parked is stopped, all the while
		if err := s.note(ctx, row, packagesv1.PackageStatus_STATE_EXITING); err != nil {
			return err
		}
	}
	h := s.handle(pkg)
	if h == nil {
		return errGone(pkg)
	}
	// Each wish for an exit is an event of its own: the agent answers one it knows with the result it had.
	event := fmt.Sprintf("%s-exit-%d", h.spec.GetInstance(), row.GetMeta().GetGeneration())
	err := s.untilForced(ctx, row, exitPatience, func(ctx context.Context) error { return h.agent.exit(ctx, event, spec.GetExitTarget()) })
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errHangs) && absent(spec) && !spec.GetExitForce() {
			// Nothing can be asked of it any more: what is wanted next begins with a new container.
			hangs := fault.New(metav1.Reason_REASON_PACKAGE_CODE_TIMEOUT, "the clean-up of package %q did not end within %s", pkg, exitPatience)
			return errors.Join(hangs, s.destroy(ctx, pkg))
		}
		if absent(spec) && !spec.GetExitForce() {
			return err
		}
		s.log.WarnContext(ctx, "the clean-up of a package failed; its container goes all the same", "pkg", pkg, "error", err)
	} else if err := s.volumes.Secure(ids.Package(pkg)); err != nil {
		return err
	}
	if absent(spec) { // it has cleaned up for good
		if err := s.changeContainer(ctx, pkg, func(c *packagesv1.ContainerSpec) { c.Parked = nil }); err != nil {
			return err
		}
	}
	return s.destroy(ctx, pkg)
}

// settle records that there is nothing to do.
func (s *Service) settle(ctx context.Context, row *packagesv1.Package, o observed, step step) error {
	pkg := row.GetMeta().GetId()
	if step == stepAbsent {
		s.unwatch(pkg)
		if err := s.clear(ctx, pkg, ""); err != nil { // also what a container left that could not be made
			return err
		}
	}
	return s.change(ctx, pkg, func(tx *store.Tx, now *packagesv1.Package) error {
		st := now.GetStatus()
		st.ObservedGeneration = row.GetMeta().GetGeneration()
		if step == stepAbsent {
			now.Status = &packagesv1.PackageStatus{State: packagesv1.PackageStatus_STATE_ABSENT, ObservedGeneration: row.GetMeta().GetGeneration()}
			return errors.Join(forgetParked(tx, pkg), s.hooks.Stopped(tx, pkg))
		}
		st.State, st.Fault = stateOf(o.phase), nil
		if !o.alive { // it is parked
			st.InitializedArtifact, st.Container = "", ""
		}
		if o.phase == agentv1.State_PHASE_STOPPED {
			st.StartTime = nil
			st.ObservedRestarts = row.GetSpec().GetRestarts()
			return s.hooks.Stopped(tx, pkg)
		}
		if st.GetStartTime() == nil {
			st.StartTime = timestamppb.New(s.clock())
		}
		if o.stalled != "" {
			return s.stall(tx, pkg, st, stalledCode(o.stalled))
		}
		return nil
	})
}

// report records why a step failed and passes the error on, so that the controller tries again.
func (s *Service) report(ctx context.Context, row *packagesv1.Package, cause error) error {
	s.log.WarnContext(ctx, "cannot bring a service to what is wanted", "pkg", row.GetMeta().GetId(), "error", cause)
	err := s.change(store.WithUrgency(ctx), row.GetMeta().GetId(), func(_ *store.Tx, now *packagesv1.Package) error {
		now.Status.State = packagesv1.PackageStatus_STATE_FAILED
		now.Status.ObservedGeneration = row.GetMeta().GetGeneration()
		now.Status.Fault = fault.Proto(cause)
		return nil
	})
	return errors.Join(cause, err)
}

// note records what a service is doing now.
func (s *Service) note(ctx context.Context, row *packagesv1.Package, state packagesv1.PackageStatus_State) error {
	return s.change(ctx, row.GetMeta().GetId(), func(_ *store.Tx, now *packagesv1.Package) error {
		now.Status.State = state
		return nil
	})
}

// change changes the status of a package, if it is still there.
func (s *Service) change(ctx context.Context, pkg string, fn func(*store.Tx, *packagesv1.Package) error) error {
	_, err := s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		now, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if err != nil || !ok {
			return err
		}
		if now.Status == nil {
			now.Status = &packagesv1.PackageStatus{}
		}
		before := proto.CloneOf(now)
		if err := fn(tx, now); err != nil || proto.Equal(before, now) {
			return err
		}
		return store.Put(tx, now)
	})
	return err
}

func (s *Service) row(pkg string) (*packagesv1.Package, error) {
	var row *packagesv1.Package
	err := s.store.View(func(tx *store.Tx) error {
		found, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if ok {
			row = found
		}
		return err
	})
	return row, err
}

func errGone(pkg string) error {
	return fault.New(metav1.Reason_REASON_SERVICE_NOT_READY, "the container of %q has ended", pkg).With("package", pkg)
}

// stateOf is the state of a service whose code does this.
func stateOf(phase agentv1.State_Phase) packagesv1.PackageStatus_State {
	switch phase {
	case agentv1.State_PHASE_LOADING:
		return packagesv1.PackageStatus_STATE_CREATING
	case agentv1.State_PHASE_READY, agentv1.State_PHASE_INITIALIZING:
		return packagesv1.PackageStatus_STATE_INITIALIZING
	case agentv1.State_PHASE_STARTING:
		return packagesv1.PackageStatus_STATE_STARTING
	case agentv1.State_PHASE_RUNNING:
		return packagesv1.PackageStatus_STATE_RUNNING
	case agentv1.State_PHASE_STOPPING:
		return packagesv1.PackageStatus_STATE_STOPPING
	case agentv1.State_PHASE_EXITING, agentv1.State_PHASE_EXITED:
		return packagesv1.PackageStatus_STATE_EXITING
	}
	return packagesv1.PackageStatus_STATE_STOPPED
}
