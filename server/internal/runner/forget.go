package runner

import (
	"errors"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// Forget deletes what is kept about the container of a package, when there is room left after all else about it.
func Forget(tx *store.Tx, pkg string, room *store.Room) error {
	if !room.Left() {
		return nil
	}
	return errors.Join(store.Delete[*packagesv1.Container](tx, pkg), store.Delete[*packagesv1.PackageLimits](tx, pkg))
}
