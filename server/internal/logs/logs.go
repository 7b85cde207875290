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

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/abi/logseg"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
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
	return tree.Remove(ctx, filepath.Join(k.dir, pkg))
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
	at, err := begin(r, req)
	if err != nil {
		return err
	}
	if req.GetFollow() {
		err := r.Follow(ctx, at, func(entries []logseg.Entry) error { return send(rows(entries)) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	for {
		entries, next, err := r.From(at)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := send(rows(entries)); err != nil {
			return err
		}
		at = next
	}
}

// begin is where the request wants to begin.
func begin(r *logseg.Reader, req *logsv1.ReadLogsRequest) (logseg.Cursor, error) {
	if req.GetCursor() != "" {
		at, err := logseg.ParseCursor(req.GetCursor())
		if err != nil {
			return at, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the cursor: %w", err).Violation("cursor", "must be one that the log gave")
		}
		return at, nil
	}
	if req.Tail == nil {
		return r.Tail(defaultTail)
	}
	return r.Tail(int(req.GetTail()))
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
