package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// notes say which services are being stopped because they fill the disk, and why: a file for each, named after its package,
// in a folder that is not on that disk and does not outlive the machine. A note is written before its service is frozen and
// removed once it has ended, so what was decided outlives a server that ends before it could record it: on a full disk that is
// to be reckoned with.
type notes string

// maxNote is more than a reason takes.
const maxNote = 64 << 10

func (n notes) path(pkg string) string { return filepath.Join(string(n), pkg) }

func (n notes) write(pkg string, why error) error {
	raw, err := protojson.Marshal(fault.Proto(why))
	if err != nil {
		return fmt.Errorf("cannot note that %q is being stopped: %w", pkg, err)
	}
	if err := os.MkdirAll(string(n), 0o700); err != nil {
		return fmt.Errorf("cannot note that %q is being stopped: %w", pkg, err)
	}
	return atomicfile.Write(n.path(pkg), raw, 0o600)
}

// read answers why a service is being stopped; nil: it is not. A note that cannot be understood is one nevertheless.
func (n notes) read(pkg string) (why error, err error) {
	f, err := os.Open(n.path(pkg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read whether %q is being stopped: %w", pkg, err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return nil, fmt.Errorf("cannot read whether %q is being stopped: %w", pkg, err)
	}
	var noted metav1.Fault
	if err := protojson.Unmarshal(raw, &noted); err != nil || noted.GetReason() != metav1.Reason_REASON_SERVICE_FILLS_DISK {
		return fault.New(metav1.Reason_REASON_SERVICE_FILLS_DISK, "the service was stopped because it filled the disk").With("package", pkg), nil
	}
	return fault.FromProto(&noted), nil
}

func (n notes) remove(pkg string) error {
	if err := os.Remove(n.path(pkg)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the note that %q is being stopped: %w", pkg, err)
	}
	return nil
}

// resume goes on with what was not brought to its end, by this server or by one before it, and answers whether there was any: a
// service that was being stopped is stopped, and any other that may be frozen goes on. What cannot be done is tried again
// with the next look; the service stays frozen until then.
func (s *Service) resume(ctx context.Context) (any bool) {
	if s.resumed {
		return false
	}
	packages, err := s.packages()
	for _, pkg := range packages {
		stopped, one := s.resumeOne(ctx, pkg)
		any, err = any || stopped, errors.Join(err, one)
	}
	if s.resumed = err == nil; !s.resumed {
		s.opt.Log.WarnContext(ctx, "cannot go on with what was frozen", "error", err)
	}
	return any
}

func (s *Service) resumeOne(ctx context.Context, pkg string) (stopped bool, err error) {
	why, err := s.notes.read(pkg)
	if err != nil {
		return false, err
	}
	if why == nil {
		return false, s.opt.Containers.Thaw(pkg)
	}
	s.opt.Log.WarnContext(ctx, "a service that fills the disk is stopped, as was decided before", "pkg", pkg)
	if err := s.opt.Containers.Freeze(pkg); err != nil && !errors.Is(err, lxc.ErrNotRunning) {
		s.opt.Log.WarnContext(ctx, "cannot freeze a service that fills the disk", "pkg", pkg, "error", err)
	}
	if err := s.opt.Halt(ctx, pkg, why); err != nil {
		return false, err
	}
	total, _, err := s.opt.Disk()
	if err != nil {
		return false, err
	}
	return true, s.kill(pkg, Reserve(total))
}

// kill ends a service of which it is recorded that it is stopped, and gives room back to the server.
func (s *Service) kill(pkg string, reserve uint64) error {
	if err := s.opt.Containers.Kill(pkg); err != nil {
		return err
	}
	if err := s.notes.remove(pkg); err != nil {
		return err
	}
	_, free, err := s.opt.Disk()
	if err == nil && free < last(reserve) {
		err = s.opt.Relieve() // nobody takes it now
	}
	return err
}
