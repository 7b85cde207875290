// Package logs reads what services printed. The agents write, each into the folder of its service; this area only
// reads, so a stopped daemon loses nothing and a flood costs the service its own space. A folder is foreign: what it
// holds is bounded and checked by the reader of package logseg.
package logs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/abi/logseg"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// defaultTail is how many lines a reader gets who does not say how many.
const defaultTail = 200

// Keeper knows the folders of the logs. It is safe for concurrent use.
type Keeper struct {
	dir   string
	store *store.Store
}

// New returns a keeper over dir, which holds one folder for each service.
func New(dir string, st *store.Store) (*Keeper, error) {
	return &Keeper{dir: dir, store: st}, os.MkdirAll(dir, 0o700)
}

// Remove removes the log of a package.
func (k *Keeper) Remove(ctx context.Context, pkg string) error {
	if _, err := ids.ParsePackage(pkg); err != nil {
		return err
	}
	if err := tree.Remove(ctx, filepath.Join(k.dir, pkg)); err != nil {
		return err
	}
	return atomicfile.SyncDir(k.dir) // else they could be there again after a power cut, of a package that is not
}

// Read hands the lines of a log to send, several at a time, the oldest first; with follow it goes on until ctx ends.
func (k *Keeper) Read(ctx context.Context, req *logsv1.ReadLogsRequest, send func([]*logsv1.LogEntry) error) error {
	err := k.store.View(func(tx *store.Tx) error {
		_, ok, err := store.Lookup[*packagesv1.Package](tx, req.GetPackageId())
		if err == nil && !ok {
			err = fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", req.GetPackageId()).With("package", req.GetPackageId())
		}
		return err
	})
	if err != nil {
		return err
	}
	dir := filepath.Join(k.dir, req.GetPackageId())
	if err := os.MkdirAll(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	r, err := logseg.OpenReader(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	want, err := filterOf(req)
	if err != nil {
		return err
	}
	at, err := begin(ctx, r, req, want)
	if err != nil {
		return err
	}
	out := func(entries []logseg.Entry) error {
		matching, done := want.of(entries)
		if list := rows(matching); len(list) > 0 {
			if err := send(list); err != nil {
				return err
			}
		}
		if done {
			return errPast
		}
		return nil
	}
	if err = follow(ctx, r, at, req.GetFollow(), out); errors.Is(err, errPast) {
		return nil
	}
	return err
}

// errPast ends the reading of a log behind the last line that is wanted.
var errPast = errors.New("no later line is wanted")

// follow hands out what is behind a cursor; when it shall go on it does, until ctx ends.
func follow(ctx context.Context, r *logseg.Reader, at logseg.Cursor, goOn bool, out func([]logseg.Entry) error) error {
	if goOn {
		err := r.Follow(ctx, at, out)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	for ctx.Err() == nil {
		entries, next, err := r.From(at)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := out(entries); err != nil {
			return err
		}
		at = next
	}
	return ctx.Err()
}

// begin is where the request wants to begin.
func begin(ctx context.Context, r *logseg.Reader, req *logsv1.ReadLogsRequest, want filter) (logseg.Cursor, error) {
	if req.GetCursor() != "" {
		at, err := logseg.ParseCursor(req.GetCursor())
		if err != nil {
			return at, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the cursor: %w", err).Violation("cursor", "must be one that the log gave")
		}
		return at, nil
	}
	tail := defaultTail
	switch {
	case req.Tail != nil:
		tail = int(req.GetTail())
	case req.GetSince() != nil:
		return r.Since(want.since)
	}
	if tail == 0 || want.all() {
		return r.Tail(tail)
	}
	return lastOf(ctx, r, want, tail)
}

// lastOf is the place before the last n lines that match: it reads all that could.
func lastOf(ctx context.Context, r *logseg.Reader, want filter, n int) (logseg.Cursor, error) {
	at, err := r.Since(want.since)
	if err != nil {
		return at, err
	}
	ring := make([]logseg.Cursor, 0, min(n, 1024)) // the places before the last n that match, in a circle
	first := 0
	err = follow(ctx, r, at, false, func(entries []logseg.Entry) error {
		for _, e := range entries {
			if !want.match(e) {
				at = e.Cursor
				continue
			}
			if len(ring) < n {
				ring = append(ring, at)
			} else {
				ring[first], first = at, (first+1)%n
			}
			at = e.Cursor
		}
		return nil
	})
	if err != nil || len(ring) == 0 {
		return at, err
	}
	return ring[first], nil
}

// filter says which lines are wanted.
type filter struct {
	since, until time.Time // zero: any
	grep         *regexp.Regexp
	source       string
}

func filterOf(req *logsv1.ReadLogsRequest) (filter, error) {
	f := filter{source: req.GetSource()}
	if req.GetSince() != nil {
		f.since = req.GetSince().AsTime()
	}
	if req.GetUntil() != nil {
		f.until = req.GetUntil().AsTime()
	}
	if req.GetGrep() != "" {
		var err error
		if f.grep, err = regexp.Compile(req.GetGrep()); err != nil {
			return f, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the pattern: %w", err).Violation("grep", "must be a regular expression")
		}
	}
	return f, nil
}

// all tells that every line is wanted.
func (f filter) all() bool {
	return f.since.IsZero() && f.until.IsZero() && f.grep == nil && f.source == ""
}

func (f filter) match(e logseg.Entry) bool {
	return !e.Time.Before(f.since) && (f.until.IsZero() || e.Time.Before(f.until)) &&
		(f.source == "" || e.Source == f.source) && (f.grep == nil || f.grep.MatchString(e.Message))
}

// of picks what is wanted of some lines, and tells when the last of them is later than what is wanted.
func (f filter) of(entries []logseg.Entry) (matching []logseg.Entry, done bool) {
	if f.all() {
		return entries, false
	}
	gap := false
	for _, e := range entries {
		gap = gap || e.Gap
		done = !f.until.IsZero() && !e.Time.Before(f.until)
		if f.match(e) {
			e.Gap, gap = gap, false
			matching = append(matching, e)
		}
	}
	return matching, done
}

func rows(entries []logseg.Entry) []*logsv1.LogEntry {
	out := make([]*logsv1.LogEntry, 0, len(entries))
	for _, e := range entries {
		if e.Gap {
			out = append(out, &logsv1.LogEntry{
				Time: timestamppb.New(e.Time), Stream: logsv1.LogEntry_STREAM_SYSTEM, Source: "hearth",
				Message: "older lines are no longer kept",
			})
		}
		out = append(out, &logsv1.LogEntry{
			Time: timestamppb.New(e.Time), Cursor: e.Cursor.String(), Stream: streams[e.Stream], Source: e.Source, Message: e.Message,
		})
	}
	return out
}

var streams = map[logseg.Stream]logsv1.LogEntry_Stream{
	logseg.Stdout: logsv1.LogEntry_STREAM_STDOUT,
	logseg.Stderr: logsv1.LogEntry_STREAM_STDERR,
	logseg.System: logsv1.LogEntry_STREAM_SYSTEM,
}
