package main

import (
	"context"
	"time"

	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
)

// auditLog is an audit log with two entries.
type auditLog struct {
	auditv1.UnimplementedAuditServiceServer
}

func (auditLog) ListEntries(context.Context, *auditv1.ListEntriesRequest) (*auditv1.ListEntriesResponse, error) {
	return &auditv1.ListEntriesResponse{Entries: []*auditv1.Entry{{
		Meta: meta("01m85wmxkfm468vnc1kjsw2k3q"),
		Spec: &auditv1.EntrySpec{Method: "hearth.accounts.v1.AccountService.CreateToken", Address: "192.0.2.7:5000", Listener: "door", CallTime: noon},
		Status: &auditv1.EntryStatus{
			Outcome: auditv1.EntryStatus_OUTCOME_REFUSED, Reason: metav1.Reason_REASON_UNAUTHENTICATED, Count: 40,
		},
	}, {
		Meta: meta("01m85wmxkfm468vnc1kjsw2k3p"),
		Spec: &auditv1.EntrySpec{
			Method: "hearth.packages.v1.PackageService.StartPackage", Caller: "local", Listener: "unix", CallTime: noon,
			Targets: map[string]string{"id": "hello\x1b[2J"},
		},
		Status: &auditv1.EntryStatus{Outcome: auditv1.EntryStatus_OUTCOME_DONE, Count: 1},
	}}}, nil
}

// rootKey is a root key with two copies.
type rootKey struct {
	systemv1.UnimplementedRootKeyServiceServer
}

func (rootKey) GetRootKey(context.Context, *systemv1.GetRootKeyRequest) (*systemv1.GetRootKeyResponse, error) {
	return &systemv1.GetRootKeyResponse{Id: "0123456789abcdef", Copies: []*systemv1.RootKeyCopy{
		{Name: "password-alex-5a6b7c8d", Account: "alex", CreateTime: ago(2 * time.Hour)}, {Name: "recovery", CreateTime: ago(3 * time.Hour)},
	}}, nil
}

func (rootKey) CreateRecoveryCode(context.Context, *systemv1.CreateRecoveryCodeRequest) (*systemv1.CreateRecoveryCodeResponse, error) {
	return &systemv1.CreateRecoveryCodeResponse{RecoveryCode: "0123-4567"}, nil
}
