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
	"sync"
	"time"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
)

// Finding is how a check found something.
type Finding struct {
	Result         diagnosticsv1.Check_Result
	Detail, Remedy string
}

// OK is as it should be.
func OK(format string, args ...any) Finding {
	return Finding{Result: diagnosticsv1.Check_RESULT_OK, Detail: fmt.Sprintf(format, args...)}
}

// Warn is something a person should look at, while what is there works.
func Warn(remedy, format string, args ...any) Finding {
	return Finding{Result: diagnosticsv1.Check_RESULT_WARN, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
}

// Fail is something that does not work.
func Fail(remedy, format string, args ...any) Finding {
	return Finding{Result: diagnosticsv1.Check_RESULT_FAIL, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
}

// Skip is something that cannot be known here.
func Skip(format string, args ...any) Finding {
	return Finding{Result: diagnosticsv1.Check_RESULT_SKIP, Detail: fmt.Sprintf(format, args...)}
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
			list[i] = &diagnosticsv1.Check{Name: c.Name, Result: f.Result, Detail: f.Detail, Remedy: f.Remedy}
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
				found <- Fail("Report it with the server's log.", "the check itself has a defect")
			}
		}()
		found <- c.Look(ctx)
	}()
	select {
	case f := <-found:
		return f
	case <-ctx.Done():
		return Fail("Run it again when the machine has less to do.", "no answer within %s", patience)
	}
}
