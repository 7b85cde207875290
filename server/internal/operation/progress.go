package operation

import (
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// grain is the least time between two tellings of one operation.
const grain = 100 * time.Millisecond

// progress shows how far an operation is as a row of the ephemeral kind of that name.
type progress struct {
	st *store.Store
	id string

	mu      sync.Mutex // guards the following, and is held while the row is set
	status  *operationsv1.ProgressStatus
	before  uint64 // weight of the steps that are done
	weight  uint64 // of the current step
	sum     uint64 // of all steps
	shown   time.Time
	timer   *time.Timer // runs when something is still to be shown
	stopped bool
}

func newProgress(st *store.Store, id string) *progress {
	return &progress{st: st, id: id, status: &operationsv1.ProgressStatus{}}
}

// enter begins the current step of op, or another attempt at it.
func (p *progress) enter(op row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	steps := op.GetStatus().GetSteps()
	p.before, p.weight, p.sum = 0, 0, 0
	for i, s := range steps {
		// Without weights all steps are alike.
		w := max(uint64(s.GetWeight()), 1)
		p.sum += w
		if int32(i) < op.GetStatus().GetCurrent() {
			p.before += w
		}
		if int32(i) == op.GetStatus().GetCurrent() {
			p.weight = w
		}
	}
	if op.GetStatus().GetState() == operationsv1.OperationStatus_STATE_UNDOING {
		p.weight = 0 // how much of it there was to undo is not known
	}
	p.set(&operationsv1.ProgressStatus{Step: steps[op.GetStatus().GetCurrent()].GetName()})
}

func (p *progress) tell(done, total uint64, units, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sum == 0 {
		return // no step has begun
	}
	p.set(&operationsv1.ProgressStatus{Step: p.status.GetStep(), Done: done, Total: total, Units: units, Message: message})
}

// set shows a status now or, if the last was shown a moment ago, a moment later. Called with the lock.
func (p *progress) set(s *operationsv1.ProgressStatus) {
	share := 0.0
	if s.GetTotal() > 0 {
		share = float64(min(s.GetDone(), s.GetTotal())) / float64(s.GetTotal())
	}
	if p.sum > 0 {
		s.Fraction = (float64(p.before) + share*float64(p.weight)) / float64(p.sum)
	}
	p.status = s
	if p.stopped || p.timer != nil {
		return
	}
	if wait := grain - time.Since(p.shown); wait > 0 {
		p.timer = time.AfterFunc(wait, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.timer = nil
			p.show()
		})
		return
	}
	p.show()
}

func (p *progress) show() {
	if p.stopped {
		return
	}
	p.shown = time.Now()
	store.SetEphemeral(p.st, &operationsv1.Progress{Meta: &metav1.Meta{Id: p.id}, Status: p.status})
}

// stop takes the row away; nothing is shown after it returned.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
	}
	store.DropEphemeral[*operationsv1.Progress](p.st, p.id)
}
