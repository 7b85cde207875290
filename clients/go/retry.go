package hearth

import (
	"context"
	"errors"
	"io"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// Waiting times between attempts to reach a server that has gone.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// errEnded tells that a stream that has no end of its own ended.
var errEnded = errors.New("the server ended the stream")

// pause waits before the next attempt, longer each time.
type pause struct{ next time.Duration }

func (p *pause) wait(ctx context.Context) error {
	if p.next == 0 {
		p.next = firstPause
	}
	t := time.NewTimer(p.next)
	defer t.Stop()
	p.next = min(2*p.next, lastPause)
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reset makes the next pause a short one.
func (p *pause) reset() { p.next = 0 }

// gone tells whether err means that the server cannot be reached now or is starting, and not that it refused.
func gone(err error) bool {
	return away(err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errEnded)
}

// away tells whether a fault says that the server is not there yet, or not any more.
func away(err error) bool {
	return fault.Is(err, metav1.Reason_REASON_UNAVAILABLE) || fault.Is(err, metav1.Reason_REASON_SERVER_STARTING)
}
