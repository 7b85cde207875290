package runner

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/mount"
)

// backupPath is where the code of a package sees its backup: while it makes one, and while its init takes data from one.
const backupPath = "/media/startos/backup"

// momentPath is where it sees the snapshot of its volumes that it makes one of.
const momentPath = "/media/startos/moment"

// Backup has the code of a package make a backup into the folder sub below dir, of its volumes or, unless moment is "", of
// the snapshot of them that lies there, and returns when it has ended. Who gives it up makes a new container: the code may
// still be writing.
func (s *Service) Backup(ctx context.Context, pkg, event, dir, sub, moment string) error {
	h, release, err := s.use(ctx, pkg)
	if err != nil {
		return err
	}
	defer release()
	if err := s.attachBackup(h, mount.Bind{Path: dir, Sub: sub}, false); err != nil {
		return err
	}
	var input []byte
	if moment != "" {
		if err := s.attachMoment(h, moment); err != nil {
			return err
		}
		input = []byte(`{"volumes":"` + momentPath + `"}`)
	}
	_, err = h.agent.execute(ctx, event, "/backup/create", input)
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err) // it is taken off with the container
	}
	if moment != "" {
		err = errors.Join(err, unreachable(h.pkg, s.mounts.Detach(h.container, momentPath)))
	}
	return errors.Join(err, s.detachBackup(h))
}

// attachMoment shows a running container a snapshot of its volumes, which nobody changes.
func (s *Service) attachMoment(h *handle, dir string) error {
	options := backupOptions(h.spec.GetFirstUid())
	options.ReadOnly = true
	source, err := s.mounts.Open(mount.Bind{Path: dir}, options)
	if err != nil {
		return err
	}
	defer source.Close()
	return unreachable(h.pkg, s.mounts.Attach(h.container, source, mount.Target{Path: momentPath, Owner: h.spec.GetFirstUid()}))
}

// Freeze has the code of a running package make its data quiet. After limit it thaws them by itself, should nobody do it.
// apart tells that the code can make its backup of a snapshot, after the thaw.
func (s *Service) Freeze(ctx context.Context, pkg, event string, limit time.Duration) (apart bool, err error) {
	h, release, err := s.use(ctx, pkg)
	if err != nil {
		return false, err
	}
	defer release()
	input, err := json.Marshal(struct {
		Seconds float64 `json:"seconds"`
	}{limit.Seconds()})
	if err != nil {
		return false, err
	}
	output, err := h.agent.execute(ctx, event, "/backup/freeze", input)
	if err != nil || len(output) == 0 { // an older host of package code says nothing
		return false, err
	}
	var told struct {
		Apart bool `json:"apart"`
	}
	if err := json.Unmarshal(output, &told); err != nil {
		return false, illegible(pkg, "freeze", err)
	}
	return told.Apart, nil
}

func illegible(pkg, what string, err error) error {
	return fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "cannot read what the %s of %q answered: %w", what, pkg, err)
}

// Thaw has the code of a package let its data be written again; it may be asked for at any time. held tells that they were
// quiet from Freeze on, as far as that code knows.
func (s *Service) Thaw(ctx context.Context, pkg, event string) (held bool, err error) {
	h, release, err := s.use(ctx, pkg)
	if err != nil {
		return false, err
	}
	defer release()
	output, err := h.agent.execute(ctx, event, "/backup/thaw", nil)
	if err != nil {
		return false, err
	}
	var told struct {
		Held bool `json:"held"`
	}
	if err := json.Unmarshal(output, &told); err != nil {
		return false, illegible(pkg, "thaw", err)
	}
	return told.Held, nil
}

// attachBackup shows a running container a backup. It comes after the container's start, since what a container starts
// with it keeps to its end.
func (s *Service) attachBackup(h *handle, from mount.Bind, readOnly bool) error {
	options := backupOptions(h.spec.GetFirstUid())
	options.ReadOnly = readOnly
	source, err := s.mounts.Open(from, options)
	if err != nil {
		return unfit(from.Path, err)
	}
	defer source.Close()
	// What an earlier attempt attached is of no more use.
	if err := s.detachBackup(h); err != nil {
		return err
	}
	return unreachable(h.pkg, s.mounts.Attach(h.container, source, mount.Target{Path: backupPath, Owner: h.spec.GetFirstUid()}))
}

func (s *Service) detachBackup(h *handle) error {
	return unreachable(h.pkg, s.mounts.Detach(h.container, backupPath))
}

// backupOptions keep plain owners on disk, as volumes have them.
func backupOptions(firstUID uint32) mount.Options {
	return mount.Options{IDMap: idmap.Base(firstUID), NoSUID: true, NoDev: true, NoExec: true}
}

func unfit(dir string, err error) error {
	return fault.New(metav1.Reason_REASON_BACKUP_FOLDER_UNFIT, "cannot show the folder %s to the package: its file system has to keep owners as Linux does: %w", dir, err).With("directory", dir)
}
