package main

import (
	"context"
	"fmt"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
)

// progress shows how far something is: one line that is drawn over on a terminal, one line for each step elsewhere.
type progress struct {
	a     *app
	live  bool
	told  map[string]bool
	drawn bool
	draw  func(line string) // draws the line where something else has the terminal
}

func (a *app) newProgress() *progress {
	return &progress{a: a, live: obeys(a.Err), told: map[string]bool{}}
}

func (p *progress) set(step string, fraction float64, detail string) {
	if p.a.rows() || step == "" {
		return
	}
	if !p.live {
		if !p.told[step] {
			fmt.Fprintf(p.a.Err, "%s\n", printable(step))
			p.told[step] = true
		}
		return
	}
	line := bar(fraction, printable(step), printable(detail), columns(p.a.Err)-1)
	if p.draw != nil {
		p.draw(line)
		return
	}
	fmt.Fprint(p.a.Err, "\r\x1b[K"+line)
	p.drawn = true
}

// bar is a line of progress that is no longer than so many columns: what does not fit is left out, the bar first and what is
// being done next.
func bar(fraction float64, step, detail string, most int) string {
	done := fmt.Sprintf("%3.0f%%", fraction*100)
	text := strings.TrimRight(done+" "+step+"  "+detail, " ")
	if detail != "" && narrow().StringWidth(text) > most {
		text = done + " " + detail
	}
	const least, usual = 8, 24
	width := min(usual, most-narrow().StringWidth(text)-1)
	if width < least {
		return cut(text, most)
	}
	full := max(0, min(width, int(fraction*float64(width))))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full) + " " + text
}

// end leaves the line of progress.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.a.Err, "\r\x1b[K")
		p.drawn = false
	}
}

// followAndTell shows an operation until it has succeeded, and then tells so: scripts get its row, people what done says.
func (a *app) followAndTell(ctx context.Context, c *hearth.Client, op *operationsv1.Operation, done func()) error {
	ended, err := a.follow(ctx, c, op.GetMeta().GetId(), a.newProgress())
	if err != nil {
		return err
	}
	if a.rows() {
		return a.printRow(flatten(ended))
	}
	done()
	return nil
}

// follow shows an operation until it has ended and returns it. One that did not succeed is an error: its fault.
func (a *app) follow(ctx context.Context, c *hearth.Client, id string, show *progress) (*operationsv1.Operation, error) {
	defer show.end()
	targets := []*statev1.Target{{Id: "op", Selectors: []*statev1.Selector{{Kind: "operation", Id: id}, {Kind: "progress", Id: id}}}}
	var op *operationsv1.Operation
	err := c.Watch(ctx, targets, func(u *statev1.Update) (bool, error) {
		for _, ch := range u.GetChanges() {
			if o := ch.GetResource().GetOperation(); o != nil {
				op = o
			}
			if pr := ch.GetResource().GetProgress(); pr != nil && op != nil {
				show.set(a.step(op, pr.GetStatus().GetStep()), pr.GetStatus().GetFraction(), pr.GetStatus().GetMessage())
			}
		}
		if op == nil && u.GetBookmark() != "" {
			return false, fault.New(metav1.Reason_REASON_OPERATION_NOT_FOUND, "there is no operation %q", id)
		}
		if op != nil && ended(op) {
			return true, nil
		}
		if op != nil && int(op.GetStatus().GetCurrent()) < len(op.GetStatus().GetSteps()) && len(u.GetChanges()) > 0 {
			i := int(op.GetStatus().GetCurrent())
			show.set(a.step(op, op.GetStatus().GetSteps()[i].GetName()), float64(i)/float64(len(op.GetStatus().GetSteps())), "")
		}
		return false, nil
	})
	if ctx.Err() != nil {
		return nil, interrupted{a.say("interrupted.operation", map[string]any{"ID": id})}
	}
	if err != nil {
		return nil, err
	}
	if op.GetStatus().GetState() != operationsv1.OperationStatus_STATE_SUCCEEDED {
		why := fault.New(metav1.Reason_REASON_CANCELLED, "operation %s was cancelled", id)
		if f := op.GetStatus().GetFault(); f != nil {
			why = fault.FromProto(f)
		}
		show.end()
		return op, a.failure(ctx, c, op, why)
	}
	return op, nil
}

// step says what a step of an operation does, or that it is being undone.
func (a *app) step(op *operationsv1.Operation, name string) string {
	if s, ok := a.texts.Lookup("step."+op.GetSpec().GetKind()+"."+name, nil); ok {
		name = s
	}
	if op.GetStatus().GetState() == operationsv1.OperationStatus_STATE_UNDOING {
		return a.worded("word.undoing") + ": " + name
	}
	return name
}

func ended(op *operationsv1.Operation) bool {
	switch op.GetStatus().GetState() {
	case operationsv1.OperationStatus_STATE_SUCCEEDED, operationsv1.OperationStatus_STATE_FAILED, operationsv1.OperationStatus_STATE_CANCELLED:
		return true
	}
	return false
}

// awaitState waits until a service is what is wanted of it, and returns it; a failure of it is an error.
func (a *app) awaitState(ctx context.Context, c *hearth.Client, id string) (*packagesv1.Package, error) {
	show := a.newProgress()
	defer show.end()
	var row *packagesv1.Package
	targets := []*statev1.Target{{Id: "p", Selectors: []*statev1.Selector{{Kind: "package", Id: id}}}}
	err := c.Watch(ctx, targets, func(u *statev1.Update) (bool, error) {
		for _, ch := range u.GetChanges() {
			row = ch.GetResource().GetPackage()
		}
		if row == nil {
			if u.GetBookmark() != "" {
				return false, fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", id)
			}
			return false, nil
		}
		show.set(word(row.GetStatus().GetState()), 0.5, "")
		return settled(row)
	})
	if ctx.Err() != nil {
		return nil, interrupted{a.say("interrupted.service", map[string]any{"ID": id})}
	}
	return row, err
}

// settled tells whether a service is what is wanted, or has failed to become so.
func settled(row *packagesv1.Package) (bool, error) {
	st := row.GetStatus()
	if st.GetObservedGeneration() < row.GetMeta().GetGeneration() {
		return false, nil
	}
	switch st.GetState() {
	case packagesv1.PackageStatus_STATE_FAILED:
		if f := st.GetFault(); f != nil {
			return false, fault.FromProto(f)
		}
		return false, fault.New(metav1.Reason_REASON_CONTAINER_FAILED, "the service %q has failed", row.GetMeta().GetId())
	case packagesv1.PackageStatus_STATE_RUNNING:
		return row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_RUNNING && st.GetObservedRestarts() >= row.GetSpec().GetRestarts() && rebuilt(row), nil
	case packagesv1.PackageStatus_STATE_STOPPED:
		return row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_STOPPED && rebuilt(row), nil
	}
	return false, nil
}

// rebuilt tells whether a service has the container that was asked for last.
func rebuilt(row *packagesv1.Package) bool {
	return row.GetStatus().GetObservedRebuilds() >= row.GetSpec().GetRebuilds()
}
