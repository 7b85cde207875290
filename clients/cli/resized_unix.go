//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// resized calls changed each time the terminal has another size, until ctx ends.
func resized(ctx context.Context, changed func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	defer signal.Stop(changes)
	for {
		select {
		case <-changes:
			changed()
		case <-ctx.Done():
			return
		}
	}
}
