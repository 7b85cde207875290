// Command hearth is the command line of a Hearth server. It speaks the public contract like any other client and
// holds no knowledge of its own: what it prints is what the server told.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hearthos/hearth/api/text"
)

// Version is set when the program is built.
var Version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, s Streams) int {
	a := &app{Streams: s, texts: text.In(text.Language(os.Getenv))}
	root := a.newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		a.printError(err)
	}
	return exitCode(err)
}
