package lxc_test

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errEnough = errors.New("enough")

func contextAfter(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeoutCause(t.Context(), d, errEnough)
}
