package main

import (
	"context"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
)

// end tells when a server is gone.
type end struct {
	client  *hearth.Client
	started time.Time
	process process
}

// watchEnd begins to watch a server that answers. On this machine the process is watched, which ends last; elsewhere a
// server is gone when it cannot be reached, or when another one answers in its place.
func watchEnd(ctx context.Context, c *hearth.Client, target string) (*end, error) {
	server, err := c.Server(ctx)
	if err != nil {
		return nil, err
	}
	return &end{client: c, started: server.GetStartTime().AsTime(), process: processOf(target)}, nil
}

func (e *end) close() { e.process.close() }

// askEvery is how often a server elsewhere is asked whether it is still there.
const askEvery = 200 * time.Millisecond

func (e *end) wait(ctx context.Context) error {
	if e.process.known() {
		return e.process.wait(ctx)
	}
	timer := time.NewTicker(askEvery)
	defer timer.Stop()
	for {
		server, err := e.client.Server(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case fault.Is(err, metav1.Reason_REASON_UNAVAILABLE), fault.Is(err, metav1.Reason_REASON_SERVER_STARTING),
			err == nil && !server.GetStartTime().AsTime().Equal(e.started):
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
}
