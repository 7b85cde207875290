package rpc

import (
	"context"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// stage is where the server is in its life.
type stage struct {
	phase optionsv1.Phase
	step  string
}

// retryStart is when a call that came too early is worth trying again.
const retryStart = time.Second

// Enter tells the hub in which phase the server is and, for those who are refused, what it does right now. A hub that is
// told nothing is in the phase running.
func (h *Hub) Enter(phase optionsv1.Phase, step string) {
	h.phase.Store(&stage{phase, step})
	serving := healthpb.HealthCheckResponse_NOT_SERVING
	if phase == optionsv1.Phase_PHASE_RUNNING {
		serving = healthpb.HealthCheckResponse_SERVING
	}
	h.health.SetServingStatus("", serving)
}

// Phase is the phase the server is in.
func (h *Hub) Phase() optionsv1.Phase { return h.phase.Load().phase }

// Starting is how the hub refuses what the server cannot answer yet, for parts of it that come later than the wires.
func (h *Hub) Starting() error { return h.phase.Load().refusal() }

// refusal is how a call is refused that comes in a phase in which it is not answered.
func (s *stage) refusal() error {
	phase := strings.ToLower(strings.TrimPrefix(s.phase.String(), "PHASE_"))
	f := fault.New(metav1.Reason_REASON_SERVER_STARTING, "the server does not answer this yet: it is in phase %s", phase)
	if s.step != "" {
		f = fault.New(metav1.Reason_REASON_SERVER_STARTING, "the server is starting: %s", s.step)
	}
	return f.With("phase", phase).With("step", s.step).RetryAfter(retryStart)
}

// inPhase refuses calls that do not belong to the phase, whoever makes them: nobody's credential can be checked before
// the server runs. What containers and the server's own processes call has no phases: it is answered once it can be.
func (h *Hub) inPhase(ctx context.Context, c *Call, next func(context.Context) error) error {
	s := h.phase.Load()
	phases := uint32(1) << optionsv1.Phase_PHASE_RUNNING
	switch {
	case c.Caller.Origin.Listener == origin.Container, c.Caller.Origin.Listener == origin.Internal:
		return next(ctx)
	case c.m != nil:
		phases = c.m.phases
	}
	if phases&(1<<s.phase) == 0 {
		return s.refusal()
	}
	return next(ctx)
}
