package main

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/api/fault"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

// askEnv has this program ask the code in a folder, as another user who cannot set it up for scripts.
const askEnv = "HEARTH_TEST_ASK"

// TestMain lets scripts run this program as hearth.
func TestMain(m *testing.M) {
	if os.Getenv(askEnv) != "" {
		os.Exit(m.Run())
	}
	testscript.Main(m, map[string]func(){"hearth": main})
}

// Each script has a server of its own at $HEARTH_HOST: the contract with one service in it. What a real server does is
// tried in server/e2e; here is how it reads.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": endsWith},
		Setup: func(env *testscript.Env) error {
			socket := filepath.Join(env.WorkDir, "s")
			stop, err := serve(socket)
			if err != nil {
				return err
			}
			env.Defer(stop)
			env.Setenv("HEARTH_HOST", "unix:"+socket)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TZ", "UTC")
			return nil
		},
	})
}

// serve answers at a socket as a server with one service.
func serve(socket string) (stop func(), err error) {
	lis, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer()
	packagesv1.RegisterPackageServiceServer(server, &oneService{})
	operationsv1.RegisterOperationServiceServer(server, operations{})
	actionsv1.RegisterActionServiceServer(server, actions{})
	hostsv1.RegisterHostServiceServer(server, hosts{})
	logsv1.RegisterLogServiceServer(server, logLines{})
	systemv1.RegisterSystemServiceServer(server, system{})
	accountsv1.RegisterAccountServiceServer(server, accounts{})
	statev1.RegisterStateServiceServer(server, feed{})
	auditv1.RegisterAuditServiceServer(server, auditLog{})
	systemv1.RegisterRootKeyServiceServer(server, rootKey{})
	diagnosticsv1.RegisterDiagnosticsServiceServer(server, diagnostics{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	return func() {
		server.Stop()
		<-served
	}, nil
}

// endsWith is "code N PATTERN PROGRAM ARG...": the program ends with the code, and what it says on standard error matches.
func endsWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: code N PATTERN PROGRAM ARG...")
	}
	err := ts.Exec(args[2], args[3:]...)
	code := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	said := ts.ReadFile("stderr")
	if strconv.Itoa(code) != args[0] || !regexp.MustCompile(args[1]).MatchString(said) {
		ts.Fatalf("%q ends with %d, want %s and %q:\n%s", args[2:], code, args[0], args[1], said)
	}
}

// ago is a time whose age reads the same for an hour.
func ago(d time.Duration) *timestamppb.Timestamp {
	return timestamppb.New(time.Now().Add(-d - time.Minute))
}

var noon = timestamppb.New(time.Date(2026, 5, 4, 12, 0, 0, 125e6, time.UTC))

func meta(id string) *metav1.Meta {
	return &metav1.Meta{Id: id, Revision: 9, Generation: 1, CreateTime: noon}
}

// hello is the one package; its title tries to move the cursor.
func hello() *packagesv1.Package {
	return &packagesv1.Package{
		Meta:   meta("hello"),
		Spec:   &packagesv1.PackageSpec{Title: "Hello\x1b[2J", Version: "1.0.0:0", Desired: packagesv1.PackageSpec_DESIRED_RUNNING},
		Status: &packagesv1.PackageStatus{State: packagesv1.PackageStatus_STATE_RUNNING, ObservedGeneration: 1, StartTime: ago(3 * time.Hour)},
	}
}

func notFound(id string) error {
	return fault.Status(fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", id)).Err()
}

type oneService struct {
	packagesv1.UnimplementedPackageServiceServer
}

func (*oneService) ListPackages(_ context.Context, req *packagesv1.ListPackagesRequest) (*packagesv1.ListPackagesResponse, error) {
	if req.GetPageToken() == "" {
		return &packagesv1.ListPackagesResponse{Packages: []*packagesv1.Package{hello()}, NextPageToken: "hello"}, nil
	}
	second := hello()
	second.Meta.Id, second.Spec.Title, second.Status = "second", "Second", &packagesv1.PackageStatus{State: packagesv1.PackageStatus_STATE_STOPPED}
	return &packagesv1.ListPackagesResponse{Packages: []*packagesv1.Package{second}}, nil
}

func (*oneService) GetPackage(_ context.Context, req *packagesv1.GetPackageRequest) (*packagesv1.GetPackageResponse, error) {
	if req.GetId() != "hello" {
		return nil, notFound(req.GetId())
	}
	return &packagesv1.GetPackageResponse{
		Package: hello(), Artifact: &packagesv1.Artifact{Spec: &packagesv1.ArtifactSpec{Description: "Says hello"}},
		HealthChecks: []*packagesv1.HealthCheck{{
			Meta:   meta("hello/main"),
			Status: &packagesv1.HealthCheckStatus{Name: "Page", Result: packagesv1.HealthCheckStatus_RESULT_SUCCESS, Message: "It answers", Since: ago(2 * time.Hour)},
		}},
	}, nil
}

func (*oneService) StartPackage(_ context.Context, req *packagesv1.StartPackageRequest) (*packagesv1.StartPackageResponse, error) {
	if req.GetId() != "hello" {
		return nil, notFound(req.GetId())
	}
	return &packagesv1.StartPackageResponse{Package: hello()}, nil
}

func (*oneService) UninstallPackage(_ context.Context, req *packagesv1.UninstallPackageRequest) (*packagesv1.UninstallPackageResponse, error) {
	op := removal(operationsv1.OperationStatus_STATE_RUNNING, 0)
	if req.GetId() == "slow" {
		op.Meta.Id = slowOperation
	}
	return &packagesv1.UninstallPackageResponse{Operation: op}, nil
}

// slowOperation never ends.
const slowOperation = "01m85slow000000000000000000"

func removal(state operationsv1.OperationStatus_State, current int32) *operationsv1.Operation {
	return &operationsv1.Operation{
		Meta: &metav1.Meta{Id: "01m85wmxkfm468vnc1kjsw2k3p", CreateTime: ago(2 * time.Hour)},
		Spec: &operationsv1.OperationSpec{Kind: "uninstall", Target: "hello"},
		Status: &operationsv1.OperationStatus{
			State: state, Current: current,
			Steps: []*operationsv1.Step{
				{Name: "exit", State: operationsv1.Step_STATE_DONE, StartTime: noon, EndTime: timestamppb.New(noon.AsTime().Add(1500 * time.Millisecond))},
				{Name: "remove", State: operationsv1.Step_STATE_PENDING},
			},
		},
	}
}

type operations struct {
	operationsv1.UnimplementedOperationServiceServer
}

func (operations) ListOperations(_ context.Context, req *operationsv1.ListOperationsRequest) (*operationsv1.ListOperationsResponse, error) {
	if req.GetTarget() != "" && req.GetTarget() != "hello" {
		return &operationsv1.ListOperationsResponse{}, nil
	}
	return &operationsv1.ListOperationsResponse{Operations: []*operationsv1.Operation{removal(operationsv1.OperationStatus_STATE_SUCCEEDED, 2)}}, nil
}

func (operations) GetOperation(context.Context, *operationsv1.GetOperationRequest) (*operationsv1.GetOperationResponse, error) {
	return &operationsv1.GetOperationResponse{Operation: removal(operationsv1.OperationStatus_STATE_RUNNING, 1)}, nil
}

type actions struct {
	actionsv1.UnimplementedActionServiceServer
}

func (actions) ListActions(context.Context, *actionsv1.ListActionsRequest) (*actionsv1.ListActionsResponse, error) {
	spec := func(name string, visibility actionsv1.ActionSpec_Visibility) *actionsv1.ActionSpec {
		return &actionsv1.ActionSpec{Name: name, Visibility: visibility, AllowedStatuses: actionsv1.ActionSpec_ALLOWED_STATUSES_ANY, HasInput: true}
	}
	return &actionsv1.ListActionsResponse{Actions: []*actionsv1.Action{
		{Meta: meta("hello/greet"), Spec: spec("Set the greeting", actionsv1.ActionSpec_VISIBILITY_ENABLED)},
		{Meta: meta("hello/inner"), Spec: spec("Inner", actionsv1.ActionSpec_VISIBILITY_HIDDEN)},
	}}, nil
}

func (actions) ListTasks(context.Context, *actionsv1.ListTasksRequest) (*actionsv1.ListTasksResponse, error) {
	return &actionsv1.ListTasksResponse{Tasks: []*actionsv1.Task{{
		Meta: meta("hello/first"), Status: &actionsv1.TaskStatus{Active: true},
		Spec: &actionsv1.TaskSpec{
			PackageId: "hello", ActionId: "greet", Severity: actionsv1.TaskSpec_SEVERITY_IMPORTANT, Reason: "Nobody is greeted yet",
			Set: []byte(`{"name":"you"}`),
		},
	}}}, nil
}

func (actions) RunAction(_ context.Context, req *actionsv1.RunActionRequest) (*actionsv1.RunActionResponse, error) {
	if req.GetInput() == "" {
		f := fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot accept the input of the action").Violation("name", "must not be empty")
		return nil, fault.Status(f).Err()
	}
	return &actionsv1.RunActionResponse{
		Result: `{"title":"Done","message":"You are greeted\u0007","result":{"type":"group","name":"Where","value":[{"type":"single","name":"Page","value":"https://x"}]}}`,
	}, nil
}

type hosts struct {
	hostsv1.UnimplementedHostServiceServer
}

func (hosts) ListHosts(context.Context, *hostsv1.ListHostsRequest) (*hostsv1.ListHostsResponse, error) {
	return &hostsv1.ListHostsResponse{Hosts: []*hostsv1.Host{{
		Meta: meta("hello/main"),
		Status: &hostsv1.HostStatus{Addresses: []*hostsv1.Address{
			{InterfaceId: "ui", Url: "https://localhost:49152", Port: 49152, Ssl: true, Kind: hostsv1.Address_KIND_LOCALHOST},
			{InterfaceId: "ui", Url: "http://hello.startos:80", Port: 80, Kind: hostsv1.Address_KIND_BRIDGE},
		}},
	}}}, nil
}

type logLines struct {
	logsv1.UnimplementedLogServiceServer
}

func (logLines) ReadLogs(_ *logsv1.ReadLogsRequest, stream grpc.ServerStreamingServer[logsv1.ReadLogsResponse]) error {
	return stream.Send(&logsv1.ReadLogsResponse{Entries: []*logsv1.LogEntry{
		{Time: noon, Cursor: "1", Stream: logsv1.LogEntry_STREAM_STDOUT, Message: "ready\x1b]0;title\x07"},
		{Time: noon, Cursor: "2", Stream: logsv1.LogEntry_STREAM_STDERR, Message: "a\tb"},
	}})
}

type system struct {
	systemv1.UnimplementedSystemServiceServer
}

func (system) GetServer(context.Context, *systemv1.GetServerRequest) (*systemv1.GetServerResponse, error) {
	return &systemv1.GetServerResponse{
		Version: "1.2.3", Hostname: "home", StartTime: ago(5 * time.Hour), Revision: 42, DoorConnected: true, RootFingerprint: "AB:CD", InstalledPackages: 2, RunningServices: 1,
		MemoryBytes: 27 << 20, Kinds: []string{"package", "task"},
	}, nil
}

func (system) GetCapabilities(context.Context, *systemv1.GetCapabilitiesRequest) (*systemv1.GetCapabilitiesResponse, error) {
	return &systemv1.GetCapabilitiesResponse{Capabilities: []*systemv1.Capability{
		{Name: "containers", Available: true, Detail: "unprivileged LXC", Words: "containers.there"},
		{Name: "graphics", Detail: "/dev/dri is missing", Words: "device.absent", Metadata: map[string]string{"Path": "/dev/dri"}},
	}}, nil
}

type accounts struct {
	accountsv1.UnimplementedAccountServiceServer
}

func (accounts) ListTokens(context.Context, *accountsv1.ListTokensRequest) (*accountsv1.ListTokensResponse, error) {
	return &accountsv1.ListTokensResponse{Tokens: []*accountsv1.Token{{
		Id: "01m85wp5wcfde678d206fyarhc", Name: "script", Role: optionsv1.Role_ROLE_OPERATOR, CreateTime: ago(2 * time.Hour), ExpireTime: noon,
	}}}, nil
}

func (accounts) DeleteToken(context.Context, *accountsv1.DeleteTokenRequest) (*accountsv1.DeleteTokenResponse, error) {
	return &accountsv1.DeleteTokenResponse{}, nil
}

// snapshot is what there is: a package and what needs it, in two pages.
func snapshot(sel *statev1.Selector, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
	page := &statev1.Update{Targets: []string{""}, Phase: statev1.Update_PHASE_SNAPSHOT}
	if sel.GetKind() == "package" && (sel.GetId() == "" || sel.GetId() == "hello") {
		page.Changes = []*statev1.Change{{Revision: 9, Kind: "package", Id: "hello", Resource: &statev1.Resource{Kind: &statev1.Resource_Package{Package: hello()}}}}
	}
	if sel.GetKind() == "dependency" {
		row := &packagesv1.Dependency{Meta: &metav1.Meta{Id: "guest/hello"}}
		page.Changes = []*statev1.Change{{Revision: 9, Kind: "dependency", Id: "guest/hello", Resource: &statev1.Resource{Kind: &statev1.Resource_Dependency{Dependency: row}}}}
	}
	last := &statev1.Update{Targets: []string{""}, Phase: statev1.Update_PHASE_SNAPSHOT, Bookmark: "b9"}
	return stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{page, last}})
}

// feed tells how an uninstallation ends, with progress that goes to and fro between two steps.
type feed struct {
	statev1.UnimplementedStateServiceServer
}

func (feed) Watch(req *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
	if req.GetTargets()[0].GetId() == "" {
		return snapshot(req.GetTargets()[0].GetSelectors()[0], stream)
	}
	id := req.GetTargets()[0].GetId()
	op := func(state operationsv1.OperationStatus_State, current int32) *statev1.Change {
		return &statev1.Change{Revision: 7, Kind: "operation", Id: "o", Resource: &statev1.Resource{Kind: &statev1.Resource_Operation{Operation: removal(state, current)}}}
	}
	progress := func(step string) *statev1.Change {
		return &statev1.Change{Kind: "progress", Id: "o", Resource: &statev1.Resource{Kind: &statev1.Resource_Progress{
			Progress: &operationsv1.Progress{Status: &operationsv1.ProgressStatus{Step: step}},
		}}}
	}
	if req.GetTargets()[0].GetSelectors() != nil && req.GetTargets()[0].GetSelectors()[0].GetId() == slowOperation {
		ch := op(operationsv1.OperationStatus_STATE_RUNNING, 0)
		if err := stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{{Targets: []string{id}, Changes: []*statev1.Change{ch}, Revision: 7}}}); err != nil {
			return err
		}
		<-stream.Context().Done()
		return nil
	}
	pkg := &statev1.Change{Revision: 6, Kind: "package", Id: "hello", Resource: &statev1.Resource{Kind: &statev1.Resource_Package{Package: hello()}}}
	changes := map[string][]*statev1.Change{
		"op": {
			op(operationsv1.OperationStatus_STATE_RUNNING, 0), progress("exit"), progress(""), progress("remove"), progress("exit"),
			op(operationsv1.OperationStatus_STATE_RUNNING, 1), op(operationsv1.OperationStatus_STATE_SUCCEEDED, 2),
		},
		"p": {pkg}, "cli": {pkg, {Revision: 8, Kind: "task", Id: "hello/first"}},
	}[id]
	for _, ch := range changes {
		if err := stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{{Targets: []string{id}, Changes: []*statev1.Change{ch}, Revision: ch.GetRevision()}}}); err != nil {
			return err
		}
	}
	if id == "cli" {
		if err := stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{{Targets: []string{id}, Phase: statev1.Update_PHASE_SNAPSHOT, Revision: 8, Bookmark: "b8"}}}); err != nil {
			return err
		}
		return fault.Status(fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "the token is no longer valid")).Err()
	}
	<-stream.Context().Done()
	return nil
}
