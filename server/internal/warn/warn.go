// Package warn keeps the warnings of a server: conditions that somebody should look at. Areas declare conditions, a
// controller looks at each of them again and again, and a row of the kind warning is there for as long as one holds.
//
// It is deliberately no log and no notification: nothing is remembered of a condition that has ended, and nobody is
// called. It knows no condition of its own.
//
// Invariants: a warning is there exactly while its condition holds, as of the last look; one that was dismissed stays
// so until its condition ends or becomes graver; a condition that cannot be looked at changes nothing.
package warn

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/fault"
	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

type row = *diagnosticsv1.Warning

// Severity is how much a warning matters.
type Severity = diagnosticsv1.WarningStatus_Severity

// The severities, the least first.
const (
	Notice   = diagnosticsv1.WarningStatus_SEVERITY_NOTICE
	Warning  = diagnosticsv1.WarningStatus_SEVERITY_WARNING
	Critical = diagnosticsv1.WarningStatus_SEVERITY_CRITICAL
)

// Finding is a condition that holds.
type Finding struct {
	// About is what it is about where a condition can hold for several things; empty where it is one.
	About    string
	Severity Severity
	// Values fill the places in the texts of the condition, as {{.Free}}. They should change when people would care.
	Values map[string]string
	// Quote is what a program or the system said itself; it stands beside the text.
	Quote string
}

// Condition is what an area declares.
type Condition struct {
	// Name is the id of its warnings, as in "disk-space", and part of the keys of their translations.
	Name string
	// Text says what is the case, Remedy what to do about it; both are sentences with places for values.
	Text, Remedy string
	// Button is a call that helps; nil for none.
	Button *diagnosticsv1.Button
	// Stands: it cannot be dismissed.
	Stands bool
	// Check tells what holds now. It is called about once a minute, and heeds ctx.
	Check func(ctx context.Context) ([]Finding, error)
}

// every is how often conditions are looked at.
const every = time.Minute

// ControllerName is the name of the controller, for Manager.Wake; its keys are names of conditions.
const ControllerName = "warnings"

// Keeper keeps warnings. It is safe for concurrent use.
type Keeper struct {
	st         *store.Store
	log        *slog.Logger
	conditions map[string]Condition
}

// New makes a keeper of the warnings of these conditions. It panics when two have the same name.
func New(st *store.Store, log *slog.Logger, conditions ...Condition) *Keeper {
	k := &Keeper{st: st, log: log, conditions: make(map[string]Condition)}
	for _, c := range conditions {
		if _, twice := k.conditions[c.Name]; twice || c.Name == "" || strings.Contains(c.Name, "/") || c.Check == nil {
			panic(fmt.Sprintf("condition %q is declared twice or not whole", c.Name))
		}
		k.conditions[c.Name] = c
	}
	return k
}

// Controller looks at the conditions.
func (k *Keeper) Controller() reconcile.Controller {
	return reconcile.Controller{
		Name: ControllerName, Workers: 4, Area: "warn", Writes: []string{"warning"},
		List:      k.names,
		Reconcile: k.look,
	}
}

// names are the conditions declared, and those that an earlier release declared and left warnings of.
func (k *Keeper) names() ([]string, error) {
	names := slices.Collect(maps.Keys(k.conditions))
	rows, err := k.List(true)
	for _, r := range rows {
		name, _, _ := strings.Cut(r.GetMeta().GetId(), "/")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// look makes the warnings of one condition what holds now.
func (k *Keeper) look(ctx context.Context, name string) (time.Duration, error) {
	c, declared := k.conditions[name]
	if !declared {
		return 0, k.set(ctx, time.Now(), Condition{Name: name}, nil)
	}
	ctx, cancel := context.WithTimeout(ctx, every)
	defer cancel()
	findings, err := c.Check(ctx)
	if err != nil {
		return 0, fmt.Errorf("cannot look at the condition %q: %w", name, err)
	}
	return every, k.set(ctx, time.Now(), c, findings)
}

func (c Condition) id(about string) string {
	if about == "" {
		return c.Name
	}
	return c.Name + "/" + about
}

// status is what holds, in words.
func (c Condition) status(f Finding, since *timestamppb.Timestamp) *diagnosticsv1.WarningStatus {
	var places []string
	for name, value := range f.Values {
		places = append(places, "{{."+name+"}}", value)
	}
	fill := strings.NewReplacer(places...)
	return &diagnosticsv1.WarningStatus{
		Severity: f.Severity, Text: fill.Replace(c.Text), Remedy: fill.Replace(c.Remedy), Metadata: f.Values, Quote: f.Quote,
		Button: c.Button, Since: since,
	}
}

// plan compares the warnings of a condition that are there with what holds now. It changes no row given.
func (c Condition) plan(rows []row, findings []Finding, now time.Time) (put []row, gone []string) {
	have := make(map[string]row)
	for _, r := range rows {
		if id := r.GetMeta().GetId(); id == c.Name || strings.HasPrefix(id, c.Name+"/") {
			have[id] = r
		}
	}
	for _, f := range findings {
		id := c.id(f.About)
		r, there := have[id]
		delete(have, id)
		if !there {
			put = append(put, &diagnosticsv1.Warning{
				Meta: &metav1.Meta{Id: id}, Spec: &diagnosticsv1.WarningSpec{}, Status: c.status(f, timestamppb.New(now)),
			})
			continue
		}
		if status := c.status(f, r.GetStatus().GetSince()); !proto.Equal(status, r.GetStatus()) {
			graver := f.Severity > r.GetStatus().GetSeverity()
			r = proto.CloneOf(r)
			r.Spec, r.Status = &diagnosticsv1.WarningSpec{Dismissed: r.GetSpec().GetDismissed() && !graver}, status
			put = append(put, r)
		}
	}
	return put, slices.Sorted(maps.Keys(have))
}

// set writes what differs, in one commit, and nothing where nothing does.
func (k *Keeper) set(ctx context.Context, now time.Time, c Condition, findings []Finding) error {
	rows, err := k.List(true)
	if err != nil {
		return err
	}
	if put, gone := c.plan(rows, findings, now); len(put)+len(gone) == 0 {
		return nil
	}
	_, err = k.st.Update(store.WithUrgency(ctx), now, func(tx *store.Tx) error { // a full disk is warned of all the same
		rows, err := store.List[row](tx, "")
		if err != nil {
			return err
		}
		put, gone := c.plan(rows, findings, now)
		for _, r := range put {
			if err := store.Put(tx, r); err != nil {
				return err
			}
		}
		for _, id := range gone {
			if err := store.Delete[row](tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// List lists the warnings, the gravest first, those that were dismissed only if asked for.
func (k *Keeper) List(dismissed bool) ([]*diagnosticsv1.Warning, error) {
	var rows []row
	err := k.st.View(func(tx *store.Tx) (err error) {
		rows, err = store.List[row](tx, "")
		return err
	})
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.GetSpec().GetDismissed() && !dismissed })
	slices.SortStableFunc(rows, func(a, b row) int { return int(b.GetStatus().GetSeverity()) - int(a.GetStatus().GetSeverity()) })
	return rows, err
}

// Dismiss puts a warning aside until its condition ends or becomes graver, and answers it. Twice is once.
func (k *Keeper) Dismiss(ctx context.Context, now time.Time, id string) (*diagnosticsv1.Warning, error) {
	name, _, _ := strings.Cut(id, "/")
	var after row
	_, err := k.st.Update(ctx, now, func(tx *store.Tx) error {
		r, there, err := store.Lookup[row](tx, id)
		switch {
		case err != nil:
			return err
		case !there:
			return fault.New(metav1.Reason_REASON_WARNING_NOT_FOUND, "there is no warning %q", id).With("warning", id)
		case k.conditions[name].Stands:
			return fault.New(metav1.Reason_REASON_WARNING_NOT_DISMISSABLE, "cannot dismiss the warning %q: it stands for as long as its condition holds", id).With("warning", id)
		}
		r.Spec.Dismissed = true
		if err := store.Put(tx, r); err != nil {
			return err
		}
		after, err = store.Get[row](tx, id)
		return err
	})
	return after, err
}
