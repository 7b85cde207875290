// Command hearth is the command line of a Hearth server. It speaks the public contract like any other client and
// holds no knowledge of its own: what it prints is what the server told.
package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hearthos/hearth/api/text"
	"golang.org/x/term"
)

// Version is set when the program is built.
var Version = "development"

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, stop := context.WithCancel(context.Background())
	terminal, terminalErr := term.GetState(int(os.Stdin.Fd()))
	ended := make(chan int, 1)
	var busy atomic.Bool
	go func() {
		ended <- run(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Busy: &busy})
	}()
	select {
	case code := <-ended:
		os.Exit(code)
	case <-signals:
		stop()
	}
	// Most commands end by themselves now. One that waits for a pipe nobody writes to, or for a person, cannot.
	for waiting := true; waiting; {
		select {
		case code := <-ended:
			os.Exit(code)
		case <-signals:
			waiting = false
		case <-time.After(patience):
			waiting = busy.Load()
		}
	}
	if terminalErr == nil {
		_ = term.Restore(int(os.Stdin.Fd()), terminal) // a password was asked for, or a session had it
	}
	os.Exit(exitCancelled)
}

// patience is how long a command may take to end after it was told to; a second signal ends it at once.
const patience = 2 * time.Second

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
