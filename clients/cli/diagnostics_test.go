package main

import (
	"context"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	"google.golang.org/grpc"
)

// diagnostics are those of a server with little room.
type diagnostics struct {
	diagnosticsv1.UnimplementedDiagnosticsServiceServer
}

func (diagnostics) RunChecks(context.Context, *diagnosticsv1.RunChecksRequest) (*diagnosticsv1.RunChecksResponse, error) {
	disk := warned("disk", "Make room.", "1.0 GiB of 100.0 GiB are free")
	disk.Words, disk.Metadata = "disk.low", map[string]string{"Free": "1.0 GiB", "All": "100.0 GiB", "Folder": "/var/lib/hearth"}
	return &diagnosticsv1.RunChecksResponse{Checks: []*diagnosticsv1.Check{ok("door", "answers"), disk}}, nil
}

func little(dismissed bool) *diagnosticsv1.Warning {
	return &diagnosticsv1.Warning{
		Meta: meta("disk-space"), Spec: &diagnosticsv1.WarningSpec{Dismissed: dismissed},
		Status: &diagnosticsv1.WarningStatus{
			Severity: diagnosticsv1.WarningStatus_SEVERITY_CRITICAL, Since: noon, Text: "1.0 GiB is free.", Remedy: "Make room.",
			Button: &diagnosticsv1.Button{Label: "Shorten", Method: "hearth.diagnostics.v1.DiagnosticsService/CompactLog", RequestJson: "{}"},
		},
	}
}

func (diagnostics) ListWarnings(_ context.Context, req *diagnosticsv1.ListWarningsRequest) (*diagnosticsv1.ListWarningsResponse, error) {
	if !req.GetDismissed() {
		return &diagnosticsv1.ListWarningsResponse{}, nil
	}
	return &diagnosticsv1.ListWarningsResponse{Warnings: []*diagnosticsv1.Warning{little(false)}}, nil
}

func (diagnostics) DismissWarning(context.Context, *diagnosticsv1.DismissWarningRequest) (*diagnosticsv1.DismissWarningResponse, error) {
	return &diagnosticsv1.DismissWarningResponse{Warning: little(true)}, nil
}

func (diagnostics) CollectReport(_ *diagnosticsv1.CollectReportRequest, out grpc.ServerStreamingServer[diagnosticsv1.CollectReportResponse]) error {
	for _, p := range []*diagnosticsv1.CollectReportResponse{
		{Name: "server/a.txt", About: "the first", Data: []byte("one ")}, {Name: "server/a.txt", Data: []byte("two")},
		{Name: "../../evil", About: "a name that climbs", Data: []byte("x")},
	} {
		if err := out.Send(p); err != nil {
			return err
		}
	}
	return nil
}
