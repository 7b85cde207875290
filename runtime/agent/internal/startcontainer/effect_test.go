package startcontainer_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/hearthos/hearth/api/fault"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// effects is a host that remembers what it was asked.
type effects struct {
	effectsv1.UnimplementedEffectsServiceServer
	asked proto.Message
}

func (e *effects) ActionCreateTask(_ context.Context, r *effectsv1.ActionCreateTaskRequest) (*effectsv1.ActionCreateTaskResponse, error) {
	e.asked = r
	return &effectsv1.ActionCreateTaskResponse{}, nil
}

func (e *effects) SetDataVersion(_ context.Context, r *effectsv1.SetDataVersionRequest) (*effectsv1.SetDataVersionResponse, error) {
	e.asked = r
	return &effectsv1.SetDataVersionResponse{}, nil
}

func (e *effects) GetDataVersion(context.Context, *effectsv1.GetDataVersionRequest) (*effectsv1.GetDataVersionResponse, error) {
	return &effectsv1.GetDataVersionResponse{Value: proto.String("1.0:0")}, nil
}

func (e *effects) CheckDependencies(_ context.Context, r *effectsv1.CheckDependenciesRequest) (*effectsv1.CheckDependenciesResponse, error) {
	e.asked = r
	return &effectsv1.CheckDependenciesResponse{Value: []byte(`[{"packageId":"a"}]`)}, nil
}

func (e *effects) ActionRun(_ context.Context, r *effectsv1.ActionRunRequest) (*effectsv1.ActionRunResponse, error) {
	e.asked = r
	return &effectsv1.ActionRunResponse{Value: []byte(`{"ok":1}`)}, nil
}

func (e *effects) Bind(_ context.Context, r *effectsv1.BindRequest) (*effectsv1.BindResponse, error) {
	e.asked = r
	return &effectsv1.BindResponse{}, nil
}

func (e *effects) Restart(context.Context, *effectsv1.RestartRequest) (*effectsv1.RestartResponse, error) {
	return nil, fault.Status(fault.New(metav1.Reason_REASON_EFFECT_DENIED, "not today")).Err()
}

func TestEffects(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	dir, err := os.MkdirTemp("", "fx")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	must(t, err)
	host, server := &effects{}, grpc.NewServer()
	effectsv1.RegisterEffectsServiceServer(server, host)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	run := func(args ...string) (string, int) {
		cmd := s.command(append(args, "--socket", socket)...)
		cmd.Stderr = nil
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		code := s.codeOf(cmd)
		return out.String(), code
	}
	for _, tc := range []struct {
		args  string
		out   string
		asked proto.Message
	}{
		{"action create-task --replay-id r --package-id p --action-id=a --severity critical --input {\"k\":1}", "",
			&effectsv1.ActionCreateTaskRequest{ReplayId: "r", PackageId: "p", ActionId: "a", Severity: proto.String("critical"), Input: []byte(`{"k":1}`)}},
		{"set-data-version 2.0:1", "", &effectsv1.SetDataVersionRequest{Version: proto.String("2.0:1")}},
		{"set-data-version --json", "null\n", &effectsv1.SetDataVersionRequest{}},
		{"get-data-version", "1.0:0\n", nil},
		{"get-data-version --json", "\"1.0:0\"\n", nil},
		{"check-dependencies a b", "[{\"packageId\":\"a\"}]\n", &effectsv1.CheckDependenciesRequest{PackageIds: []string{"a", "b"}}},
		{"action run open {}", "{\"ok\":1}\n", &effectsv1.ActionRunRequest{ActionId: "open", Input: []byte(`{}`)}},
		{"--json action run --package-id p open", "{\"ok\":1}\n", &effectsv1.ActionRunRequest{PackageId: proto.String("p"), ActionId: "open"}},
		{"bind ui --internal-port 80 --secure null", "", &effectsv1.BindRequest{Id: "ui", InternalPort: 80, Secure: []byte("null")}},
	} {
		host.asked = nil
		out, code := run(strings.Split(tc.args, " ")...)
		if code != 0 || out != tc.out {
			t.Errorf("%s: exit code %d, %q", tc.args, code, out)
		}
		if diff := cmp.Diff(tc.asked, host.asked, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", tc.args, diff)
		}
	}
	if out, err := s.command("--socket", socket, "get-data-version").Output(); err != nil || string(out) != "1.0:0\n" {
		t.Errorf("the socket before the effect: %q, %v", out, err)
	}
	if out, code := run("restart"); code != 1 || !strings.Contains(out, "restart: not today") {
		t.Errorf("a refusal: exit code %d, %q", code, out)
	}
	for _, wrong := range []string{"bind ui --internal-port many", "bind ui --secure {", "set-data-version 1 2", "rebuild", "--json --json", "--json"} {
		if out, code := run(strings.Split(wrong, " ")...); code != 2 {
			t.Errorf("%s: exit code %d, %q", wrong, code, out)
		}
	}
}
