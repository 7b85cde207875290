// Package diagnose looks at a server and gathers what a report about a defect needs.
//
// It deliberately repairs nothing, and knows no part of the server itself: checks and parts of the report are given to
// it. Invariants: a check that hangs or panics is a check that failed, and holds up no other; what leaves in a report
// went through Redact, and the whole is bounded.
package diagnose

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// Words say what a check found and what to do about it. The catalogue has them in all languages by their name.
type Words struct {
	// Name is that of the texts, as in "disk.low".
	Name string
	// Text says what was found, Remedy what to do about it; both have places for values, as in "{{.Free}}".
	Text, Remedy string
}

// Finding is how a check found something.
type Finding struct {
	Result         diagnosticsv1.Check_Result
	Name           string
	Detail, Remedy string
	Values         map[string]string
	// Spoken are those values that are words themselves.
	Spoken map[string]*metav1.Words
	// Quote is what a program or the system said itself.
	Quote string
}

// Spoken is a value that is a text of the catalogue itself.
type Spoken struct {
	// Text is the English one.
	Text  string
	Words *metav1.Words
}

// Quoted is a finding beside which stands what a program or the system said itself. It is never a value: nobody translates it.
func (f Finding) Quoted(said string) Finding {
	f.Quote = said
	return f
}

// OK is as it should be. The values are those of the words, each behind its name.
func OK(w Words, values ...any) Finding { return found(diagnosticsv1.Check_RESULT_OK, w, values) }

// Warn is something a person should look at, while what is there works.
func Warn(w Words, values ...any) Finding { return found(diagnosticsv1.Check_RESULT_WARN, w, values) }

// Fail is something that does not work.
func Fail(w Words, values ...any) Finding { return found(diagnosticsv1.Check_RESULT_FAIL, w, values) }

// Skip is something that cannot be known here.
func Skip(w Words, values ...any) Finding { return found(diagnosticsv1.Check_RESULT_SKIP, w, values) }

func found(result diagnosticsv1.Check_Result, w Words, values []any) Finding {
	named := make(map[string]string, len(values)/2)
	spoken := map[string]*metav1.Words{}
	var places []string
	for i := 0; i+1 < len(values); i += 2 {
		name, value := fmt.Sprint(values[i]), fmt.Sprint(values[i+1])
		if one, ok := values[i+1].(Spoken); ok {
			value = one.Text
			if one.Words != nil {
				spoken[name] = one.Words
			}
		}
		named[name] = value
		places = append(places, "{{."+name+"}}", value)
	}
	fill := strings.NewReplacer(places...)
	return Finding{Result: result, Name: w.Name, Detail: fill.Replace(w.Text), Remedy: fill.Replace(w.Remedy), Values: named, Spoken: spoken}
}

// Check looks at one thing.
type Check struct {
	Name string
	// Look may be called at any time, and by several at once. It heeds ctx.
	Look func(ctx context.Context) Finding
}

// patience is how long a check may take.
const patience = 5 * time.Second

// Run looks at everything, at the same time, and answers in the order of checks.
func Run(ctx context.Context, log *slog.Logger, checks []Check) []*diagnosticsv1.Check {
	list := make([]*diagnosticsv1.Check, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			f := look(ctx, log, c)
			list[i] = &diagnosticsv1.Check{Name: c.Name, Result: f.Result, Detail: f.Detail, Remedy: f.Remedy, Words: f.Name, Metadata: f.Values, Spoken: f.Spoken, Quote: f.Quote}
		})
	}
	wg.Wait()
	return list
}

// look runs one check within its time. One that does not end by then is left to itself: it holds nothing of its caller.
func look(ctx context.Context, log *slog.Logger, c Check) Finding {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found := make(chan Finding, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				log.Error("check panics", "check", c.Name, "panic", p, "stack", string(debug.Stack()))
				found <- Fail(Words{Name: "defect", Text: "the check itself has a defect", Remedy: "Report it with the server's log."})
			}
		}()
		found <- c.Look(ctx)
	}()
	select {
	case f := <-found:
		return f
	case <-ctx.Done():
		return Fail(Words{Name: "late", Text: "no answer within {{.Time}}", Remedy: "Run it again when the machine has less to do."}, "Time", patience)
	}
}
