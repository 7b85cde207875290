package rpc_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hearthos/hearth/server/internal/audit"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/store"
)

// auditedServer is a server with an audit log whose background work ends with flush.
func auditedServer(t *testing.T) (s *server, log *audit.Log, flush func()) {
	t.Helper()
	st := must(store.Open(t.TempDir(), store.Options{}))(t)
	t.Cleanup(func() { st.Close() })
	log = audit.New(st, slog.New(slog.DiscardHandler), time.Now, audit.DefaultLimits())
	s = newServer(t, func(c *rpc.Config) { c.Audit = func() *audit.Log { return log } })
	return s, log, func() {
		ended, end := context.WithCancel(context.Background())
		end()
		if err := log.Run(ended); err != nil && ended.Err() == nil {
			t.Error(err)
		}
	}
}

// withToken gives the calls of a native client a token.
func withToken(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

func entries(t *testing.T, log *audit.Log) []*auditv1.Entry {
	t.Helper()
	found, more, err := log.List(&auditv1.ListEntriesRequest{}, "", 1000)
	if err != nil || more {
		t.Fatal(more, err)
	}
	return found
}

func TestCallsThatCouldChangeSomethingAreRecorded(t *testing.T) {
	t.Parallel()
	s, log, flush := auditedServer(t)
	client := packagesv1.NewPackageServiceClient(s.dialTLS(t, s.grpc))
	admin, long := withToken(t.Context(), "admin"), strings.Repeat("x", 1000)
	if _, err := client.ListPackages(admin, &packagesv1.ListPackagesRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.StartPackage(admin, &packagesv1.StartPackageRequest{Id: "hello"}); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, log); len(got) != 1 {
		t.Fatalf("when the call is answered there are the entries %v", got)
	}
	_, err := client.StartPackage(withToken(t.Context(), "viewer"), &packagesv1.StartPackageRequest{Id: "hello"})
	if err == nil {
		t.Fatal("a viewer may start packages")
	}
	if _, err := client.StartPackage(admin, &packagesv1.StartPackageRequest{Id: long}); err == nil {
		t.Fatal("a wrong id was taken")
	}
	flush()
	got := entries(t, log)
	if len(got) != 3 {
		t.Fatalf("the entries are %v", got)
	}
	want := []*auditv1.Entry{
		{Spec: &auditv1.EntrySpec{Caller: "token-admin", Role: optionsv1.Role_ROLE_ADMIN, Targets: map[string]string{"id": long[:128]}},
			Status: &auditv1.EntryStatus{Outcome: auditv1.EntryStatus_OUTCOME_REFUSED, Reason: metav1.Reason_REASON_INVALID_ARGUMENT, Count: 1}},
		{Spec: &auditv1.EntrySpec{Caller: "token-viewer", Role: optionsv1.Role_ROLE_VIEWER, Targets: map[string]string{"id": "hello"}},
			Status: &auditv1.EntryStatus{Outcome: auditv1.EntryStatus_OUTCOME_REFUSED, Reason: metav1.Reason_REASON_PERMISSION_DENIED, Count: 1}},
		{Spec: &auditv1.EntrySpec{Caller: "token-admin", Role: optionsv1.Role_ROLE_ADMIN, Targets: map[string]string{"id": "hello"}},
			Status: &auditv1.EntryStatus{Outcome: auditv1.EntryStatus_OUTCOME_DONE, Count: 1}},
	}
	for i, e := range got {
		if len(e.GetSpec().GetRequestId()) < 8 || e.GetSpec().GetCallTime() == nil || !strings.HasPrefix(e.GetSpec().GetAddress(), "127.0.0.1:") {
			t.Errorf("entry %d is of %v from %q", i, e.GetSpec().GetCallTime(), e.GetSpec().GetAddress())
		}
		want[i].Meta, want[i].Spec.CallTime, want[i].Spec.Address = e.GetMeta(), e.GetSpec().GetCallTime(), e.GetSpec().GetAddress()
		want[i].Spec.Method, want[i].Spec.Listener, want[i].Spec.Wire = "hearth.packages.v1.PackageService.StartPackage", "grpc", "grpc"
		want[i].Spec.CallerId = want[i].Spec.Caller // tokens of the local socket are named by their ids
		want[i].Spec.RequestId = e.GetSpec().GetRequestId()
		if !proto.Equal(e, want[i]) {
			t.Errorf("entry %d is\n%v and not\n%v", i, e, want[i])
		}
	}
}

func TestAskingWhatWouldBeDoneIsNotRecorded(t *testing.T) {
	t.Parallel()
	s, log, flush := auditedServer(t)
	client := packagesv1.NewPackageServiceClient(s.dialTLS(t, s.grpc))
	admin := withToken(t.Context(), "admin")
	for _, look := range []bool{true, false, true} {
		if _, err := client.CollectGarbage(admin, &packagesv1.CollectGarbageRequest{ValidateOnly: look}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.CollectGarbage(withToken(t.Context(), "viewer"), &packagesv1.CollectGarbageRequest{ValidateOnly: true}); err == nil {
		t.Fatal("a viewer may look at what is garbage")
	}
	flush()
	var outcomes []auditv1.EntryStatus_Outcome
	for _, e := range entries(t, log) {
		outcomes = append(outcomes, e.GetStatus().GetOutcome())
	}
	if want := []auditv1.EntryStatus_Outcome{auditv1.EntryStatus_OUTCOME_REFUSED, auditv1.EntryStatus_OUTCOME_DONE}; !slices.Equal(outcomes, want) {
		t.Errorf("the entries are %v, want %v: of looks only those that were refused", outcomes, want)
	}
}

func TestSecretsOfARequestAreNotRecorded(t *testing.T) {
	t.Parallel()
	s, log, flush := auditedServer(t)
	client := actionsv1.NewActionServiceClient(dialUnix(t, s.unix))
	const canary = "canary-5a1f"
	_, err := client.RunAction(t.Context(), &actionsv1.RunActionRequest{PackageId: "hello", ActionId: "set", Input: `{"password":"` + canary + `"}`})
	if err != nil {
		t.Fatal(err)
	}
	flush()
	got := entries(t, log)
	if len(got) != 1 || got[0].GetSpec().GetTargets()["package_id"] != "hello" || got[0].GetSpec().GetCaller() != "local" {
		t.Fatalf("the entries are %v", got)
	}
	if text := got[0].String() + s.log.String(); strings.Contains(text, canary) {
		t.Errorf("the secret is in %s", text)
	}
}

func TestAPanicIsRecorded(t *testing.T) {
	t.Parallel()
	s, log, flush := auditedServer(t)
	if _, err := packagesv1.NewPackageServiceClient(dialUnix(t, s.unix)).StartPackage(t.Context(), &packagesv1.StartPackageRequest{Id: "panic"}); err == nil {
		t.Fatal("it was answered")
	}
	flush()
	if got := entries(t, log); len(got) != 1 || got[0].GetStatus().GetReason() != metav1.Reason_REASON_INTERNAL {
		t.Errorf("the entries are %v", got)
	}
}

func TestMarkedFieldsAreSecret(t *testing.T) {
	t.Parallel()
	fields := (&actionsv1.RunActionRequest{}).ProtoReflect().Descriptor().Fields()
	for name, want := range map[protoreflect.Name]bool{"input": true, "package_id": false} {
		if got := rpc.Secret(fields.ByName(name)); got != want {
			t.Errorf("%s is secret: %v", name, got)
		}
	}
}

func TestReadingTheContractIsNotRecorded(t *testing.T) {
	t.Parallel()
	s, log, flush := auditedServer(t)
	conn := s.dialTLS(t, s.grpc)
	ask := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	reflect(t, withToken(t.Context(), "admin"), conn, ask)
	stream := must(reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context()))(t)
	if _, err := stream.Recv(); err == nil {
		t.Error("nobody may read the contract")
	}
	flush()
	if got := entries(t, log); len(got) != 0 {
		t.Errorf("the entries are %v", got)
	}
}
