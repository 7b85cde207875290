package operation

import (
	"context"
	"time"

	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// What is kept of operations that ended, for people to look at: so many, for so long.
const (
	keepEnded = 1000
	keepFor   = 180 * 24 * time.Hour
)

const historyKey = "operations"

// History is the controller that forgets operations which ended long ago.
func (e *Engine) History() reconcile.Controller {
	return reconcile.Controller{
		Name: "history",
		Sources: []reconcile.Source{{
			Selector: store.Selector{Kind: "operation"},
			Keys: func(c store.Change) []string {
				if op, isRow := c.Row.(row); isRow && ended(op) {
					return []string{historyKey}
				}
				return nil
			},
		}},
		Times:     []reconcile.Time{{Key: historyKey, Calendar: reconcile.MustCalendar("40 3 * * *")}},
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) { return 0, e.forget(ctx, time.Now()) },
		Area:      "operation", Writes: []string{"operation"},
	}
}

// forget deletes the oldest of the operations that ended, at most a hundred in one commit. Ids sort by the time they were
// made.
func (e *Engine) forget(ctx context.Context, now time.Time) error {
	const atOnce = 100
	for {
		var old []string
		err := e.st.View(func(tx *store.Tx) error {
			all, err := store.List[row](tx, "")
			kept := 0
			for i := len(all) - 1; i >= 0; i-- {
				switch {
				case !ended(all[i]):
				case kept == keepEnded || now.Sub(all[i].GetStatus().GetEndTime().AsTime()) > keepFor:
					old = append(old, all[i].GetMeta().GetId())
				default:
					kept++
				}
			}
			return err
		})
		if err != nil || len(old) == 0 {
			return err
		}
		_, err = e.st.Update(ctx, now, func(tx *store.Tx) error {
			for _, id := range old[:min(len(old), atOnce)] {
				if err := store.Delete[row](tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
