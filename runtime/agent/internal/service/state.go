package service

import (
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
)

// activity is a call into the package that changes what it is doing.
type activity int

const (
	initializing activity = iota
	starting
	stopping
	exiting
	activities
)

// tracker holds what is known of the package's code and derives the phase from it:
//
//	            connected           init ok          start ok
//	LOADING ───────────────▶ READY ──────────▶ STOPPED ⇄ RUNNING       while a call runs: INITIALIZING, STARTING,
//	   └──────────────┬────────┴───────────┬──────┴───────┘ stop ok     STOPPING, EXITING; the last of them wins
//	     ended unasked▼                    ▼ended after exit or shutdown
//	               CRASHED              EXITED
//
// A call that fails leaves what was true before it. Ended is final.
type tracker struct {
	mu          sync.Mutex // guards all
	loaded      bool
	initialized bool
	running     bool
	leaving     bool // the end of the process was asked for
	ended       bool
	active      [activities]int
	state       *agentv1.State // replaced, never changed
	changed     chan struct{}  // closed with each new state, then made anew
}

func newTracker() *tracker {
	return &tracker{state: &agentv1.State{Phase: agentv1.State_PHASE_LOADING}, changed: make(chan struct{})}
}

// get returns the state, which the caller does not change, and a channel that is closed when there is another.
func (t *tracker) get() (*agentv1.State, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state, t.changed
}

// update changes what is known.
func (t *tracker) update(fn func(s *agentv1.State)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := proto.CloneOf(t.state)
	fn(next)
	next.Phase = t.phase()
	if proto.Equal(next, t.state) {
		return
	}
	t.state = next
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *tracker) phase() agentv1.State_Phase {
	switch {
	case t.ended && t.leaving:
		return agentv1.State_PHASE_EXITED
	case t.ended:
		return agentv1.State_PHASE_CRASHED
	case t.active[exiting] > 0:
		return agentv1.State_PHASE_EXITING
	case t.active[stopping] > 0:
		return agentv1.State_PHASE_STOPPING
	case t.active[starting] > 0:
		return agentv1.State_PHASE_STARTING
	case t.active[initializing] > 0:
		return agentv1.State_PHASE_INITIALIZING
	case t.running:
		return agentv1.State_PHASE_RUNNING
	case t.initialized:
		return agentv1.State_PHASE_STOPPED
	case t.loaded:
		return agentv1.State_PHASE_READY
	}
	return agentv1.State_PHASE_LOADING
}

func (t *tracker) connected() { t.update(func(*agentv1.State) { t.loaded = true }) }

// leave says that the end of the process is wanted from now on.
func (t *tracker) leave() { t.update(func(*agentv1.State) { t.leaving = true }) }

func (t *tracker) end(reason string) {
	t.update(func(s *agentv1.State) {
		t.ended, s.ExitReason, s.Stalled = true, reason, ""
		t.running, s.StartTime = false, nil
	})
}

// stall says why the process does not answer now; with "" that it does.
func (t *tracker) stall(why string) {
	t.update(func(s *agentv1.State) {
		if !t.ended {
			s.Stalled = why
		}
	})
}

// busy tells whether a call into the package is under way, and whether it is one that works on the data.
func (t *tracker) busy() (any, data bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for a, n := range t.active {
		any = any || n > 0
		data = data || n > 0 && (activity(a) == initializing || activity(a) == exiting)
	}
	return any, data
}

// settleExit waits until no exit is under way.
func (t *tracker) settleExit() {
	for {
		t.mu.Lock()
		n, changed := t.active[exiting], t.changed
		t.mu.Unlock()
		if n == 0 {
			return
		}
		<-changed
	}
}

func (t *tracker) begin(a activity) { t.update(func(*agentv1.State) { t.active[a]++ }) }

// finish ends an activity; ok says that the package did what was asked.
func (t *tracker) finish(a activity, eventID string, ok bool, now time.Time) {
	t.update(func(s *agentv1.State) {
		t.active[a]--
		if !ok || t.ended {
			return
		}
		switch a {
		case initializing:
			t.initialized, s.InitEventId = true, eventID
		case starting:
			t.running, s.StartEventId, s.StartTime = true, eventID, timestamppb.New(now)
		case stopping, exiting:
			t.running, s.StartTime = false, nil
		}
	})
}
