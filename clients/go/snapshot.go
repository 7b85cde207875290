package hearth

import (
	"context"
	"errors"
	"io"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
)

// Snapshot reads what there is now: all resources that match one of the selectors, as of one revision, ordered by kind
// and id, those of ephemeral kinds last.
func (c *Client) Snapshot(ctx context.Context, selectors ...*statev1.Selector) ([]*statev1.Change, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.State.Watch(ctx, &statev1.WatchRequest{Targets: []*statev1.Target{{Selectors: selectors}}})
	if err != nil {
		return nil, err
	}
	var rows []*statev1.Change
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			err = fault.New(metav1.Reason_REASON_UNAVAILABLE, "the server ended the watch before its snapshot was whole")
		}
		if err != nil {
			return nil, err
		}
		for _, u := range resp.GetUpdates() {
			rows = append(rows, u.GetChanges()...)
			if u.GetBookmark() != "" {
				return rows, nil
			}
		}
	}
}
