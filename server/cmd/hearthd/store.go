package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/daemon"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
	"github.com/hearthos/hearth/server/internal/store"
)

const storeUsage = `Usage: hearthd store COMMAND [flags]

Looks at the state of a server that is stopped. 'check' and 'export' change nothing; they copy the logs below $TMPDIR.

Commands:
  check      read everything and tell what is damaged
  export     print the resources that clients may read, one JSON object a line; never secrets
  compact    forget old revisions and give their room back to the disk
  recover    give up what follows damage in a log, so that the daemon starts again; keeps a copy, says what is lost

Flags:
  --state DIR      folder of the state; $HEARTH_STATE, else /var/lib/hearth
  --output FORM    of check: table or json
  --keep N         of compact: how many revisions to keep (1000); older bookmarks expire

Exit codes: 0 all is well, 1 a failure or a defect, 2 wrong usage.

Examples:
  hearthd store check
  hearthd store export --state .hearth | jq 'select(.kind == "package").resource.spec'
  hearthd store compact --keep 100
  hearthd store recover --state /var/lib/hearth
`

// lookRoom is what must be free on the disk for a compaction: less than the daemon wants, since a full disk is a reason to compact.
const lookRoom = 24 << 20

// storeCommand is 'hearthd store' and returns the exit code.
func storeCommand(args []string, out, errOut io.Writer) int {
	if len(args) == 0 || asksForHelp(args) {
		fmt.Fprint(out, storeUsage)
		return 0
	}
	state := daemon.DefaultConfig().StateDir
	if dir := os.Getenv("HEARTH_STATE"); dir != "" {
		state = dir
	}
	flags := flag.NewFlagSet("hearthd store", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() { fmt.Fprint(errOut, storeUsage) }
	flags.StringVar(&state, "state", state, "")
	output := flags.String("output", "table", "")
	keep := flags.Uint64("keep", 1000, "")
	log := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	look := store.Options{ReadOnly: true, Logger: log}
	change := store.Options{Existing: true, MinFree: lookRoom, Logger: log}
	commands := map[string]func(dir string) error{
		"check": func(dir string) error {
			return withStore(dir, look, func(s *store.Store) error { return checkStore(s, *output, out) })
		},
		"export": func(dir string) error {
			return withStore(dir, look, func(s *store.Store) error { return exportStore(s, out) })
		},
		"compact": func(dir string) error {
			return withStore(dir, change, func(s *store.Store) error { return compactStore(s, *keep, out) })
		},
		"recover": func(dir string) error { return recoverStore(dir, out, log) },
	}
	run, ok := commands[args[0]]
	if err := flags.Parse(args[1:]); err != nil {
		return 2
	}
	if !ok || flags.NArg() > 0 || *output != "table" && *output != "json" {
		fmt.Fprintf(errOut, "hearthd: cannot use %q; see 'hearthd store --help'\n", strings.Join(args, " "))
		return 2
	}
	if err := run(filepath.Join(state, "store")); err != nil {
		printFault(errOut, err)
		return 1
	}
	return 0
}

// asksForHelp tells whether somebody wants to know how a command is used, which is no wrong usage.
func asksForHelp(args []string) bool {
	return len(args) > 0 && args[0] == "help" || slices.ContainsFunc(args, func(arg string) bool {
		return slices.Contains([]string{"-h", "-help", "--help"}, arg)
	})
}

// withStore opens a store that exists, as it is.
func withStore(dir string, opt store.Options, fn func(*store.Store) error) (err error) {
	s, err := store.Open(dir, opt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return fn(s)
}

func printFault(w io.Writer, err error) {
	fmt.Fprintf(w, "hearthd: %v\n", err)
	remedy := fault.Info(fault.Reason(err)).GetRemedy()
	if fault.Is(err, metav1.Reason_REASON_NOT_FOUND) {
		remedy = "Name the folder of a server's state with --state or in $HEARTH_STATE."
	}
	if remedy != "" {
		fmt.Fprintf(w, "  %s\n", remedy)
	}
}

func checkStore(s *store.Store, output string, out io.Writer) error {
	r, err := s.Check()
	if err != nil {
		return err
	}
	if output == "json" {
		defects := append([]string{}, r.Defects...)
		err := json.NewEncoder(out).Encode(map[string]any{
			"id": r.ID, "format": r.Format, "revision": r.Revision, "compacted": r.Compacted, "rows": r.Rows,
			"records": r.Records, "logBytes": r.LogBytes, "defects": defects, "moreDefects": r.More,
		})
		return errors.Join(err, r.Err())
	}
	fmt.Fprintf(out, "store %s, format %d, revision %d\n", r.ID, r.Format, r.Revision)
	fmt.Fprintf(out, "log: %d revisions after %d, %d bytes\n", r.Records, r.Compacted, r.LogBytes)
	for _, kind := range slices.Sorted(maps.Keys(r.Rows)) {
		fmt.Fprintf(out, "  %-16s %d rows\n", kind, r.Rows[kind])
	}
	for _, d := range r.Defects {
		fmt.Fprintf(out, "defect: %s\n", d)
	}
	if r.More > 0 {
		fmt.Fprintf(out, "and %d more defects\n", r.More)
	}
	return r.Err()
}

// exportStore prints resources in the JSON of the wires.
func exportStore(s *store.Store, out io.Writer) error {
	w := bufio.NewWriter(out)
	_, err := s.Export(func(kind store.KindInfo, row store.Row) error {
		resource, err := codec.Marshal(row)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(map[string]any{"kind": kind.ID, "resource": json.RawMessage(resource)})
	})
	return errors.Join(err, w.Flush())
}

func compactStore(s *store.Store, keep uint64, out io.Writer) error {
	before, err := s.Status()
	if err != nil {
		return err
	}
	if err := s.Compact(keep); err != nil {
		return err
	}
	after, err := s.Status()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d revisions forgotten, %d kept\n", after.Oldest-before.Oldest, after.Revision-after.Oldest)
	return nil
}

func recoverStore(dir string, out io.Writer, log *slog.Logger) error {
	r, err := store.Recover(dir, time.Now(), log)
	if err != nil {
		return err
	}
	if r.Copy == "" {
		fmt.Fprintln(out, "no log is damaged; nothing was changed")
		return nil
	}
	fmt.Fprintf(out, "the database as it was is kept in %s\n", r.Copy)
	if r.Lost > r.Before {
		fmt.Fprintf(out, "lost: what was changed after revision %d; revision %d is the newest that could be made out\n", r.Before, r.Lost)
	} else {
		fmt.Fprintf(out, "lost: what was changed after revision %d, or parts of it\n", r.Before)
	}
	fmt.Fprintf(out, "the state goes on from revision %d; all bookmarks expire\n", r.Now)
	return nil
}
