package rpc

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"

	"github.com/hearthos/hearth/api/fault"
)

// track remembers a server for Shutdown; false when the hub is shut down already.
func (h *Hub) track(s *http.Server) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.servers = append(h.servers, s)
	return true
}

// Shutdown ends the hub: new calls are refused, streams end with REASON_UNAVAILABLE, other calls may finish until ctx
// ends, then their connections are cut and they have a second more to notice. It returns an error if calls were cut.
// Every Serve method returns.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	servers := h.servers
	h.mu.Unlock()
	h.health.Shutdown()
	h.streams.close(fault.New(metav1.Reason_REASON_UNAVAILABLE, "the server is stopping").RetryAfter(time.Second))

	var wg sync.WaitGroup
	errs := make([]error, len(servers)+3)
	for i, s := range servers {
		wg.Go(func() {
			if errs[i] = s.Shutdown(ctx); errs[i] != nil {
				s.Close()
			}
		})
	}
	for i, s := range []*grpc.Server{h.public, h.container, h.internal} {
		wg.Go(func() { errs[len(servers)+i] = stopGRPC(ctx, s) })
	}
	wg.Wait()
	if h.stop != nil {
		h.stop()
	}
	h.tasks.Wait()
	return errors.Join(errs...)
}

// stopGRPC stops s gracefully until ctx ends, then at once. A handler that does not notice its end is left behind.
func stopGRPC(ctx context.Context, s *grpc.Server) error {
	done := make(chan struct{})
	go func() { s.GracefulStop(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	go s.Stop() // makes GracefulStop return when the handlers have
	grace := time.NewTimer(time.Second)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
	}
	return context.Cause(ctx)
}
