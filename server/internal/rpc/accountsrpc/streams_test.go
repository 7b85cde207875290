package accountsrpc_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
)

func watchRequest() *statev1.WatchRequest {
	return &statev1.WatchRequest{Targets: []*statev1.Target{{Id: "t"}}}
}

// watch opens a stream and reads what is there, so that it is known to be open.
func (s *server) watch(ctx context.Context, secret string) grpc.ServerStreamingClient[statev1.WatchResponse] {
	s.t.Helper()
	stream, err := statev1.NewStateServiceClient(s.conn).Watch(as(ctx, secret), watchRequest())
	check(s.t, err)
	_, err = stream.Recv()
	check(s.t, err)
	return stream
}

// ended answers why a stream ended; it waits for that no longer than the test lasts.
func ended(stream grpc.ServerStreamingClient[statev1.WatchResponse]) error {
	for {
		if _, err := stream.Recv(); err != nil {
			return fault.FromStatus(err)
		}
	}
}

func TestOpenStreamsEndWithTheirRights(t *testing.T) {
	t.Parallel()
	const gone, changed = metav1.Reason_REASON_UNAUTHENTICATED, metav1.Reason_REASON_PERMISSION_DENIED
	for name, c := range map[string]struct {
		token bool // the stream is of a token of sam, not of a session
		end   func(s *server, ctx context.Context, id, secret string) error
		want  metav1.Reason
	}{
		"logout": {false, func(s *server, ctx context.Context, _, secret string) error {
			_, err := accountsv1.NewAccountServiceClient(s.conn).Logout(as(ctx, secret), &accountsv1.LogoutRequest{})
			return err
		}, gone},
		"session ended by an administrator": {false, func(s *server, ctx context.Context, id, _ string) error {
			return s.accounts.EndSession(ctx, time.Now(), root, id)
		}, gone},
		"password reset": {false, func(s *server, ctx context.Context, _, _ string) error {
			_, _, err := s.accounts.ResetPassword(ctx, time.Now(), &accountsv1.ResetPasswordRequest{Account: "sam", NewPassword: "another password"})
			return err
		}, gone},
		"token deleted": {true, func(s *server, ctx context.Context, id, _ string) error {
			return s.accounts.DeleteToken(ctx, time.Now(), root, id)
		}, gone},
		"account deleted": {true, func(s *server, ctx context.Context, _, _ string) error {
			return s.accounts.Delete(ctx, time.Now(), root, "sam")
		}, gone},
		"role lowered":            {false, lower, changed},
		"role lowered of a token": {true, lower, changed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.addAccount("sam", optionsv1.Role_ROLE_ADMIN)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			id, secret := s.program("sam")
			if c.token {
				made, told, err := s.accounts.CreateToken(ctx, time.Now(), account.Actor{Account: "sam", Role: optionsv1.Role_ROLE_ADMIN}, &accountsv1.CreateTokenRequest{Name: "t", Role: optionsv1.Role_ROLE_ADMIN})
				check(t, err)
				id, secret = made.GetId(), told
			}
			_, owner := s.program("alex")
			other := s.watch(ctx, owner)
			stream := s.watch(ctx, secret)
			check(t, c.end(s, ctx, id, secret))
			if err := ended(stream); !fault.Is(err, c.want) {
				t.Errorf("the stream ends with %v, want %s", err, c.want)
			}
			if err := other.Context().Err(); err != nil {
				t.Errorf("the stream of another ended too: %v", err)
			}
			again, err := statev1.NewStateServiceClient(s.conn).Watch(as(ctx, secret), watchRequest())
			check(t, err)
			if _, err := again.Recv(); (err == nil) != (c.want == changed) {
				t.Errorf("opened anew: %v", err)
			}
		})
	}
}

func lower(s *server, ctx context.Context, _, _ string) error {
	role := optionsv1.Role_ROLE_VIEWER
	_, err := s.accounts.Update(ctx, time.Now(), root, &accountsv1.UpdateAccountRequest{Id: "sam", Role: &role})
	return err
}

// A stream of a page ends with the page's session, whoever ends it, on the wires of browsers too.
func TestStreamOfABrowserEndsAtLogout(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := &page{s: s}
	p.login("alex")
	body, err := protojson.Marshal(watchRequest())
	check(t, err)
	resp := p.send("/api/v1/state:watch", body, nil)
	defer resp.Body.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	out := &accountsv1.LogoutResponse{}
	check(t, p.call("Logout", &accountsv1.LogoutRequest{}, out, nil))
	done := make(chan string, 1)
	go func() { rest, _ := io.ReadAll(resp.Body); done <- string(rest) }()
	select {
	case rest := <-done:
		if !strings.Contains(rest, "REASON_UNAUTHENTICATED") {
			t.Errorf("the stream ends without a reason: %s", rest)
		}
	case <-time.After(20 * time.Second):
		t.Error("the stream goes on after the logout")
	}
}
