package telemetry_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/telemetry"
)

func call(stream bool) *rpc.Call {
	service := packagesv1.File_hearth_packages_v1_packages_proto.Services().Get(0)
	return &rpc.Call{
		Procedure: "/hearth.packages.v1.PackageService/ListPackages", Method: service.Methods().ByName("ListPackages"),
		Wire: "rest", Stream: stream, RequestID: "0123456789",
	}
}

func TestCallsAreCountedByMethodCodeAndWire(t *testing.T) {
	t.Parallel()
	m, err := telemetry.New("1.2.3", telemetry.Metric{
		Name: "hearth_things", Help: "Things.", Labels: []string{"kind"},
		Read: func() []telemetry.Sample { return []telemetry.Sample{{Labels: []string{"a"}, Value: 3}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []error{nil, nil, fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no"), errors.New("defect")} {
		if err := m.Intercept(t.Context(), call(false), func(context.Context) error { return answer }); !errors.Is(err, answer) {
			t.Errorf("got %v, want %v", err, answer)
		}
	}
	made := &rpc.Call{Procedure: "/made/up" + strings.Repeat("x", 1000), Wire: "grpc", Stream: true}
	_ = m.Intercept(t.Context(), made, func(context.Context) error { return errors.New("no such method") })
	during := ""
	_ = m.Intercept(t.Context(), call(true), func(context.Context) error {
		text, err := m.Text()
		during = string(text)
		return err
	})
	raw, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	const list = `method="hearth.packages.v1.PackageService/ListPackages"`
	for _, want := range []string{
		`hearth_calls_total{code="OK",` + list + `,wire="rest"} 3`,
		`hearth_calls_total{code="NOT_FOUND",` + list + `,wire="rest"} 1`,
		`hearth_calls_total{code="INTERNAL",` + list + `,wire="rest"} 1`,
		`hearth_calls_total{code="INTERNAL",method="unknown",wire="grpc"} 1`,
		`hearth_call_seconds_count{` + list + `,wire="rest"} 4`,
		`hearth_calls_open{` + list + `,wire="rest"} 0`,
		`hearth_build_info{version="1.2.3"} 1`,
		`hearth_things{kind="a"} 3`,
		"go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if !strings.Contains(during, `hearth_calls_open{`+list+`,wire="rest"} 1`) {
		t.Error("a call under way is not counted")
	}
	if strings.Contains(text, "made/up") {
		t.Error("strangers name metrics")
	}
}

func TestPanicIsCountedAndGoesOn(t *testing.T) {
	t.Parallel()
	m, err := telemetry.New("1")
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		_ = m.Intercept(t.Context(), call(false), func(context.Context) error { panic("broken") })
	}()
	if raw, _ := m.Text(); !strings.Contains(string(raw), `code="INTERNAL"`) || strings.Contains(string(raw), `hearth_calls_open{method="hearth.packages.v1.PackageService/ListPackages",wire="rest"} 1`) {
		t.Errorf("%s", raw)
	}
}

func TestMetricsOfOneNameAreRefused(t *testing.T) {
	t.Parallel()
	one := telemetry.Metric{Name: "x", Help: "X.", Read: func() []telemetry.Sample { return nil }}
	if _, err := telemetry.New("1", one, one); err == nil {
		t.Error("accepted")
	}
}
