package runner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCodeThatDoesNotEndIsGivenUp(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, c := range map[string]struct {
		hurryAfter time.Duration // 0 is never
		want       time.Duration
	}{
		"its time":            {0, stopPatience},
		"forced":              {time.Minute, time.Minute + forcedPatience},
		"forced at once":      {1, 1 + forcedPatience},
		"forced near its end": {stopPatience - time.Second, stopPatience},
	} {
		synctest.Test(t, func(t *testing.T) {
			hurry := make(chan struct{})
			if c.hurryAfter > 0 {
				time.AfterFunc(c.hurryAfter, func() { close(hurry) })
			}
			at := time.Now()
			if err := within(t.Context(), stopPatience, hurry, hang); !errors.Is(err, errHangs) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(at); took != c.want {
				t.Errorf("%s: given up after %v, not %v", name, took, c.want)
			}
		})
	}
}

func TestCodeThatEndsAnswersForItself(t *testing.T) {
	t.Parallel()
	failure := errors.New("a failure")
	synctest.Test(t, func(t *testing.T) {
		hurry := make(chan struct{})
		close(hurry)
		err := within(t.Context(), stopPatience, hurry, func(context.Context) error {
			time.Sleep(forcedPatience - 1)
			return failure
		})
		if !errors.Is(err, failure) {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = within(ctx, stopPatience, nil, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errHangs) {
			t.Errorf("the caller's end: %v", err)
		}
	})
}
