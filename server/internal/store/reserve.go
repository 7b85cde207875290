package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"golang.org/x/sys/unix"
)

// The reserve is a file beside the database that holds room and nothing else. On a disk that is full it is given up for
// what must be done then: for a start, for the warning, and for what a person does about it.
//
//	enough free ──▶ made ──▶ full, and a start or an urgent commit ──▶ given up ──▶ enough free ──▶ made …
//
// Room that is given up is anybody's, also of whoever fills the disk; so it is kept until it is needed.
const (
	reserveName = "reserve"
	// reserveSpare is how many times the reserve must be free for it to be made.
	reserveSpare = 4
	// urgentShare is the share of Options.MinFree that does for an urgent commit.
	urgentShare = 4
)

type urgentKey struct{}

// WithUrgency answers a context whose commits are written on a full disk too, for as long as a reserve does.
func WithUrgency(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgentKey{}, true)
}

func urgent(ctx context.Context) bool { return ctx.Value(urgentKey{}) != nil }

// room makes sure that there is room for a commit. What is allocated for it ahead counts as free. An urgent one that this
// holds altogether needs nothing else, so that the reserve is not given up while somebody may still take it.
func (s *Store) room(urgent bool, size int) error {
	err := checkSpace(s.dir, s.opt.MinFree-min(s.opt.MinFree, s.ahead.held()))
	if err == nil || !urgent {
		return err
	}
	if checkSpace(s.dir, s.opt.MinFree/urgentShare) == nil || fault.Is(err, metav1.Reason_REASON_DISK_FULL) && s.ahead.holds(size) {
		return nil
	}
	if given, rerr := giveUpReserve(s.dir); rerr != nil || !given {
		return errors.Join(err, rerr)
	}
	s.opt.Logger.Warn("store gave its reserve up, since the disk is full")
	return checkSpace(s.dir, s.opt.MinFree/urgentShare)
}

// roomToOpen makes sure that there is room for a start.
func roomToOpen(dir string, opt Options) error {
	err := checkSpace(dir, opt.MinFree)
	if err == nil {
		return nil
	}
	if given, rerr := giveUpReserve(dir); rerr != nil || !given {
		return errors.Join(err, rerr)
	}
	opt.Logger.Warn("store gave its reserve up, since the disk is full")
	return checkSpace(dir, opt.MinFree)
}

// giveUpReserve reports whether there was one.
func giveUpReserve(dir string) (bool, error) {
	err := os.Remove(filepath.Join(dir, reserveName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot give the reserve up: %w", err)
	}
	return true, nil
}

// Relieve gives the reserve up at once, for commits that are not urgent too: whoever filled the disk has been stopped. It is
// made again when there is room for it. Without one it does nothing.
func (s *Store) Relieve() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	given, err := giveUpReserve(s.dir)
	if given {
		s.opt.Logger.Warn("store gave its reserve up, since the disk is full and who filled it is stopped")
	}
	return err
}

// keepReserve makes the reserve where there is none and the disk has room for it and for much more. A file system that
// cannot promise room has none. Half a reserve, left by a kill, is made whole.
func (s *Store) keepReserve() {
	if s.opt.Reserve == 0 || s.opt.ReadOnly {
		return
	}
	path := filepath.Join(s.dir, reserveName)
	if info, err := os.Lstat(path); err == nil && uint64(info.Size()) == s.opt.Reserve {
		return
	}
	if checkSpace(s.dir, reserveSpare*s.opt.Reserve) != nil {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = unix.Fallocate(int(f.Fd()), 0, 0, int64(s.opt.Reserve))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		s.opt.Logger.Info("store keeps no reserve", "error", err)
		_, _ = giveUpReserve(s.dir) // what there is of it holds nothing
	}
}
