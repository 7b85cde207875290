package runner

import (
	"context"
	"errors"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/store"
)

// Time the runner gives the code of a package to end. Packages give each of their daemons a minute and those that need
// it five, one after the other; uninit may bring a whole database down to an older version. Somebody who forces it does
// not wait for either.
const (
	stopPatience   = 10 * time.Minute
	exitPatience   = 30 * time.Minute
	forcedPatience = 20 * time.Second
)

// errUnwanted tells that a call was ended because what it is for is not wanted any more.
var errUnwanted = errors.New("this is no longer wanted")

// errHangs tells that the code of a package did not end within its time.
var errHangs = errors.New("the package's code did not end in time")

// within runs a call of the package's code and gives it up after a time, which hurry makes short.
func within(ctx context.Context, limit time.Duration, hurry <-chan struct{}, call func(context.Context) error) error {
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- call(bounded) }()
	deadline := time.Now().Add(limit)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-hurry:
			hurry = nil
			timer.Reset(min(time.Until(deadline), forcedPatience))
		case <-timer.C:
			cancel()
			<-done
			return errHangs
		}
	}
}

// whileWanted runs a long call of the package's code and ends it when it is unwanted: an init or a main that hangs must
// not keep a package from being stopped or uninstalled.
func (s *Service) whileWanted(ctx context.Context, row *packagesv1.Package, unwanted func(*packagesv1.PackageSpec) bool, call func(context.Context) error) error {
	if unwanted(row.GetSpec()) {
		return call(ctx)
	}
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	changed, done := s.when(bounded, row.GetMeta().GetId(), unwanted)
	ended := make(chan error, 1)
	go func() { ended <- call(bounded) }()
	defer func() { cancel(); <-done }()
	select {
	case err := <-ended:
		return err
	case <-changed:
		cancel()
		<-ended
		return errUnwanted
	}
}

// untilForced runs a call that ends the package's code, for as long as that may take.
func (s *Service) untilForced(ctx context.Context, row *packagesv1.Package, limit time.Duration, call func(context.Context) error) error {
	watching, cancel := context.WithCancel(ctx)
	hurry, done := s.when(watching, row.GetMeta().GetId(), forced)
	defer func() { cancel(); <-done }()
	return within(ctx, limit, hurry, call)
}

func absent(spec *packagesv1.PackageSpec) bool {
	return spec.GetDesired() == packagesv1.PackageSpec_DESIRED_ABSENT
}

func forced(spec *packagesv1.PackageSpec) bool { return absent(spec) && spec.GetExitForce() }

func notRunning(spec *packagesv1.PackageSpec) bool {
	return spec.GetDesired() != packagesv1.PackageSpec_DESIRED_RUNNING
}

// when answers a channel that is closed when what is wanted of a package is so, or the package is gone, and one that is
// closed when nobody looks any more, which ctx ends.
func (s *Service) when(ctx context.Context, pkg string, so func(*packagesv1.PackageSpec) bool) (yes, done <-chan struct{}) {
	found, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		watcher, err := s.store.Watch(store.WatchOptions{Selectors: []store.Selector{{Kind: "package", ID: pkg}}})
		if err != nil {
			return // the store is being closed, and ctx ends
		}
		for {
			batch, err := watcher.Next(ctx)
			if err != nil {
				return
			}
			for _, c := range batch.Changes {
				if row, ok := c.Row.(*packagesv1.Package); !ok || so(row.GetSpec()) {
					close(found)
					return
				}
			}
		}
	}()
	return found, ended
}
