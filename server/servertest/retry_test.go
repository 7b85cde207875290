package servertest_test

import (
	"context"
	"testing"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	hearth "github.com/hearthos/hearth/clients/go"
	"github.com/hearthos/hearth/server/servertest"
)

// To try again what has ended is to begin it: an operator, who may not install, is refused by the role, an administrator by what an
// installation is.
func TestWhatAdministratorsBeginOperatorsDoNotBeginAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.FailInit(pkg)
	w.install(servertest.Package(t, pkg, nil))
	var failed string
	w.until("the installation fails", func(ctx context.Context) (bool, error) {
		resp, err := w.Operations.ListOperations(ctx, &operationsv1.ListOperationsRequest{Target: pkg})
		for _, op := range resp.GetOperations() {
			if op.GetStatus().GetState() == operationsv1.OperationStatus_STATE_FAILED {
				failed = op.GetMeta().GetId()
			}
		}
		return failed != "", err
	})
	for role, want := range map[optionsv1.Role]metav1.Reason{
		optionsv1.Role_ROLE_OPERATOR: metav1.Reason_REASON_PERMISSION_DENIED,
		optionsv1.Role_ROLE_ADMIN:    metav1.Reason_REASON_OPERATION_NOT_REPEATABLE,
	} {
		token, err := w.Accounts.CreateToken(ctx, &accountsv1.CreateTokenRequest{Name: role.String(), Role: role})
		if err != nil {
			t.Fatal(err)
		}
		caller, err := hearth.Dial(ctx, w.Target(), hearth.Options{Token: token.GetSecret()})
		if err != nil {
			t.Fatal(err)
		}
		defer caller.Close()
		if _, err := caller.Operations.RetryOperation(ctx, &operationsv1.RetryOperationRequest{Id: failed}); !fault.Is(err, want) {
			t.Errorf("%s: it is tried again with %v", role, err)
		}
	}
}
