package service

import (
	"context"
	"syscall"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	jshostv1 "github.com/hearthos/hearth/api/gen/go/hearth/jshost/v1"
)

// Shutdown ends the package's code because the container is switched off: main is stopped, then the JavaScript host is
// told to end, then killed. It returns when the host is gone and its calls have answered. When ctx ends the stop of
// main is no longer waited for. It calls no uninit: that is the daemon's to decide, by Exit, before.
func (s *Service) Shutdown(ctx context.Context, note func(format string, args ...any)) {
	if s.host == nil {
		return
	}
	s.state.leave()
	if st := s.State(); st.GetPhase() != agentv1.State_PHASE_LOADING && st.GetExitReason() == "" {
		err := s.transition(ctx, stopping, "shutdown", func(ctx context.Context, c jshostv1.JsHostServiceClient) error {
			_, err := c.Stop(ctx, &jshostv1.StopRequest{})
			return err
		})
		if err != nil {
			note("cannot stop the package before the power-off: %v", err)
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = s.host.Signal(sig)
		select {
		case <-s.done:
		case <-time.After(leaveTimeout / 2):
			continue
		}
		break
	}
	<-s.done
	s.calls.wait()
}
