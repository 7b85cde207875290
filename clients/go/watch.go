package hearth

import (
	"context"
	"errors"
	"io"
	"slices"

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/protobuf/proto"
)

// Watch follows the targets and calls fn for each update in order, with one target at a time, until fn says that it is done or fails, ctx ends, or
// the server refuses. When the server goes away, Watch goes on with it when it is back: every target from its last
// bookmark, leaving out what fn has seen, so that fn sees each durable change exactly once. A target that was not yet
// through with its snapshot begins it anew, which its updates tell (PHASE_SNAPSHOT). A server that cannot be reached at
// the first attempt is an error; a bookmark that has expired always is.
//
// The targets are not changed.
func (c *Client) Watch(ctx context.Context, targets []*statev1.Target, fn func(*statev1.Update) (done bool, err error)) error {
	w := &watch{places: map[string]*place{}, fn: fn}
	for _, t := range targets {
		p := &place{target: proto.CloneOf(t)}
		w.order = append(w.order, p)
		w.places[t.GetId()] = p
	}
	var p pause
	for {
		done, err := w.run(ctx, c, &p)
		switch {
		case w.failed != nil:
			return w.failed
		case done || err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !w.connected || !gone(err):
			return err
		}
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
}

// watch is where a Watch stands.
type watch struct {
	order     []*place
	places    map[string]*place
	fn        func(*statev1.Update) (bool, error)
	connected bool
	failed    error // what fn returned
}

// place is where a target stands.
type place struct {
	target *statev1.Target
	seen   uint64 // the newest revision that fn has seen
}

// run watches until the stream ends.
func (w *watch) run(ctx context.Context, c *Client, p *pause) (done bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req := &statev1.WatchRequest{}
	for _, at := range w.order {
		req.Targets = append(req.Targets, at.target)
	}
	stream, err := c.State.Watch(ctx, req)
	if err != nil {
		return false, err
	}
	// The server accepts a watch with headers: where nothing changes, there may be no message for long.
	if md, err := stream.Header(); err == nil && md != nil {
		w.connected = true
		p.reset()
	}
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return false, errEnded
		}
		if err != nil {
			return false, err
		}
		for _, u := range resp.GetUpdates() {
			if done, err := w.update(u); done || err != nil {
				w.failed = err
				return done, err
			}
		}
	}
}

// update hands an update to fn, once for each of its targets.
func (w *watch) update(u *statev1.Update) (bool, error) {
	for i := range u.GetTargets() {
		one := u
		if len(u.GetTargets()) > 1 {
			one = &statev1.Update{
				Targets: u.GetTargets()[i : i+1], Phase: u.GetPhase(), Changes: u.GetChanges(),
				Bookmark: u.GetBookmark(), Revision: u.GetRevision(), BootId: u.GetBootId(),
			}
		}
		if done, err := w.one(one); done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// one hands an update of one target to fn.
func (w *watch) one(u *statev1.Update) (bool, error) {
	p := w.places[u.GetTargets()[0]]
	if p == nil {
		return w.fn(u)
	}
	newest := p.seen
	for _, ch := range u.GetChanges() {
		newest = max(newest, ch.GetRevision())
	}
	if p.target.GetBookmark() == "" || u.GetPhase() != statev1.Update_PHASE_CHANGES || !p.unseen(u) {
		if done, err := w.fn(u); done || err != nil {
			return done, err
		}
	}
	p.seen = newest
	if u.GetBookmark() != "" {
		p.target.Bookmark = u.GetBookmark()
	}
	return false, nil
}

// unseen leaves out the changes fn saw after the bookmark from which the stream went on, and tells whether that leaves
// nothing of the update. The changes themselves are other targets' too.
func (p *place) unseen(u *statev1.Update) bool {
	had := len(u.GetChanges())
	u.Changes = slices.DeleteFunc(slices.Clone(u.GetChanges()), func(ch *statev1.Change) bool {
		return ch.GetRevision() != 0 && ch.GetRevision() <= p.seen
	})
	return len(u.GetChanges()) == 0 && had > 0 && u.GetBookmark() == ""
}

// ReadLogs calls fn for each line of a log, the oldest first. When it follows the log, it goes on by itself after a
// restart of the server, without leaving a line out or repeating one.
func (c *Client) ReadLogs(ctx context.Context, req *logsv1.ReadLogsRequest, fn func(*logsv1.LogEntry) error) error {
	req = proto.CloneOf(req)
	var p pause
	connected := false
	for {
		done, err := c.readLogs(ctx, req, fn, func() {
			connected = true
			p.reset()
		})
		switch {
		case done:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !req.GetFollow() || !connected || !gone(err):
			return err
		}
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
}

// readLogs reads until the stream ends; done tells that it ended as it should, or because of fn. begun is called when the
// server has accepted the call: a log that is followed may have no line for long.
func (c *Client) readLogs(ctx context.Context, req *logsv1.ReadLogsRequest, fn func(*logsv1.LogEntry) error, begun func()) (done bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Logs.ReadLogs(ctx, req)
	if err != nil {
		return false, err
	}
	if md, err := stream.Header(); err == nil && md != nil {
		begun()
	}
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if req.GetFollow() {
				return false, errEnded
			}
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for _, e := range resp.GetEntries() {
			if err := fn(e); err != nil {
				return true, err
			}
			req.Cursor, req.Tail = e.GetCursor(), nil
		}
	}
}
