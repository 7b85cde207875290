package install

import (
	"context"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// healthLimit is how long an updated service may take to be well where nobody says otherwise.
const healthLimit = 10 * time.Minute

// crashLoop is after how many ends of its own an updated service is not waited for any more.
const crashLoop = 3

// memoWell is "yes" where the service ran and was well before the operation.
const memoWell = "well"

// standing is how a service does.
type standing int

const (
	unwell  standing = iota // it does not run, or a check fails
	waiting                 // nothing fails; a check starts, or waits for something else
	well                    // it runs, and all checks succeed, load or are switched off
)

// standingOf is how a service does, and what is in the way where it is not well.
func standingOf(row *packagesv1.Package, checks []*packagesv1.HealthCheck) (standing, string) {
	if st := row.GetStatus().GetState(); st != packagesv1.PackageStatus_STATE_RUNNING {
		if f := row.GetStatus().GetFault(); f != nil {
			return unwell, f.GetMessage()
		}
		if c := row.GetStatus().GetCrashes(); c != nil {
			return unwell, "it ended by itself: " + c.GetReason()
		}
		return unwell, "it does not run"
	}
	found, why := well, ""
	for _, c := range checks {
		switch c.GetStatus().GetResult() {
		case packagesv1.HealthCheckStatus_RESULT_SUCCESS, packagesv1.HealthCheckStatus_RESULT_DISABLED, packagesv1.HealthCheckStatus_RESULT_LOADING:
		case packagesv1.HealthCheckStatus_RESULT_WAITING:
			if found == well {
				found, why = waiting, c.GetStatus().GetName()+" waits: "+c.GetStatus().GetMessage()
			}
		default:
			return unwell, c.GetStatus().GetName() + ": " + c.GetStatus().GetMessage()
		}
	}
	return found, why
}

// wellBefore tells whether a service runs and is well.
func wellBefore(tx *store.Tx, row *packagesv1.Package) (bool, error) {
	checks, err := store.List[*packagesv1.HealthCheck](tx, row.GetMeta().GetId())
	found, _ := standingOf(row, checks)
	return wantsRunning(row) && found == well, err
}

// awaitWell starts the service where it ran and was well before, and waits until it is well again, and stays so for a
// moment: checks come one after the other. What waits for something else when the time is over is not held against it.
// One that a task keeps from running is not waited for.
func (s *Service) awaitWell(ctx context.Context, r *operation.Run) error {
	limit := healthLimit
	if text := r.Param(paramHealthLimit); text != "" {
		var err error
		if limit, err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	if r.Memo(memoWell) != "yes" || limit == 0 {
		return nil
	}
	err := r.Commit(ctx, func(tx *store.Tx) error {
		row, err := installed(tx, r.Target())
		if err != nil || s.mayRun(tx, row) != nil {
			return err
		}
		row.Spec.Desired = packagesv1.PackageSpec_DESIRED_RUNNING
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	r.Progress(0, 0, "", "waiting until the new version is well")
	late := fault.New(metav1.Reason_REASON_DEADLINE_EXCEEDED, "the time is over")
	bounded, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	found, why, err := s.watchHealth(bounded, r.Target())
	if err != nil && context.Cause(bounded) != late || found != unwell {
		return err
	}
	within := ""
	if err != nil { // else it was given up earlier
		within = " within " + limit.String()
	}
	return fault.New(metav1.Reason_REASON_UPDATE_UNHEALTHY, "version %s of %q was not well%s: %s", r.Param("version"), r.Target(), within, why).
		With("package", r.Target()).With("version", r.Param("version")).With("limit", limit)
}

// watchHealth follows a service until it has been well for a moment, is not wanted running any more, or ends by itself
// again and again. The error is that of ctx when it ends; what was found last comes with it.
func (s *Service) watchHealth(ctx context.Context, pkg string) (standing, string, error) {
	watcher, err := s.store.Watch(store.WatchOptions{Selectors: []store.Selector{{Kind: "package", ID: pkg}, {Kind: "healthcheck", Parent: pkg}}})
	if err != nil {
		return unwell, "", err
	}
	var since time.Time // well
	for {
		found, why, over, err := s.health(pkg)
		if err != nil || over {
			return found, why, err
		}
		wait, cancel := ctx, context.CancelFunc(func() {})
		if found != well {
			since = time.Time{}
		} else {
			if since.IsZero() {
				since = time.Now()
			}
			wait, cancel = context.WithDeadline(ctx, since.Add(s.settle))
		}
		_, err = watcher.Next(wait)
		settled := found == well && wait.Err() != nil
		cancel()
		if settled && ctx.Err() == nil {
			return well, "", nil
		}
		if err != nil {
			return found, why, err
		}
	}
}

// health is how a service does now, and whether there is nothing to wait for.
func (s *Service) health(pkg string) (found standing, why string, over bool, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		row, err := installed(tx, pkg)
		if err != nil {
			return err
		}
		checks, err := store.List[*packagesv1.HealthCheck](tx, pkg)
		found, why = standingOf(row, checks)
		switch {
		case !wantsRunning(row):
			found, over = waiting, true // a task came
		case row.GetStatus().GetCrashes().GetCount() >= crashLoop:
			found, over = unwell, true
		case row.GetStatus().GetObservedGeneration() < row.GetMeta().GetGeneration() && found == well:
			found = waiting // what is told is of before
		}
		return err
	})
	return found, why, over, err
}
