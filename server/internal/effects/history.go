package effects

import (
	"fmt"
	"strconv"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// What is kept of the past of health checks. One that flaps takes the place of its own past, not of that of others.
const (
	keptOfCheck   = 64
	keptOfPackage = 512
	maxPast       = 256 // bytes of a message
)

type change = *packagesv1.HealthChangeStatus

// changeOf is the change to a result.
func changeOf(check string, st *packagesv1.HealthCheckStatus) change {
	return &packagesv1.HealthChangeStatus{
		Time: st.GetSince(), Check: check, Name: st.GetName(), Result: st.GetResult(), Message: fault.Cut(st.GetMessage(), maxPast),
	}
}

// rememberEnd remembers that the checks of a service have ended, in the transaction that deletes them.
func rememberEnd(tx *store.Tx, pkg string) error {
	rows, err := store.List[*packagesv1.HealthCheck](tx, pkg)
	if err != nil || len(rows) == 0 {
		return err
	}
	var ends []change
	for _, row := range rows {
		segments, err := ids.Split(row.GetMeta().GetId())
		if err != nil {
			return err
		}
		ends = append(ends, &packagesv1.HealthChangeStatus{
			Time: timestamppb.New(tx.Now()), Check: segments[len(segments)-1], Name: row.GetStatus().GetName(), Ended: true,
		})
	}
	return remember(tx, pkg, ends...)
}

// remember adds changes to the past of a package and forgets what goes beyond what is kept.
func remember(tx *store.Tx, pkg string, changes ...change) error {
	rows, err := store.List[*packagesv1.HealthChange](tx, pkg)
	if err != nil {
		return err
	}
	last := uint64(0)
	if len(rows) > 0 {
		if last, err = strconv.ParseUint(rows[len(rows)-1].GetMeta().GetId()[len(pkg)+1:], 16, 64); err != nil {
			return fmt.Errorf("cannot number a change of health: %w", err)
		}
	}
	for _, c := range changes {
		last++
		row := &packagesv1.HealthChange{Meta: &metav1.Meta{Id: fmt.Sprintf("%s/%016x", pkg, last)}, Status: c}
		if err := store.Put(tx, row); err != nil {
			return err
		}
		rows = append(rows, row)
	}
	of := make(map[string]int)
	for i := len(rows) - 1; i >= 0; i-- {
		check := rows[i].GetStatus().GetCheck()
		if of[check]++; of[check] <= keptOfCheck && len(rows)-i <= keptOfPackage {
			continue
		}
		if err := store.Delete[*packagesv1.HealthChange](tx, rows[i].GetMeta().GetId()); err != nil {
			return err
		}
	}
	return nil
}
