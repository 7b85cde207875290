package install_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/durationpb"
)

const orphanVersion = "0.8:0"

// stored is an item by what the tests tell apart.
func (m *machine) stored() map[string]*packagesv1.StoredItem {
	m.t.Helper()
	items, err := m.installs.Stored()
	if err != nil {
		m.t.Fatal(err)
	}
	by := map[string]*packagesv1.StoredItem{}
	for _, item := range items {
		by[item.GetKind().String()+" "+item.GetVersion()] = item
	}
	return by
}

// What nothing uses goes, and nothing else: files of packages, of ways back and of operations stay, and a way back for as long as
// it is to be kept.
func TestOnlyWhatNothingUsesGoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keep time.Duration
		busy bool
		gone []string
	}{
		"kept until the next update": {gone: []string{"KIND_PACKAGE_FILE " + orphanVersion}},
		"kept for longer":            {keep: time.Hour, gone: []string{"KIND_PACKAGE_FILE " + orphanVersion}},
		"kept long enough":           {keep: time.Nanosecond, gone: []string{"KIND_PACKAGE_FILE " + orphanVersion, "KIND_PACKAGE_FILE 0.9:0", "KIND_SNAPSHOT 0.9:0"}},
		"an operation works on it":   {keep: time.Nanosecond, busy: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, pkg := newMachine(t, nil, false)
			m.scenario = scenario{updated: true}
			m.putInstalled(pkg)
			m.take(ticket, operationID, orphanVersion)
			m.update(func(tx *store.Tx) error {
				errs := []error{store.Put(tx, &packagesv1.UpdatePolicy{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.UpdatePolicySpec{KeepPrevious: durationpb.New(c.keep)}})}
				if c.busy {
					errs = append(errs, store.Put(tx, &operationsv1.Operation{
						Meta: &metav1.Meta{Id: "01arz3ndektsv4rrffq69g5fzz"}, Spec: &operationsv1.OperationSpec{Kind: "update", Target: pkg}, Status: &operationsv1.OperationStatus{},
					}))
				}
				return errors.Join(errs...)
			})
			before := m.stored()
			if len(before) != 4 {
				t.Fatalf("stored is %v", before)
			}
			for what, item := range before {
				if item.GetGarbage() != slices.Contains(c.gone, what) {
					t.Errorf("%s: %v", what, item)
				}
			}
			engine := operation.New(m.store, slog.New(slog.DiscardHandler), m.installs.Definitions()...)
			ops, err := m.installs.Collect(t.Context(), time.Now(), engine, "me")
			if err != nil || len(ops) != min(len(c.gone), 1) {
				t.Fatalf("begun are %v, %v", ops, err)
			}
			if len(ops) > 0 {
				if end := m.runUntilEnded(engine, ops[0].GetMeta().GetId()); end.GetState() != operationsv1.OperationStatus_STATE_SUCCEEDED {
					t.Errorf("it ends with %v", end)
				}
			}
			after := m.stored()
			for what, item := range before {
				_, there := after[what]
				if there == slices.Contains(c.gone, what) {
					t.Errorf("%s is there: %t", what, there)
				}
				if item.GetKind() != packagesv1.StoredItem_KIND_PACKAGE_FILE {
					continue
				}
				if _, err := os.Stat(m.artifacts.Path(item.GetId())); (err == nil) != there {
					t.Errorf("the file of %s: %v", what, err)
				}
			}
			if _, err := os.Stat(m.artifacts.Path(m.spec(pkg).GetArtifact())); err != nil {
				t.Errorf("the file that the package runs from: %v", err)
			}
		})
	}
}

// runUntilEnded runs the engine until an operation has ended, and answers how.
func (m *machine) runUntilEnded(engine *operation.Engine, id string) *operationsv1.OperationStatus {
	m.t.Helper()
	w, err := m.store.Watch(store.WatchOptions{Selectors: []store.Selector{{Kind: "operation", ID: id}}})
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	for {
		batch, err := w.Next(m.t.Context())
		if err != nil {
			m.t.Fatal(err)
		}
		for _, c := range batch.Changes {
			if op, ok := c.Row.(*operationsv1.Operation); ok && op.GetStatus().GetEndTime() != nil {
				return op.GetStatus()
			}
		}
	}
}

// Uploads that nobody took and what ended operations left go; what is under way stays.
func TestFilesOnTheirWayGoWhenNobodyWantsThem(t *testing.T) {
	t.Parallel()
	m, _ := newMachine(t, nil, false)
	m.upload(firstTicket)
	m.upload(ticket)
	old := time.Now().Add(-2 * time.Hour)
	for _, path := range m.uploads() {
		if filepath.Base(path)[:len(ticket)] == ticket {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	left := filepath.Join(m.dir, "artifacts", "fetching", operationID)
	if err := os.WriteFile(left, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	items, err := m.installs.Stored()
	if err != nil {
		t.Fatal(err)
	}
	var garbage, used int
	for _, item := range items {
		if item.GetKind() == packagesv1.StoredItem_KIND_UPLOAD && item.GetId() != "" {
			t.Errorf("the name of an upload is told: %v", item)
		}
		if item.GetGarbage() {
			garbage++
		} else {
			used++
		}
	}
	if garbage != 2 || used != 1 {
		t.Errorf("stored is %v", items)
	}
	if _, err := m.installs.Collect(t.Context(), time.Now(), operation.New(m.store, slog.New(slog.DiscardHandler), m.installs.Definitions()...), "me"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) || len(m.uploads()) != 1 {
		t.Errorf("left are %v, %v", m.uploads(), err)
	}
}

// However often the daemon dies, what goes is gone and what stays is whole.
func TestCollectingSurvivesEveryCrash(t *testing.T) {
	t.Parallel()
	_, pkg := packageFile()
	previous := ".snapshots/" + pkg + "/" + previousSnapshot
	collect := scenario{kind: install.KindCollect, installed: true, updated: true, orphan: true, quick: true}
	collect.matrix(t, "kept until the next update", []string{"STATE_SUCCEEDED", holds(pkg, dataVersion), holds(previous, "0.9:0")}, []string{`version:"` + orphanVersion})
	collect.expired = true
	collect.matrix(t, "kept long enough", []string{"STATE_SUCCEEDED", holds(pkg, dataVersion), ".s9pk"}, []string{previous, `version:"` + orphanVersion, "\nsnapshot "})
}
