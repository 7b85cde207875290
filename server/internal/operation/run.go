package operation

import (
	"context"
	"maps"
	"time"

	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"

	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// Run is an operation as its steps see it. It is valid during one call of Do or Undo and used by one goroutine, except
// Progress, which any may call.
type Run struct {
	x      *execution
	op     row
	tx     *store.Tx // while Commit runs its closure
	staged staged    // what that closure says of the operation
}

// staged is what the closure of a commit says of the operation.
type staged struct {
	memos    map[string]string
	reverted *operationsv1.Reverted
}

// ID answers the operation's id.
func (r *Run) ID() string { return r.op.GetMeta().GetId() }

// Target answers the id of what the operation is about.
func (r *Run) Target() string { return r.op.GetSpec().GetTarget() }

// Param answers a parameter of the request, or "".
func (r *Run) Param(name string) string { return r.op.GetSpec().GetParameters()[name] }

// Memo answers what an earlier step, or this one before a crash, remembered under this name, or "".
func (r *Run) Memo(name string) string {
	if v, ok := r.staged.memos[name]; ok {
		return v
	}
	return r.op.GetStatus().GetMemo()[name]
}

// Progress tells how far the step is, in units, out of total; total 0: not known. It may be called as often as is
// convenient, ten tellings a second get through and the last one always does.
func (r *Run) Progress(done, total uint64, units, message string) {
	r.x.progress.tell(done, total, units, message)
}

// Commit is a commit of its own inside a step. After a crash the step begins anew and so does its closure, which
// therefore looks at what is there first.
func (r *Run) Commit(ctx context.Context, fn func(tx *store.Tx) error) error {
	r.x.e.probe("before commit")
	said := staged{memos: make(map[string]string)}
	var after row
	_, err := r.x.e.st.Update(ctx, time.Now(), func(tx *store.Tx) error {
		r.tx, r.staged = tx, said
		defer func() { r.tx, r.staged = nil, staged{} }()
		if err := fn(tx); err != nil {
			return err
		}
		if len(said.memos) == 0 && r.staged.reverted == nil {
			return nil
		}
		op, err := store.Get[row](tx, r.ID())
		if err != nil {
			return err
		}
		if op.Status.Memo == nil {
			op.Status.Memo = make(map[string]string)
		}
		maps.Copy(op.Status.Memo, said.memos)
		if r.staged.reverted != nil {
			op.Status.Reverted = r.staged.reverted
		}
		after = op
		return store.Put(tx, op)
	})
	if err != nil {
		return err
	}
	if after != nil {
		r.op = proto.Clone(after).(row)
	}
	r.x.e.probe("after commit")
	return nil
}

// SetMemo remembers a value durably, for later steps and for this one after a crash.
func (r *Run) SetMemo(ctx context.Context, name, value string) error {
	return r.Commit(ctx, func(tx *store.Tx) error {
		r.SetMemoIn(tx, name, value)
		return nil
	})
}

// SetMemoIn remembers a value in the commit of a closure given to Commit, together with what else it writes. It panics
// with any other transaction.
func (r *Run) SetMemoIn(tx *store.Tx, name, value string) {
	r.within(tx)
	r.staged.memos[name] = value
}

// RevertedIn tells those who asked what is there again, in the commit that brings it back. Like SetMemoIn it is for a closure
// given to Commit.
func (r *Run) RevertedIn(tx *store.Tx, what *operationsv1.Reverted) {
	r.within(tx)
	r.staged.reverted = what
}

func (r *Run) within(tx *store.Tx) {
	if r.tx == nil || r.tx != tx {
		panic("an operation's row is changed outside of the run's own Commit")
	}
}

func (r *Run) name() string {
	return r.op.GetStatus().GetSteps()[r.op.GetStatus().GetCurrent()].GetName()
}

// step answers the declaration of the current step, or nil if this release has none.
func (r *Run) step() *Step {
	def := r.x.e.defs[r.op.GetSpec().GetKind()]
	if def == nil {
		return nil
	}
	return def.step(r.name())
}
