package rpc_test

import (
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// Before the server runs every wire refuses in the same words, whoever calls, and the hub answers as soon as it does.
func TestCallsThatComeTooEarlyAreToldToComeAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	want := &metav1.Fault{
		Reason: metav1.Reason_REASON_SERVER_STARTING, Message: "the server is starting: reads the store",
		Metadata: map[string]string{"phase": "init", "step": "reads the store"}, RetryAfter: durationpb.New(1e9),
	}
	s.hub.Enter(optionsv1.Phase_PHASE_INIT, "reads the store")
	for _, w := range wires() {
		for _, token := range []string{"admin", "stolen"} {
			_, err := w.call(t, s, token, methodOf("ListPackages"), &packagesv1.ListPackagesRequest{}, &packagesv1.ListPackagesResponse{})
			if got := faultOf(t, err); !proto.Equal(got, want) {
				t.Errorf("%s with %s: got %v (%v)", w.name, token, got, err)
			}
		}
	}
	health := healthpb.NewHealthClient(dialUnix(t, s.unix))
	serving := func() healthpb.HealthCheckResponse_ServingStatus {
		return must(health.Check(t.Context(), &healthpb.HealthCheckRequest{}))(t).GetStatus()
	}
	if got := serving(); got != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health is %v during the start", got)
	}
	s.hub.Enter(optionsv1.Phase_PHASE_RUNNING, "")
	if got := serving(); got != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health is %v after the start", got)
	}
	for _, w := range wires() {
		if _, err := w.call(t, s, "viewer", methodOf("ListPackages"), &packagesv1.ListPackagesRequest{}, &packagesv1.ListPackagesResponse{}); err != nil {
			t.Errorf("%s after the start: %v", w.name, err)
		}
	}
}

// A service that is declared and not there yet is refused on every wire, and answers once it is registered.
func TestServicesMayComeLater(t *testing.T) {
	t.Parallel()
	s := startServerWith(t, state{started: make(chan struct{}, 16)}, func(hub *rpc.Hub) grpc.ServiceRegistrar {
		hub.Declare(&packagesv1.PackageService_ServiceDesc)
		return declined{hub, packagesv1.PackageService_ServiceDesc.ServiceName}
	})
	list := func(w wire) error {
		_, err := w.call(t, s, "viewer", methodOf("ListPackages"), &packagesv1.ListPackagesRequest{}, &packagesv1.ListPackagesResponse{})
		return err
	}
	for _, w := range wires() {
		if err := list(w); !fault.Is(err, metav1.Reason_REASON_SERVER_STARTING) {
			t.Errorf("%s: got %v", w.name, err)
		}
	}
	packagesv1.RegisterPackageServiceServer(s.hub, packages{})
	for _, w := range wires() {
		if err := list(w); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}
}

// declined is a registrar that leaves one service out.
type declined struct {
	grpc.ServiceRegistrar
	name string
}

func (d declined) RegisterService(sd *grpc.ServiceDesc, impl any) {
	if sd.ServiceName != d.name {
		d.ServiceRegistrar.RegisterService(sd, impl)
	}
}
