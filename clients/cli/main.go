// Command hearth is the command line of a Hearth server. It speaks the public contract like any other client and
// holds no knowledge of its own: what it prints is what the server told.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// Version is set when the program is built.
var Version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}

// run is main without the process: it returns the exit code. 0 is success, 1 a refusal or failure, 2 wrong usage, 130
// an interruption.
func run(ctx context.Context, args []string, s Streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return 130
	case errors.As(err, new(usageError)):
		fmt.Fprintf(s.Err, "hearth: %s\n", err)
		return 2
	}
	printFault(s, err)
	return 1
}

// usageError is wrong usage of the command line itself.
type usageError struct{ error }

// printFault tells people what went wrong and what they can do, and the reason for those who look it up.
func printFault(s Streams, err error) {
	f := fault.Proto(fault.FromStatus(err))
	if f.GetReason() == metav1.Reason_REASON_INTERNAL && !isRemote(err) {
		fmt.Fprintf(s.Err, "hearth: %s\n", err)
		return
	}
	fmt.Fprintf(s.Err, "hearth: %s\n", f.GetMessage())
	for _, v := range f.GetViolations() {
		fmt.Fprintf(s.Err, "  %s %s\n", v.GetField(), v.GetMessage())
	}
	if info := fault.Info(f.GetReason()); info.GetRemedy() != "" {
		fmt.Fprintf(s.Err, "  %s\n", info.GetRemedy())
	}
	fmt.Fprintf(s.Err, "  reason: %s\n", strings.TrimPrefix(f.GetReason().String(), "REASON_"))
}
