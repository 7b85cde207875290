// Package notificationsrpc answers hearth.notifications.v1 from the area notify.
package notificationsrpc

import (
	"context"
	"slices"
	"time"

	notificationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/notifications/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/notify"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// Server implements NotificationServiceServer.
type Server struct {
	notificationsv1.UnimplementedNotificationServiceServer
	keeper *notify.Keeper
	clock  func() time.Time
}

// New returns the server.
func New(keeper *notify.Keeper, clock func() time.Time) *Server {
	return &Server{keeper: keeper, clock: clock}
}

// defaultPage is how many notifications are on a page where the caller does not say.
const defaultPage = 100

// ListNotifications implements NotificationServiceServer.
func (s *Server) ListNotifications(ctx context.Context, req *notificationsv1.ListNotificationsRequest) (*notificationsv1.ListNotificationsResponse, error) {
	rows, err := s.keeper.List(req.GetPackageId(), req.GetUnseen())
	if err != nil {
		return nil, err
	}
	scope := rpc.CallerScope(ctx)
	last, err := rpc.PageAfter(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(n *notificationsv1.Notification) bool {
		id := n.GetMeta().GetId()
		return !scope.Covers(ids.Parent(id)) || last != "" && notify.Compare(id, last) >= 0
	})
	resp := &notificationsv1.ListNotificationsResponse{Notifications: rows}
	size := int(req.GetPageSize())
	if size <= 0 {
		size = defaultPage
	}
	if len(rows) > size {
		resp.Notifications, resp.NextPageToken = rows[:size], rpc.PageToken(rows[size-1].GetMeta().GetId())
	}
	return resp, nil
}

// MarkNotifications implements NotificationServiceServer.
func (s *Server) MarkNotifications(ctx context.Context, req *notificationsv1.MarkNotificationsRequest) (*notificationsv1.MarkNotificationsResponse, error) {
	names := req.GetIds()
	if req.GetAll() {
		rows, err := s.keeper.List("", false)
		if err != nil {
			return nil, err
		}
		names = idsOf(rows)
	}
	marked, err := s.keeper.Mark(ctx, s.clock(), names, !req.GetUnseen())
	return &notificationsv1.MarkNotificationsResponse{Marked: marked}, err
}

// RemoveNotifications implements NotificationServiceServer.
func (s *Server) RemoveNotifications(ctx context.Context, req *notificationsv1.RemoveNotificationsRequest) (*notificationsv1.RemoveNotificationsResponse, error) {
	names := req.GetIds()
	if req.GetSeen() {
		rows, err := s.keeper.List("", false)
		if err != nil {
			return nil, err
		}
		names = idsOf(slices.DeleteFunc(rows, func(n *notificationsv1.Notification) bool { return !n.GetSpec().GetSeen() }))
	}
	removed, err := s.keeper.Remove(ctx, s.clock(), names)
	return &notificationsv1.RemoveNotificationsResponse{Removed: removed}, err
}

func idsOf(rows []*notificationsv1.Notification) []string {
	var out []string
	for _, r := range rows {
		out = append(out, r.GetMeta().GetId())
	}
	return out
}
