package door

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/hearthos/hearth/api/fault"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// Contract is the number of hearth.door.v1 this door speaks.
const Contract = 1

// Service answers hearth.door.v1 for a door.
type Service struct {
	doorv1.UnimplementedDoorServiceServer
	Door *Door
	// Version is that of the program, Program the file it was started from.
	Version, Program string
	// Replacement starts the next door; nil where nobody holds the sockets.
	Replacement func(ctx context.Context) error
}

// GetStatus tells who answers and what is in force.
func (s *Service) GetStatus(context.Context, *doorv1.GetStatusRequest) (*doorv1.GetStatusResponse, error) {
	digest, sockets := s.Door.Status()
	upstreams, circular := s.Door.Upstreams()
	return &doorv1.GetStatusResponse{
		Version: s.Version, Contract: Contract, Digest: digest, Sockets: sockets, LocalNames: s.Door.LocalNames(), Upstreams: upstreams, CircularUpstreams: circular,
		Program: s.Program,
	}, nil
}

// Apply puts a table in force.
func (s *Service) Apply(ctx context.Context, r *doorv1.ApplyRequest) (*doorv1.ApplyResponse, error) {
	digest, sockets, err := s.Door.Apply(ctx, r.GetTable())
	if err != nil {
		return nil, err
	}
	return &doorv1.ApplyResponse{Digest: digest, Sockets: sockets}, nil
}

// Check tells whether a table can be used.
func (s *Service) Check(_ context.Context, r *doorv1.CheckRequest) (*doorv1.CheckResponse, error) {
	if err := Check(r.GetTable()); err != nil {
		return nil, err
	}
	return &doorv1.CheckResponse{}, nil
}

// Reopen lets services reach again what they reach by names.
func (s *Service) Reopen(ctx context.Context, _ *doorv1.ReopenRequest) (*doorv1.ReopenResponse, error) {
	if err := s.Door.Reopen(ctx); err != nil {
		return nil, fault.New(metav1.Reason_REASON_INTERNAL, "cannot open again what services reach by names: %w", err)
	}
	return &doorv1.ReopenResponse{}, nil
}

// Replace has the next door started.
func (s *Service) Replace(ctx context.Context, _ *doorv1.ReplaceRequest) (*doorv1.ReplaceResponse, error) {
	if s.Replacement == nil {
		return nil, fault.New(metav1.Reason_REASON_UNAVAILABLE, "this door has no parent that could start another")
	}
	if err := s.Replacement(ctx); err != nil {
		return nil, fault.New(metav1.Reason_REASON_INTERNAL, "cannot replace the door: %w", err)
	}
	return &doorv1.ReplaceResponse{}, nil
}

// NewServer makes the gRPC server for a Service. It is to be served on a listener that lets only the owner in; see
// OnlyFrom.
func NewServer(s *Service) *grpc.Server {
	recovering := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (resp any, err error) {
		defer func() {
			if v := recover(); v != nil {
				s.Door.log.Error("call panicked", "method", info.FullMethod, "panic", v, "stack", string(debug.Stack()))
				err = fault.New(metav1.Reason_REASON_INTERNAL, "the door made a mistake")
			}
			if err != nil {
				err = fault.Status(err).Err()
			}
		}()
		return h(ctx, req)
	}
	g := grpc.NewServer(grpc.MaxRecvMsgSize(MaxTableBytes+4096), grpc.MaxConcurrentStreams(16), grpc.UnaryInterceptor(recovering),
		grpc.ConnectionTimeout(2*time.Second), grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: time.Hour}))
	doorv1.RegisterDoorServiceServer(g, s)
	return g
}

// OnlyFrom makes a listener of a unix socket's that closes connections of processes with any other user id.
func OnlyFrom(l net.Listener, uids ...int) net.Listener { return &ownerListener{l, uids} }

type ownerListener struct {
	net.Listener
	uids []int
}

func (l *ownerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && slices.Contains(l.uids, uid) {
			return c, nil
		}
		c.Close()
	}
}

func peerUID(c net.Conn) (int, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, fmt.Errorf("cannot learn who calls: %w", credErr)
	}
	return int(cred.Uid), nil
}
