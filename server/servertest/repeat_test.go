package servertest_test

import (
	"crypto/rand"
	"os"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/servertest"
)

func requestID(t *testing.T) string {
	t.Helper()
	id, err := ids.NewULID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(id)
}

// Each request is made, repeated, bent, and after a restart of the server repeated and bent again.
func TestARequestIsCarriedOutOnceHoweverOftenItIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.Accounts.ClaimServer(ctx, &accountsv1.ClaimServerRequest{Account: "alex", Password: "correct horse battery"}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(servertest.Package(t, pkg, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := w.Upload(ctx, f, info.Size(), nil)
	if err != nil {
		t.Fatal(err)
	}
	install := &packagesv1.InstallPackageRequest{Ticket: ticket, Start: true, RequestId: requestID(t)}
	rotate := &systemv1.RotateRootKeyRequest{RequestId: requestID(t)}
	remove := &packagesv1.UninstallPackageRequest{Id: pkg, RequestId: requestID(t)}
	public := sign.FromSeed([32]byte{9}).Public()
	key := &accountsv1.AddKeyRequest{Name: "laptop", PublicKey: public[:], Account: "alex", RequestId: requestID(t)}
	token := &accountsv1.CreateTokenRequest{Name: "backup", Role: optionsv1.Role_ROLE_VIEWER, RequestId: requestID(t)}

	id := func(op *operationsv1.Operation) string { return op.GetMeta().GetId() }
	asks := []struct {
		name       string
		same, bent func() (string, error)
		want       metav1.Reason // of the repetition; unspecified: the same answer
	}{
		{"install", func() (string, error) {
			resp, err := w.Packages.InstallPackage(ctx, install)
			return id(resp.GetOperation()), err
		}, func() (string, error) {
			resp, err := w.Packages.InstallPackage(ctx, &packagesv1.InstallPackageRequest{Ticket: "other", Start: true, RequestId: install.GetRequestId()})
			return id(resp.GetOperation()), err
		}, 0},
		{"rotate", func() (string, error) {
			resp, err := w.RootKey.RotateRootKey(ctx, rotate)
			return id(resp.GetOperation()), err
		}, func() (string, error) {
			resp, err := w.RootKey.RotateRootKey(ctx, &systemv1.RotateRootKeyRequest{RequestId: install.GetRequestId()})
			return id(resp.GetOperation()), err
		}, 0},
		{"add a key", func() (string, error) {
			resp, err := w.Keys.AddKey(ctx, key)
			return resp.GetKey().GetId(), err
		}, func() (string, error) {
			resp, err := w.Keys.AddKey(ctx, &accountsv1.AddKeyRequest{Name: "other", PublicKey: public[:], Account: "alex", RequestId: key.GetRequestId()})
			return resp.GetKey().GetId(), err
		}, 0},
		{"make a token", func() (string, error) {
			resp, err := w.Accounts.CreateToken(ctx, token)
			return resp.GetToken().GetId(), err
		}, func() (string, error) {
			resp, err := w.Accounts.CreateToken(ctx, &accountsv1.CreateTokenRequest{Name: "other", Role: optionsv1.Role_ROLE_VIEWER, RequestId: token.GetRequestId()})
			return resp.GetToken().GetId(), err
		}, metav1.Reason_REASON_REQUEST_REPEATED},
		{"uninstall", func() (string, error) {
			resp, err := w.Packages.UninstallPackage(ctx, remove)
			return id(resp.GetOperation()), err
		}, func() (string, error) {
			resp, err := w.Packages.UninstallPackage(ctx, &packagesv1.UninstallPackageRequest{Id: pkg, KeepData: true, RequestId: remove.GetRequestId()})
			return id(resp.GetOperation()), err
		}, 0},
	}
	first := map[string]string{}
	for _, a := range asks {
		if a.name == "uninstall" {
			w.state(running, success)
		}
		made, err := a.same()
		if err != nil || made == "" {
			t.Fatalf("%s: %q, %v", a.name, made, err)
		}
		first[a.name] = made
	}
	for _, when := range []string{"again", "after a restart"} {
		for _, a := range asks {
			got, err := a.same()
			if want := first[a.name]; a.want == 0 && (err != nil || got != want) || a.want != 0 && !fault.Is(err, a.want) {
				t.Errorf("%s %s: %q, %v; the first was %q", a.name, when, got, err, want)
			}
			if a.want != 0 && fault.Proto(err).GetMetadata()["id"] != first[a.name] {
				t.Errorf("%s %s: does not name what there is: %v", a.name, when, err)
			}
			if got, err := a.bent(); !fault.Is(err, metav1.Reason_REASON_REQUEST_ID_REUSED) {
				t.Errorf("%s, another request %s: %q, %v", a.name, when, got, err)
			}
		}
		if when == "again" {
			w.Restart()
		}
	}
	tokens, err := w.Accounts.ListTokens(ctx, &accountsv1.ListTokensRequest{})
	if err != nil || len(tokens.GetTokens()) != 1 {
		t.Errorf("the tokens are %v (%v)", tokens.GetTokens(), err)
	}
	ops, err := w.Operations.ListOperations(ctx, &operationsv1.ListOperationsRequest{})
	if err != nil || len(ops.GetOperations()) != 3 {
		t.Errorf("the operations are %v (%v)", ops.GetOperations(), err)
	}
	if _, err := w.Accounts.CreateToken(ctx, &accountsv1.CreateTokenRequest{Name: "x", Role: optionsv1.Role_ROLE_VIEWER, RequestId: "x"}); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
		t.Errorf("an id that is none: %v", err)
	}
}
