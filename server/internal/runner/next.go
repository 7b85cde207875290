package runner

import (
	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
)

// step is the one thing the runner does next for a service.
type step int

const (
	stepRest    step = iota // all is as wanted
	stepAbsent              // there is no container and none is wanted
	stepWait                // the package's code is busy with what an earlier daemon asked for, or still loading
	stepCreate              // make and start a container
	stepInit                // have the package's init run, or join it
	stepStart               // have the package's main run
	stepStop                // end the package's main
	stepExit                // have the package's uninit run, then destroy the container
	stepDestroy             // destroy the container without asking the package
)

// observed is what is true of a service right now.
type observed struct {
	alive    bool                // its container runs
	artifact string              // the file the container was made from
	rebuilds uint64              // the value of spec.rebuilds the container was made for
	phase    agentv1.State_Phase // what the package's code does
	why      string              // how the package's code ended, where it has
	stalled  string              // why the package's code does not answer, where it does not
	recorded bool                // status says that the init of this container has ended well
	parked   bool                // it was parked, and no init has succeeded since; artifact and rebuilds are then the parked one's where nothing is alive
	leaving  bool                // and this is the container that was to be ended for that
	asked    bool                // something asks for the container of a parked service
}

// next decides what to do for a service. It is a pure function, so that what the runner does after a crash is what
// it does always: look at what is wanted and what is, and take one step.
//
//	            create            init                start
//	no container ----> READY ------------> STOPPED ----------> RUNNING
//	     ^                                  |    ^               |
//	     |  exit (asks the package first)   |    |     stop      |
//	     +----------------------------------+    +---------------+
//	     |  destroy (the package's code is not there to be asked)
//	     +-------- READY, LOADING, EXITED, CRASHED
//
// A stop or an exit that an earlier daemon began is asked for again, which joins it: so it is given up after its time.
// An init that ended while no daemon was there to see it is repeated: the agent answers with how it ended.
//
// A container is stale when it was made from another file or before the newest wish for a new one, or when the
// package's code has ended; a stale one is left before anything else happens. A service whose main runs is left
// through stop: uninit runs over stopped daemons.
//
// A parked service rests without a container until something needs one: it is wanted otherwise, is asked for, or is
// removed, which takes its uninit. One that was being parked goes on to its end.
func next(spec *packagesv1.PackageSpec, status *packagesv1.PackageStatus, o observed) step {
	if !o.alive {
		return withoutContainer(spec, o)
	}
	if o.leaving {
		return leave(o.phase)
	}
	if comesUpToLeave(spec, o) {
		return comeUp(o.phase)
	}
	if absent(spec) || o.artifact != spec.GetArtifact() || o.rebuilds < spec.GetRebuilds() || ended(o.phase) {
		return leave(o.phase)
	}
	switch o.phase {
	case agentv1.State_PHASE_READY, agentv1.State_PHASE_INITIALIZING:
		return stepInit
	case agentv1.State_PHASE_STOPPED:
		if !o.recorded {
			return stepInit
		}
		if spec.GetDesired() == packagesv1.PackageSpec_DESIRED_RUNNING {
			return stepStart
		}
		return stepRest
	case agentv1.State_PHASE_RUNNING:
		if spec.GetDesired() != packagesv1.PackageSpec_DESIRED_RUNNING || spec.GetRestarts() > status.GetObservedRestarts() {
			return stepStop
		}
		return stepRest
	case agentv1.State_PHASE_STARTING:
		if notRunning(spec) {
			return stepStop // a main that hangs is ended too
		}
	case agentv1.State_PHASE_STOPPING:
		return stepStop
	}
	return stepWait
}

// withoutContainer is what comes next where no container is.
func withoutContainer(spec *packagesv1.PackageSpec, o observed) step {
	same := o.parked && o.artifact == spec.GetArtifact()
	switch {
	case o.leaving:
		return stepDestroy // what is left of it
	case absent(spec) && same && !spec.GetExitForce():
		return stepCreate
	case absent(spec):
		return stepAbsent
	case same && o.rebuilds >= spec.GetRebuilds() && notRunning(spec) && !o.asked:
		return stepRest
	}
	return stepCreate
}

// comesUpToLeave tells whether a parked service has its container only to have its uninit run in it.
func comesUpToLeave(spec *packagesv1.PackageSpec, o observed) bool {
	return o.parked && absent(spec) && !spec.GetExitForce() && o.artifact == spec.GetArtifact() && comeUp(o.phase) != stepRest
}

// comeUp is the way to an initialised container; stepRest: it is beyond that.
func comeUp(phase agentv1.State_Phase) step {
	switch phase {
	case agentv1.State_PHASE_LOADING:
		return stepWait
	case agentv1.State_PHASE_READY, agentv1.State_PHASE_INITIALIZING:
		return stepInit
	}
	return stepRest
}

// leave is the way to having no container.
func leave(phase agentv1.State_Phase) step {
	switch phase {
	case agentv1.State_PHASE_RUNNING, agentv1.State_PHASE_STARTING, agentv1.State_PHASE_STOPPING:
		return stepStop
	case agentv1.State_PHASE_STOPPED, agentv1.State_PHASE_EXITING:
		return stepExit
	}
	return stepDestroy
}

// ended tells whether the package's code will not answer any more.
func ended(phase agentv1.State_Phase) bool {
	return phase == agentv1.State_PHASE_EXITED || phase == agentv1.State_PHASE_CRASHED
}
