package door

import (
	"context"
	"net"
	"time"
)

// serveGrace is how long connections may go on when a door that Serve runs ends.
const serveGrace = time.Second

// Serve runs a door within this process until ctx ends, and answers hearth.door.v1 on lis, which it closes. It is for a
// daemon in a sandbox; a real one has a process of its own, which outlives the daemon (see holder and worker).
func Serve(ctx context.Context, lis net.Listener, o Options, version string) error {
	d := New(o)
	server := NewServer(&Service{Door: d, Version: version})
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	running, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		d.Run(running)
	}()
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		served <- nil // for the wait below
	}
	stop()
	<-ran
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), serveGrace)
	defer cancel()
	d.Drain(bounded, time.Millisecond)
	server.Stop()
	<-served
	return err
}
