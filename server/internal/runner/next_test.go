package runner

import (
	"testing"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"pgregory.net/rapid"
)

func TestNext(t *testing.T) {
	t.Parallel()
	running := &packagesv1.PackageSpec{Artifact: "a", Rebuilds: 1, Desired: packagesv1.PackageSpec_DESIRED_RUNNING}
	stopped := &packagesv1.PackageSpec{Artifact: "a", Rebuilds: 1, Desired: packagesv1.PackageSpec_DESIRED_STOPPED}
	absent := &packagesv1.PackageSpec{Artifact: "a", Rebuilds: 1, Desired: packagesv1.PackageSpec_DESIRED_ABSENT}
	forced := &packagesv1.PackageSpec{Artifact: "a", Rebuilds: 1, Desired: packagesv1.PackageSpec_DESIRED_ABSENT, ExitForce: true}
	in := func(phase agentv1.State_Phase) observed {
		return observed{alive: true, artifact: "a", rebuilds: 1, phase: phase, recorded: true}
	}
	parked := observed{parked: true, artifact: "a", rebuilds: 1}
	with := func(o observed, change func(*observed)) observed {
		change(&o)
		return o
	}
	leaving := func(o *observed) { o.parked, o.leaving = true, true }
	for name, c := range map[string]struct {
		spec *packagesv1.PackageSpec
		o    observed
		want step
	}{
		"nothing there, wanted":                  {stopped, observed{}, stepCreate},
		"nothing there, not wanted":              {absent, observed{}, stepAbsent},
		"code is loading":                        {running, in(agentv1.State_PHASE_LOADING), stepWait},
		"code is ready":                          {stopped, in(agentv1.State_PHASE_READY), stepInit},
		"init of an earlier daemon is joined":    {running, in(agentv1.State_PHASE_INITIALIZING), stepInit},
		"initialised, wanted running":            {running, in(agentv1.State_PHASE_STOPPED), stepStart},
		"initialised, wanted stopped":            {stopped, in(agentv1.State_PHASE_STOPPED), stepRest},
		"init ended while no daemon was there":   {running, observed{alive: true, artifact: "a", rebuilds: 1, phase: agentv1.State_PHASE_STOPPED}, stepInit},
		"start of an earlier daemon is awaited":  {running, in(agentv1.State_PHASE_STARTING), stepWait},
		"main hangs, wanted stopped":             {stopped, in(agentv1.State_PHASE_STARTING), stepStop},
		"main hangs, wanted gone":                {absent, in(agentv1.State_PHASE_STARTING), stepStop},
		"stop of an earlier daemon is joined":    {stopped, in(agentv1.State_PHASE_STOPPING), stepStop},
		"exit of an earlier daemon is joined":    {absent, in(agentv1.State_PHASE_EXITING), stepExit},
		"runs as wanted":                         {running, in(agentv1.State_PHASE_RUNNING), stepRest},
		"runs, wanted stopped":                   {stopped, in(agentv1.State_PHASE_RUNNING), stepStop},
		"runs, wanted gone":                      {absent, in(agentv1.State_PHASE_RUNNING), stepStop},
		"stopped, wanted gone":                   {absent, in(agentv1.State_PHASE_STOPPED), stepExit},
		"never initialised, wanted gone":         {absent, in(agentv1.State_PHASE_READY), stepDestroy},
		"init hangs, wanted gone":                {absent, in(agentv1.State_PHASE_INITIALIZING), stepDestroy},
		"uninit has ended":                       {absent, in(agentv1.State_PHASE_EXITED), stepDestroy},
		"code crashed":                           {running, in(agentv1.State_PHASE_CRASHED), stepDestroy},
		"made from another file":                 {running, observed{alive: true, artifact: "b", rebuilds: 1, phase: agentv1.State_PHASE_STOPPED, recorded: true}, stepExit},
		"a new container is wished for":          {running, observed{alive: true, artifact: "a", phase: agentv1.State_PHASE_RUNNING}, stepStop},
		"a wished-for container was made before": {running, observed{alive: true, artifact: "a", rebuilds: 1, phase: agentv1.State_PHASE_RUNNING}, stepRest},

		"parked, wanted stopped":               {stopped, parked, stepRest},
		"parked, wanted running":               {running, parked, stepCreate},
		"parked, asked for":                    {stopped, with(parked, func(o *observed) { o.asked = true }), stepCreate},
		"parked, another file":                 {stopped, with(parked, func(o *observed) { o.artifact = "b" }), stepCreate},
		"parked, a new container is wished":    {stopped, with(parked, func(o *observed) { o.rebuilds = 0 }), stepCreate},
		"parked, wanted gone":                  {absent, parked, stepCreate},
		"parked, wanted gone by force":         {forced, parked, stepAbsent},
		"parked, wanted gone, of another file": {absent, with(parked, func(o *observed) { o.artifact = "b" }), stepAbsent},
		"comes up to be removed, loads":        {absent, with(in(agentv1.State_PHASE_LOADING), func(o *observed) { o.parked = true }), stepWait},
		"comes up to be removed, is ready":     {absent, with(in(agentv1.State_PHASE_READY), func(o *observed) { o.parked = true }), stepInit},
		"comes up to be removed, initialised":  {absent, with(in(agentv1.State_PHASE_STOPPED), func(o *observed) { o.parked = true }), stepExit},
		"comes up to be removed, forced":       {forced, with(in(agentv1.State_PHASE_READY), func(o *observed) { o.parked = true }), stepDestroy},
		"being parked":                         {stopped, with(in(agentv1.State_PHASE_STOPPED), leaving), stepExit},
		"being parked, wanted running":         {running, with(in(agentv1.State_PHASE_EXITING), leaving), stepExit},
		"being parked, its code has ended":     {running, with(in(agentv1.State_PHASE_EXITED), leaving), stepDestroy},
		"being parked, nothing is left":        {running, with(parked, leaving), stepDestroy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := next(c.spec, &packagesv1.PackageStatus{}, c.o); got != c.want {
				t.Errorf("next = %d, want %d", got, c.want)
			}
		})
	}
	restart := &packagesv1.PackageSpec{Artifact: "a", Restarts: 2, Desired: packagesv1.PackageSpec_DESIRED_RUNNING}
	if got := next(restart, &packagesv1.PackageStatus{ObservedRestarts: 1}, in(agentv1.State_PHASE_RUNNING)); got != stepStop {
		t.Errorf("a wished-for restart: next = %d, want stop", got)
	}
}

// From every state, a machine that does what next says and never fails arrives at what is wanted, and stays.
func TestNextConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec := &packagesv1.PackageSpec{
			Artifact: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "artifact"),
			Rebuilds: rapid.Uint64Range(0, 2).Draw(t, "rebuilds"),
			Restarts: rapid.Uint64Range(0, 2).Draw(t, "restarts"),
			Desired:  packagesv1.PackageSpec_Desired(rapid.Int32Range(1, 3).Draw(t, "desired")),
		}
		status := &packagesv1.PackageStatus{}
		o := observed{
			alive: rapid.Bool().Draw(t, "alive"), artifact: "a",
			rebuilds: rapid.Uint64Range(0, 2).Draw(t, "container rebuilds"),
			phase:    agentv1.State_Phase(rapid.Int32Range(1, 10).Draw(t, "phase")),
			parked:   rapid.Bool().Draw(t, "parked"),
		}
		o.leaving = o.parked && rapid.Bool().Draw(t, "leaving")
		for range 20 {
			s := next(spec, status, o)
			if s == stepRest || s == stepAbsent {
				break
			}
			perform(s, spec, status, &o)
		}
		switch spec.GetDesired() {
		case packagesv1.PackageSpec_DESIRED_ABSENT:
			if o.alive {
				t.Fatalf("still alive: %+v", o)
			}
		case packagesv1.PackageSpec_DESIRED_RUNNING:
			if !o.alive || o.phase != agentv1.State_PHASE_RUNNING || o.artifact != spec.GetArtifact() {
				t.Fatalf("not running: %+v", o)
			}
		case packagesv1.PackageSpec_DESIRED_STOPPED:
			if o.alive == o.parked || o.alive && o.phase != agentv1.State_PHASE_STOPPED || o.artifact != spec.GetArtifact() {
				t.Fatalf("not stopped: %+v", o)
			}
		}
	})
}

// perform is the model of a machine on which every step succeeds.
func perform(s step, spec *packagesv1.PackageSpec, status *packagesv1.PackageStatus, o *observed) {
	switch s {
	case stepCreate:
		*o = observed{alive: true, artifact: spec.GetArtifact(), rebuilds: spec.GetRebuilds(), phase: agentv1.State_PHASE_READY, parked: o.parked}
	case stepDestroy, stepExit:
		*o = observed{parked: o.parked && !(s == stepExit && absent(spec)), artifact: o.artifact, rebuilds: o.rebuilds}
	case stepInit, stepStop:
		o.parked = o.parked && s != stepInit
		if s == stepStop {
			status.ObservedRestarts = spec.GetRestarts()
		}
		o.recorded = o.recorded || s == stepInit
		o.phase = agentv1.State_PHASE_STOPPED
	case stepStart:
		status.ObservedRestarts = spec.GetRestarts()
		o.phase = agentv1.State_PHASE_RUNNING
	case stepWait:
		o.phase = map[agentv1.State_Phase]agentv1.State_Phase{
			agentv1.State_PHASE_LOADING:  agentv1.State_PHASE_READY,
			agentv1.State_PHASE_STARTING: agentv1.State_PHASE_RUNNING,
			agentv1.State_PHASE_STOPPING: agentv1.State_PHASE_STOPPED,
			agentv1.State_PHASE_EXITING:  agentv1.State_PHASE_EXITED,
		}[o.phase]
	}
}
