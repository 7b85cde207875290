package service

import (
	"context"
	"fmt"
	"os"
	"strconv"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	jshostv1 "github.com/hearthos/hearth/api/gen/go/hearth/jshost/v1"

	"github.com/hearthos/hearth/api/fault"
)

// Idle implements the method. Whatever runs beside the JavaScript host is not idle: nobody else knows what it waits for.
func (s *Service) Idle(ctx context.Context, _ *agentv1.IdleRequest) (*agentv1.IdleResponse, error) {
	if err := s.loaded(ctx); err != nil {
		return nil, fault.Status(err).Err()
	}
	// Without a deadline, which the host would find among its own timers.
	asked, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	told, err := s.host.Client().Idle(asked, &jshostv1.IdleRequest{})
	if err != nil {
		return nil, fault.Status(s.explain(err)).Err()
	}
	resp := &agentv1.IdleResponse{Busy: cut(told.GetBusy()), Quiet: told.GetQuiet(), Waits: told.GetWaits()}
	others, err := processes(s.host.PID())
	switch {
	case err != nil:
		return nil, fault.Status(err).Err()
	case s.State().GetPhase() != agentv1.State_PHASE_STOPPED:
		resp.Busy = "it is not at rest"
	case others > 0:
		resp.Busy = fmt.Sprintf("%d processes run beside the package's code", others)
	}
	return resp, nil
}

// processes counts those of the container beside this program and one other.
func processes(beside int) (int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("cannot list the processes: %w", err)
	}
	n := 0
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() && pid != beside {
			n++
		}
	}
	return n, nil
}
