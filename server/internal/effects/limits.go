package effects

import (
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// Limits of what one package may leave with the server. No honest package comes near them; together with those of hosts
// and actions they keep a package from filling the store.
const (
	maxHealthChecks = 64
	maxRefused      = 64
	maxDependencies = 128 << 10 // bytes of the list
	maxName         = 256       // bytes
	maxText         = 4 << 10   // bytes
)

// another refuses one more row of a kind when the package has as many as it may have.
func another[T store.Row](tx *store.Tx, pkg, what string, most int) error {
	rows, err := store.List[T](tx, pkg)
	if err == nil && len(rows) >= most {
		err = limit(pkg, what, most)
	}
	return err
}

func limit(of, what string, most int) error {
	return fault.New(metav1.Reason_REASON_EFFECT_LIMIT, "cannot take more of %q: at most %d %s are allowed", of, most, what).
		With("what", what).With("limit", most)
}
