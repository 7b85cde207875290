package install_test

import (
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/store"
)

func TestTheLastUpdateToAVersionTellsWhetherItFailed(t *testing.T) {
	t.Parallel()
	m, _ := newMachine(t, nil, false)
	op := func(id, kind, version string, state operationsv1.OperationStatus_State) *operationsv1.Operation {
		row := &operationsv1.Operation{
			Meta: &metav1.Meta{Id: "01arz3ndektsv4rrffq69g5fa" + id}, Spec: &operationsv1.OperationSpec{Kind: kind, Target: "a", Parameters: map[string]string{"version": version}},
			Status: &operationsv1.OperationStatus{State: state},
		}
		if state == operationsv1.OperationStatus_STATE_FAILED {
			row.Status.Fault = fault.Proto(fault.New(metav1.Reason_REASON_UPDATE_UNHEALTHY, "not well"))
		}
		return row
	}
	m.update(func(tx *store.Tx) error {
		for _, row := range []*operationsv1.Operation{
			op("a", install.KindUpdate, "2", operationsv1.OperationStatus_STATE_FAILED),
			op("b", install.KindUpdate, "3", operationsv1.OperationStatus_STATE_FAILED),
			op("c", install.KindUpdate, "3", operationsv1.OperationStatus_STATE_SUCCEEDED),
			op("d", install.KindUpdate, "4", operationsv1.OperationStatus_STATE_CANCELLED),
			op("e", install.KindRollback, "5", operationsv1.OperationStatus_STATE_FAILED),
		} {
			if err := store.Put(tx, row); err != nil {
				return err
			}
		}
		for version, want := range map[string]bool{"2": true, "3": false, "4": false, "5": false, "6": false} {
			why, err := install.FailedUpdate(tx, "a", version)
			if err != nil || (why != nil) != want {
				t.Errorf("%s: %v, %v", version, why, err)
			}
		}
		return nil
	})
}
