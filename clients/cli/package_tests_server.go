package main

import (
	"context"
	"errors"
	"strings"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
)

const (
	// takingBack bounds how long what a test did is taken back.
	takingBack = 10 * time.Minute
	// unheard is how long a service that runs is waited for to say how it is: one that has no health checks never does.
	unheard = 10 * time.Second
)

// wellness is how a package that was installed is, by what the server told.
type wellness struct {
	row    *packagesv1.Package
	checks map[string]*packagesv1.HealthCheckStatus
	tasks  map[string]bool // critical ones
}

func (w *wellness) take(u *statev1.Update) {
	for _, ch := range u.GetChanges() {
		switch ch.GetKind() {
		case "package":
			w.row = ch.GetResource().GetPackage()
		case "healthcheck":
			if st := ch.GetResource().GetHealthCheck().GetStatus(); st != nil {
				w.checks[ch.GetId()] = st
			} else {
				delete(w.checks, ch.GetId())
			}
		case "task":
			task := ch.GetResource().GetTask()
			w.tasks[ch.GetId()] = task.GetStatus().GetActive() && task.GetSpec().GetSeverity() == actionsv1.TaskSpec_SEVERITY_CRITICAL
		}
	}
}

// ill are the checks that do not succeed, in words.
func (w *wellness) ill() (list []string) {
	for _, st := range w.checks {
		switch st.GetResult() {
		case packagesv1.HealthCheckStatus_RESULT_SUCCESS, packagesv1.HealthCheckStatus_RESULT_DISABLED:
		default:
			list = append(list, strings.TrimSpace(printable(st.GetName())+": "+word(st.GetResult())+" "+printable(st.GetMessage())))
		}
	}
	return list
}

// held tells whether a critical task keeps the service from starting, which is then for the checks to do.
func (w *wellness) held() bool {
	for _, critical := range w.tasks {
		if critical {
			return true
		}
	}
	return false
}

// well waits until the service runs and all of its health checks succeed, or until a critical task waits for somebody.
func (t *tests) well(ctx context.Context, c *hearth.Client, id string) error {
	limited, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	w := &wellness{checks: map[string]*packagesv1.HealthCheckStatus{}, tasks: map[string]bool{}}
	for silence := unheard; ; silence = t.limit {
		quiet, stop := context.WithTimeout(limited, silence)
		err := t.watchWell(quiet, c, id, w)
		stop()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && w.held():
			return t.event("task", map[string]any{"id": id}, t.say("tests.task", map[string]any{"ID": id}))
		case err == nil:
			return t.event("well", map[string]any{"id": id}, t.say("tests.well", map[string]any{"ID": id}))
		case quiet.Err() == nil:
			return err
		case limited.Err() != nil:
			return fault.New(metav1.Reason_REASON_DEADLINE_EXCEEDED, "the service %q is not well after %s: %s", id, t.limit, strings.Join(append([]string{stateNow(w.row)}, w.ill()...), "; "))
		case len(w.checks) == 0 && w.row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_RUNNING:
			return t.event("well", map[string]any{"id": id}, t.say("tests.runs", map[string]any{"ID": id}))
		}
	}
}

// watchWell returns nil once the service is well or held.
func (t *tests) watchWell(ctx context.Context, c *hearth.Client, id string, w *wellness) error {
	targets := []*statev1.Target{{Id: "p", Selectors: []*statev1.Selector{{Kind: "package", Id: id}, {Kind: "healthcheck", Parent: id}, {Kind: "task", Parent: id}}}}
	return c.Watch(ctx, targets, func(u *statev1.Update) (bool, error) {
		w.take(u)
		switch {
		case w.row == nil && u.GetBookmark() != "":
			return false, fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "package %q is not installed any more", id)
		case w.row == nil:
			return false, nil
		case w.held():
			return true, nil
		}
		runs, err := settled(w.row)
		return runs && w.row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_RUNNING && len(w.checks) > 0 && len(w.ill()) == 0, err
	})
}

// takeBack uninstalls what was installed, or rolls back what was updated. What it cannot is told, since it is for a person then.
func (t *tests) takeBack(ctx context.Context, c *hearth.Client, id string, op *operationsv1.Operation) error {
	ctx, cancel := context.WithTimeout(ctx, takingBack)
	defer cancel()
	err := t.undo(ctx, c, id, op)
	if err != nil {
		return errors.Join(worded{"tests.left", map[string]any{"ID": id}}, err)
	}
	return t.event("restored", map[string]any{"id": id}, t.say("tests.restored", map[string]any{"ID": id}))
}

func (t *tests) undo(ctx context.Context, c *hearth.Client, id string, op *operationsv1.Operation) error {
	silent := *t.app
	silent.quiet = true
	// One that goes on is ended first: it is undone by that, or it is done.
	if _, err := c.Operations.CancelOperation(ctx, &operationsv1.CancelOperationRequest{Id: op.GetMeta().GetId()}); err == nil || !fault.Is(err, metav1.Reason_REASON_OPERATION_NOT_FOUND) {
		if ended, err := silent.follow(ctx, c, op.GetMeta().GetId(), silent.newProgress()); ended == nil {
			return err
		}
	}
	got, err := c.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: id})
	if fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		return nil
	}
	if err != nil {
		return err
	}
	if op.GetSpec().GetParameters()["from"] != "" {
		if got.GetPackage().GetSpec().GetArtifact() == t.before {
			return nil // the update came to nothing
		}
		resp, err := c.Packages.RollbackPackage(ctx, &packagesv1.RollbackPackageRequest{Id: id})
		if err != nil {
			return err
		}
		_, err = silent.follow(ctx, c, resp.GetOperation().GetMeta().GetId(), silent.newProgress())
		return err
	}
	resp, err := c.Packages.UninstallPackage(ctx, &packagesv1.UninstallPackageRequest{Id: id, Force: true})
	if err != nil {
		return err
	}
	_, err = silent.follow(ctx, c, resp.GetOperation().GetMeta().GetId(), silent.newProgress())
	return err
}
