package install

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
)

// thawPatience is how long a package's code may take to thaw its data before a new container does it.
const thawPatience = time.Minute

// quietly has the backup of a running service made of data that are quiet, and thaws them however it ends. Where it can,
// they are so for a moment only: write gets a snapshot of them to read, and the service writes on meanwhile. Elsewhere write
// gets "" and reads the data themselves, frozen until it has ended. A backup counts only if they were quiet all the time.
// Its caller has recorded before that data may be frozen and that there may be a snapshot.
func (s *Service) quietly(ctx context.Context, r *operation.Run, limit time.Duration, write func(moment string) error) error {
	if err := s.runs(ctx, r); err != nil {
		return err
	}
	r.Progress(0, 0, "", "the package makes its data quiet")
	moment := ""
	apart, err := s.code.Freeze(ctx, r.Target(), r.ID(), limit)
	if err == nil && apart {
		moment, err = s.data.Moment(ctx, r.Target(), r.ID())
	}
	if err == nil && moment == "" {
		err = write("")
	}
	held, thaw := s.thaw(ctx, r)
	switch {
	case err != nil:
		return err
	case thaw != nil:
		return fmt.Errorf("cannot thaw the data: %w", thaw)
	case !held:
		return fault.New(metav1.Reason_REASON_BACKUP_NOT_QUIET, "the data of %q did not stay quiet while they were backed up", r.Target()).With("package", r.Target())
	}
	if moment == "" {
		return nil
	}
	if err := write(moment); err != nil {
		return err
	}
	return s.data.RemoveSnapshot(ctx, r.Target(), r.ID())
}

// thaw is tried although what it ends was given up; then nobody waits for it long.
func (s *Service) thaw(ctx context.Context, r *operation.Run) (held bool, err error) {
	patience := thawPatience
	if ctx.Err() != nil {
		patience = time.Second
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return s.code.Thaw(ctx, r.Target(), r.ID())
}

// runs waits until the service runs.
func (s *Service) runs(ctx context.Context, r *operation.Run) error {
	return await(ctx, s.store, r.Target(), func(row *packagesv1.Package) (bool, error) {
		if row == nil {
			return false, vanished(r.Target())
		}
		answered := row.GetStatus().GetObservedGeneration() >= row.GetMeta().GetGeneration()
		return answered && row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_RUNNING, failed(row)
	})
}

// renewThawed makes a new container, after which nothing of the one before runs, and leaves no data frozen and no snapshot
// that was read. The data are thawed before, since a service may not be able to end on frozen ones, and again in the new
// container: what froze them may be a file.
func (s *Service) renewThawed(ctx context.Context, r *operation.Run) error {
	quiet := r.Memo(memoQuiet) == "yes"
	if quiet {
		_, _ = s.thaw(ctx, r) // the container may be gone by now; the new one tells
	}
	if err := s.renew(ctx, r); err != nil || !quiet {
		return err
	}
	if err := s.data.RemoveSnapshot(ctx, r.Target(), r.ID()); err != nil {
		return err
	}
	if _, err := s.thaw(ctx, r); err != nil {
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		r.Progress(0, 0, "", "the package could not thaw its data") // it runs anew all the same
	}
	return nil
}
