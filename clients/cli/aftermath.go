package main

import (
	"context"
	"time"

	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/clients/go"
)

// backLimit is how long a version that came back may take to run until it is told that it was started, and no more.
const backLimit = 30 * time.Second

// unsuccessful is the fault of an operation that did not succeed, and what there is after it.
type unsuccessful struct {
	error
	op   *operationsv1.Operation
	runs bool // what came back was seen to run
}

func (e unsuccessful) Unwrap() error { return e.error }

// failure is why an operation did not succeed. Where it brought back a service that ran, it is waited for.
func (a *app) failure(ctx context.Context, c *hearth.Client, op *operationsv1.Operation, why error) error {
	failed := unsuccessful{error: why, op: op}
	if op.GetStatus().GetReverted().GetRunning() {
		ctx, cancel := context.WithTimeout(ctx, backLimit)
		defer cancel()
		row, err := a.awaitState(ctx, c, op.GetSpec().GetTarget())
		failed.runs = err == nil && row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_RUNNING
	}
	return failed
}

// aftermath says what there is after an operation on a package that did not succeed; "" where that is not known.
func (a *app) aftermath(op *operationsv1.Operation, runs bool) string {
	switch op.GetStatus().GetState() {
	case operationsv1.OperationStatus_STATE_FAILED, operationsv1.OperationStatus_STATE_CANCELLED:
	default:
		return ""
	}
	back := op.GetStatus().GetReverted()
	values := map[string]any{"ID": printable(op.GetSpec().GetTarget()), "Version": printable(back.GetVersion())}
	switch kind := op.GetSpec().GetKind(); {
	case len(op.GetStatus().GetLeftBehind()) > 0:
		return ""
	case back != nil && runs:
		return a.say("operation.back-runs", values)
	case back.GetRunning():
		return a.say("operation.back-started", values)
	case back != nil:
		return a.say("operation.back-stopped", values)
	case kind == "install":
		return a.say("operation.not-installed", values)
	case (kind == "update" || kind == "rollback") && op.GetSpec().GetParameters()["from"] != "":
		values["Version"] = printable(op.GetSpec().GetParameters()["from"])
		return a.say("operation.untouched", values)
	}
	return ""
}
