package install_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

const (
	absent  = packagesv1.PackageSpec_DESIRED_ABSENT
	stopped = packagesv1.PackageSpec_DESIRED_STOPPED
	running = packagesv1.PackageSpec_DESIRED_RUNNING
)

var errBlocked = errors.New("a task comes first")

// newMachine is a machine with a package of that spec, and a gate that is open or shut.
func newMachine(t *testing.T, spec *packagesv1.PackageSpec, shut bool) (*machine, string) {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	m := &machine{t: t, dir: dir, store: st}
	gate := func(*store.Tx, string) error {
		if shut {
			return errBlocked
		}
		return nil
	}
	m.open(gate)
	_, pkg := packageFile()
	if spec != nil {
		m.update(func(tx *store.Tx) error {
			return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: spec})
		})
	}
	return m, pkg
}

func (m *machine) spec(pkg string) *packagesv1.PackageSpec {
	var spec *packagesv1.PackageSpec
	err := m.store.View(func(tx *store.Tx) error {
		row, err := store.Get[*packagesv1.Package](tx, pkg)
		spec = row.GetSpec()
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return spec
}

// uploads are the files of uploads.
func (m *machine) uploads() []string {
	m.t.Helper()
	list, err := filepath.Glob(filepath.Join(m.dir, "artifacts", "incoming", "*"))
	if err != nil {
		m.t.Fatal(err)
	}
	return list
}

func first(file []byte, _ string) []byte { return file }

func TestWhatIsWantedChangesByItsRules(t *testing.T) {
	t.Parallel()
	const start, stop, restart = "start", "stop", "restart"
	for name, c := range map[string]struct {
		verb    string
		desired packagesv1.PackageSpec_Desired
		held    bool // by an operation
		shut    bool
		want    packagesv1.PackageSpec_Desired
		restart uint64
		reason  metav1.Reason
		blocked bool
	}{
		"start":                      {verb: start, desired: stopped, want: running},
		"start of what runs":         {verb: start, desired: running, want: running},
		"start behind a task":        {verb: start, desired: stopped, shut: true, want: stopped, blocked: true},
		"start during an operation":  {verb: start, desired: stopped, held: true, want: stopped, reason: metav1.Reason_REASON_OPERATION_CONFLICT},
		"stop":                       {verb: stop, desired: running, want: stopped},
		"stop behind a task":         {verb: stop, desired: running, shut: true, want: stopped},
		"stop during an operation":   {verb: stop, desired: running, held: true, want: running, reason: metav1.Reason_REASON_OPERATION_CONFLICT},
		"restart":                    {verb: restart, desired: running, want: running, restart: 1},
		"restart of what is stopped": {verb: restart, desired: stopped, want: stopped, reason: metav1.Reason_REASON_PACKAGE_STATE},
		"restart behind a task":      {verb: restart, desired: running, shut: true, want: running, blocked: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := &packagesv1.PackageSpec{Desired: c.desired}
			if c.held {
				spec.Operation = operationID
			}
			m, pkg := newMachine(t, spec, c.shut)
			verb := map[string]func() error{
				start:   func() error { _, err := m.installs.Start(t.Context(), time.Now(), pkg, false); return err },
				stop:    func() error { _, err := m.installs.Stop(t.Context(), time.Now(), pkg); return err },
				restart: func() error { _, err := m.installs.Restart(t.Context(), time.Now(), pkg); return err },
			}[c.verb]
			err := verb()
			switch {
			case c.blocked && !errors.Is(err, errBlocked), c.reason != 0 && !fault.Is(err, c.reason), !c.blocked && c.reason == 0 && err != nil:
				t.Errorf("%v", err)
			}
			if got := m.spec(pkg); got.GetDesired() != c.want || got.GetRestarts() != c.restart {
				t.Errorf("wanted is %v", got)
			}
		})
	}
}

func TestCodeOfAPackageNeverBringsBackWhatIsRemoved(t *testing.T) {
	t.Parallel()
	for desired, want := range map[packagesv1.PackageSpec_Desired]packagesv1.PackageSpec_Desired{absent: absent, running: stopped, stopped: stopped} {
		m, pkg := newMachine(t, &packagesv1.PackageSpec{Desired: desired}, false)
		m.update(func(tx *store.Tx) error {
			return errors.Join(m.installs.RestartIn(tx, pkg), m.installs.StopIn(tx, pkg))
		})
		if got := m.spec(pkg); got.GetDesired() != want || got.GetRestarts() != map[bool]uint64{true: 1}[desired == running] {
			t.Errorf("from %v: %v", desired, got)
		}
	}
	m, _ := newMachine(t, nil, false)
	m.update(func(tx *store.Tx) error {
		return errors.Join(m.installs.RestartIn(tx, "gone"), m.installs.StopIn(tx, "gone"))
	})
	if _, err := m.installs.Start(t.Context(), time.Now(), "gone", false); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		t.Errorf("%v", err)
	}
}

func wish(id, ticket string) install.Wish {
	return install.Wish{Asked: operation.Asked{ID: id, By: "me"}, Ticket: ticket, Start: true}
}

func TestInstallIsRefusedBeforeAnythingHappens(t *testing.T) {
	t.Parallel()
	engine := func(m *machine) *operation.Engine {
		return operation.New(m.store, slog.New(slog.DiscardHandler), m.installs.Definitions()...)
	}
	t.Run("no way for the data", func(t *testing.T) {
		t.Parallel()
		m, pkg := newMachine(t, nil, false)
		m.makeData(pkg, newVersion)
		have := m.take(firstTicket, firstID, newVersion)
		m.update(func(tx *store.Tx) error {
			return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageSpec{Desired: running, Artifact: have, Version: newVersion}})
		})
		m.uploadVersion(ticket, "0.8:0")
		_, err := m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
		if !fault.Is(err, metav1.Reason_REASON_PACKAGE_VERSION_CONFLICT) || fault.Proto(err).GetMetadata()["installed"] != newVersion {
			t.Errorf("%v", err)
		}
		if left := m.uploads(); len(left) > 0 {
			t.Errorf("the refused upload is still there: %v", left)
		}
		if got := m.spec(pkg); got.GetArtifact() != have || got.GetOperation() != "" {
			t.Errorf("the package is %v", got)
		}
	})
	t.Run("the data are gone", func(t *testing.T) {
		t.Parallel()
		m, pkg := newMachine(t, nil, false)
		have := m.take(firstTicket, firstID, dataVersion)
		m.update(func(tx *store.Tx) error {
			return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageSpec{Desired: running, Artifact: have, Version: dataVersion}})
		})
		m.uploadVersion(ticket, newVersion)
		_, err := m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
		if !fault.Is(err, metav1.Reason_REASON_PACKAGE_DATA_MISSING) {
			t.Errorf("%v", err)
		}
	})
	t.Run("the data are gone and an empty folder is in their place", func(t *testing.T) {
		t.Parallel()
		m, pkg := newMachine(t, nil, false)
		m.snapshot(pkg, m.take(ticket, "01arz3ndektsv4rrffq69g5fac", "0.9:0"))
		m.makeData(pkg, dataVersion)
		m.putInstalled(pkg)
		volume := m.volumes.Path(ids.Package(pkg), volumeName)
		if err := errors.Join(m.volumes.Remember(ids.Package(pkg)), os.Rename(volume, filepath.Join(m.dir, "elsewhere")), os.Mkdir(volume, 0o755),
			os.Mkdir(filepath.Join(m.dir, "backups"), 0o700)); err != nil {
			t.Fatal(err)
		}
		m.uploadVersion(ticket, newVersion)
		plan, err := m.installs.Plan(t.Context(), wish(operationID, ticket))
		if err != nil || len(plan.GetObstacles()) == 0 || plan.GetObstacles()[0].GetReason() != metav1.Reason_REASON_PACKAGE_DATA_MISSING {
			t.Errorf("the plan: %v, %v", plan, err)
		}
		asked := operation.Asked{ID: operationID, By: "me"}
		for name, do := range map[string]func() error{
			"an update": func() error {
				_, err := m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
				return err
			},
			"a start": func() error {
				_, err := m.installs.Start(t.Context(), time.Now(), pkg, false)
				return err
			},
			"a rebuild": func() error {
				_, err := m.installs.Rebuild(t.Context(), time.Now(), pkg)
				return err
			},
			"a rollback": func() error {
				_, err := m.installs.Rollback(t.Context(), time.Now(), engine(m), asked, pkg)
				return err
			},
			"a backup": func() error {
				_, err := m.installs.Backup(t.Context(), time.Now(), engine(m), asked, pkg, "/backups", 0)
				return err
			},
		} {
			if err := do(); !fault.Is(err, metav1.Reason_REASON_PACKAGE_DATA_MISSING) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("data kept of a newer version", func(t *testing.T) {
		t.Parallel()
		m, pkg := newMachine(t, nil, false)
		m.makeData(pkg, newVersion)
		m.uploadVersion(ticket, "0.8:0")
		plan, err := m.installs.Plan(t.Context(), wish(operationID, ticket))
		if err != nil || len(plan.GetObstacles()) != 1 || plan.GetObstacles()[0].GetReason() != metav1.Reason_REASON_PACKAGE_VERSION_CONFLICT {
			t.Errorf("the plan: %v, %v", plan, err)
		}
		_, err = m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
		if !fault.Is(err, metav1.Reason_REASON_PACKAGE_VERSION_CONFLICT) || fault.Proto(err).GetMetadata()["data"] != newVersion {
			t.Errorf("%v", err)
		}
	})
	t.Run("nothing to go back to", func(t *testing.T) {
		t.Parallel()
		m, pkg := newMachine(t, &packagesv1.PackageSpec{Desired: running}, false)
		if _, err := m.installs.Rollback(t.Context(), time.Now(), engine(m), operation.Asked{ID: operationID, By: "me"}, pkg); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NO_PREVIOUS) {
			t.Errorf("%v", err)
		}
		if _, err := m.installs.Rollback(t.Context(), time.Now(), engine(m), operation.Asked{ID: operationID, By: "me"}, "gone"); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
			t.Errorf("%v", err)
		}
		if _, err := m.installs.DeleteSnapshot(t.Context(), time.Now(), engine(m), operation.Asked{ID: operationID, By: "me"}, pkg, "none"); !fault.Is(err, metav1.Reason_REASON_SNAPSHOT_NOT_FOUND) {
			t.Errorf("%v", err)
		}
	})
	t.Run("of a package that is on its way out", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct {
			operation string
			reason    metav1.Reason
		}{
			"while an operation works on it": {"01arz3ndektsv4rrffq69g5faw", metav1.Reason_REASON_OPERATION_CONFLICT},
			"after one that was given up":    {"", metav1.Reason_REASON_PACKAGE_STATE},
		} {
			m, pkg := newMachine(t, nil, false)
			m.putInstalled(pkg)
			m.update(func(tx *store.Tx) error {
				row, err := store.Get[*packagesv1.Package](tx, pkg)
				row.Spec.Desired, row.Spec.Operation = absent, c.operation
				return errors.Join(err, store.Put(tx, row))
			})
			m.uploadVersion(ticket, newVersion)
			_, err := m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
			if !fault.Is(err, c.reason) || fault.Proto(err).GetMetadata()["operation"] != c.operation {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("not all has arrived", func(t *testing.T) {
		t.Parallel()
		m, _ := newMachine(t, nil, false)
		m.upload(ticket)
		if err := os.Truncate(m.uploads()[0], 100); err != nil {
			t.Fatal(err)
		}
		_, err := m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
		if !fault.Is(err, metav1.Reason_REASON_TRANSFER_INCOMPLETE) || len(m.uploads()) != 1 {
			t.Errorf("%v; the uploads are %v", err, m.uploads())
		}
	})
	t.Run("no package file", func(t *testing.T) {
		t.Parallel()
		m, _ := newMachine(t, nil, false)
		m.upload(ticket)
		if err := os.WriteFile(m.uploads()[0], make([]byte, len(first(packageFile()))), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
		if err == nil || len(m.uploads()) > 0 {
			t.Errorf("%v; the uploads are %v", err, m.uploads())
		}
	})
	t.Run("no such upload", func(t *testing.T) {
		t.Parallel()
		m, _ := newMachine(t, nil, false)
		_, err := m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
		if !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
			t.Errorf("%v", err)
		}
	})
	t.Run("twice at once", func(t *testing.T) {
		t.Parallel()
		m, _ := newMachine(t, nil, false)
		m.upload(firstTicket)
		m.upload(ticket)
		e := engine(m)
		if _, err := m.installs.Install(t.Context(), time.Now(), e, wish(operationID, firstTicket)); err != nil {
			t.Fatal(err)
		}
		_, err := m.installs.Install(t.Context(), time.Now(), e, wish("01arz3ndektsv4rrffq69g5faw", ticket))
		if !fault.Is(err, metav1.Reason_REASON_OPERATION_CONFLICT) || fault.Proto(err).GetMetadata()["operation"] != operationID {
			t.Errorf("%v", err)
		}
		if left := m.uploads(); len(left) != 1 {
			t.Errorf("the second upload cannot be taken later: %v", left)
		}
	})
	t.Run("signed by somebody else", func(t *testing.T) {
		t.Parallel()
		m := &machine{scenario: scenario{kind: install.KindUninstall, installed: true}, t: t, dir: t.TempDir()}
		var err error
		if m.store, err = store.Open(filepath.Join(m.dir, "store"), store.Options{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.store.Close() })
		m.open(func(*store.Tx, string) error { return nil })
		m.prepare()
		m.uploadVersion(ticket, resigned)
		_, err = m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
		if !fault.Is(err, metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT) {
			t.Errorf("%v", err)
		}
		// It is given back, for somebody who accepts that; but not in the place of the same content.
		if left := m.uploads(); len(left) != 1 {
			t.Errorf("the uploads are %v", left)
		}
		accepted := wish(operationID, ticket)
		accepted.AcceptSigner = true
		if _, err = m.installs.Install(t.Context(), time.Now(), engine(m), accepted); !fault.Is(err, metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT) {
			t.Errorf("the same content, accepted: %v", err)
		}
		for _, left := range m.uploads() {
			if err := os.Remove(left); err != nil {
				t.Fatal(err)
			}
		}
		m.upload(ticket)
		if _, err := m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket)); err != nil {
			t.Errorf("the same file by the same signer: %v", err)
		}
	})
	t.Run("data kept of somebody else", func(t *testing.T) {
		t.Parallel()
		m, pkg := newMachine(t, nil, false)
		m.update(func(tx *store.Tx) error { return store.Delete[*packagesv1.Package](tx, pkg) })
		m.makeData(pkg, dataVersion)
		if err := m.volumes.Keep(ids.Package(pkg), "somebody", time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		m.upload(ticket)
		_, err := m.installs.Install(t.Context(), time.Now(), engine(m), wish(operationID, ticket))
		if !fault.Is(err, metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT) || fault.Proto(err).GetMetadata()["kept"] != "somebody" {
			t.Errorf("%v", err)
		}
		if left := m.uploads(); len(left) != 1 {
			t.Errorf("the upload is not given back: %v", left)
		}
		accepted := wish(operationID, ticket)
		accepted.AcceptSigner = true
		if _, err := m.installs.Install(t.Context(), time.Now(), engine(m), accepted); err != nil {
			t.Errorf("accepted: %v", err)
		}
	})
	t.Run("removing what is not there", func(t *testing.T) {
		t.Parallel()
		m, _ := newMachine(t, nil, false)
		_, err := m.installs.Uninstall(t.Context(), time.Now(), engine(m), operation.Asked{ID: operationID, By: "me"}, "gone", false, false)
		if !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
			t.Errorf("%v", err)
		}
	})
}

// Who may read operations may not learn tickets from them, and asking twice begins one operation.
func TestInstallKeepsTheTicketToItself(t *testing.T) {
	t.Parallel()
	m, pkg := newMachine(t, nil, false)
	m.upload(ticket)
	e := operation.New(m.store, slog.New(slog.DiscardHandler), m.installs.Definitions()...)
	var ops []string
	for range 2 {
		op, err := m.installs.Install(t.Context(), time.Now(), e, wish(operationID, ticket))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(op.String(), ticket) || op.GetSpec().GetTarget() != pkg {
			t.Errorf("the operation is %v", op)
		}
		ops = append(ops, op.GetMeta().GetId())
	}
	if ops[0] != ops[1] || len(m.uploads()) > 0 {
		t.Errorf("the operations are %v, the uploads %v", ops, m.uploads())
	}
	// The id of another operation does not answer with that one, and uses up no upload.
	m.upload(firstTicket)
	m.update(func(tx *store.Tx) error {
		return store.Put(tx, &operationsv1.Operation{Meta: &metav1.Meta{Id: firstID}, Spec: &operationsv1.OperationSpec{Kind: install.KindUninstall, Target: pkg}})
	})
	_, err := m.installs.Install(t.Context(), time.Now(), e, wish(firstID, firstTicket))
	if !fault.Is(err, metav1.Reason_REASON_REQUEST_ID_REUSED) || len(m.uploads()) != 1 {
		t.Errorf("%v; the uploads are %v", err, m.uploads())
	}
}

func TestKeptDataAreListedAndDeleted(t *testing.T) {
	t.Parallel()
	m, pkg := newMachine(t, nil, false)
	e := operation.New(m.store, slog.New(slog.DiscardHandler), m.installs.Definitions()...)
	remove := func(pkg string) error {
		_, err := m.installs.DeleteData(t.Context(), time.Now(), e, operation.Asked{ID: operationID, By: "me"}, pkg)
		return err
	}
	for _, id := range []string{pkg, "..", ".trash", "../logs", ""} {
		if err := remove(id); !fault.Is(err, metav1.Reason_REASON_PACKAGE_DATA_NOT_FOUND) {
			t.Errorf("%q: %v", id, err)
		}
	}
	m.makeData(pkg, dataVersion)
	since := time.Unix(1e9, 0)
	if err := m.volumes.Keep(ids.Package(pkg), "somebody", since); err != nil {
		t.Fatal(err)
	}
	list, err := m.installs.KeptData()
	if err != nil || len(list) != 1 || list[0] != pkg {
		t.Fatalf("%v, %v", list, err)
	}
	got, err := m.installs.DescribeData(t.Context(), pkg)
	if err != nil || got.GetSigner() != "somebody" || !got.GetSince().AsTime().Equal(since) || got.GetBytes() == 0 || len(got.GetVolumes()) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	m.update(func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageSpec{Desired: stopped}})
	})
	if list, err := m.installs.KeptData(); err != nil || len(list) > 0 {
		t.Errorf("data of an installed package are listed: %v, %v", list, err)
	}
	if err := remove(pkg); !fault.Is(err, metav1.Reason_REASON_PACKAGE_INSTALLED) {
		t.Errorf("%v", err)
	}
	m.update(func(tx *store.Tx) error { return store.Delete[*packagesv1.Package](tx, pkg) })
	if err := remove(pkg); err != nil {
		t.Error(err)
	}
}

// gated is a machine with a package that runs, and that another one needs in the version it has.
func gated(t *testing.T, needs string) (*machine, string, *operation.Engine) {
	t.Helper()
	m, pkg := newMachine(t, nil, false)
	m.makeData(pkg, dataVersion)
	have := m.take(firstTicket, firstID, dataVersion)
	m.update(func(tx *store.Tx) error {
		return errors.Join(
			store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageSpec{Desired: running, Artifact: have, Version: dataVersion}}),
			store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "other"}, Spec: &packagesv1.PackageSpec{Desired: running}}),
			store.Put(tx, &packagesv1.Dependency{Meta: &metav1.Meta{Id: "other/" + pkg}, Spec: &packagesv1.DependencySpec{VersionRange: needs}}),
		)
	})
	m.uploadVersion(ticket, newVersion)
	return m, pkg, operation.New(m.store, slog.New(slog.DiscardHandler), m.installs.Definitions()...)
}

func TestAnUpdateIsRefusedThatWouldBreakAnotherPackage(t *testing.T) {
	t.Parallel()
	m, pkg, engine := gated(t, "=1.0:0")
	w := wish(operationID, ticket)
	_, err := m.installs.Install(t.Context(), time.Now(), engine, w)
	if !fault.Is(err, metav1.Reason_REASON_DEPENDENT_BROKEN) || !strings.Contains(fault.Proto(err).GetMetadata()["dependents"], "other") {
		t.Errorf("%v", err)
	}
	if m.spec(pkg).GetOperation() != "" || len(m.uploads()) != 1 {
		t.Errorf("something happened: %v; the uploads are %v", m.spec(pkg), m.uploads())
	}
	w.AcceptBreakage = true
	if _, err := m.installs.Install(t.Context(), time.Now(), engine, w); err != nil {
		t.Errorf("it was accepted: %v", err)
	}
}

func TestWhatTheMachineCannotDoIsRefusedBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*machine)
		want   metav1.Reason
	}{
		"for a StartOS before 0.3": {func(m *machine) {
			for _, left := range m.uploads() {
				if err := os.Remove(left); err != nil {
					m.t.Fatal(err)
				}
			}
			m.uploadVersion(ticket, forOldOS)
		}, metav1.Reason_REASON_PACKAGE_OS_TOO_OLD},
		"hardware": {func(m *machine) { m.unfit = fault.New(metav1.Reason_REASON_HARDWARE_UNFIT, "no such card") }, metav1.Reason_REASON_HARDWARE_UNFIT},
		"room":     {func(m *machine) { m.free = 1 << 20 }, metav1.Reason_REASON_DISK_FULL},
	} {
		m, pkg, engine := gated(t, ">=1.0:0")
		c.change(m)
		plan, err := m.installs.Plan(t.Context(), wish(operationID, ticket))
		if err != nil || len(plan.GetObstacles()) != 1 || plan.GetObstacles()[0].GetReason() != c.want {
			t.Errorf("%s: the plan is %v, %v", name, plan, err)
		}
		if _, err := m.installs.Install(t.Context(), time.Now(), engine, wish(operationID, ticket)); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if m.spec(pkg).GetOperation() != "" {
			t.Errorf("%s: something happened: %v", name, m.spec(pkg))
		}
	}
}

func TestAPlanTellsAllAndBeginsNothing(t *testing.T) {
	t.Parallel()
	m, pkg, engine := gated(t, ">=1.0:0")
	for range 2 { // the ticket stays good
		plan, err := m.installs.Plan(t.Context(), wish(operationID, ticket))
		if err != nil {
			t.Fatal(err)
		}
		if plan.GetPackageId() != pkg || plan.GetFromVersion() != dataVersion || plan.GetToVersion() != newVersion || plan.GetDataVersion() != dataVersion ||
			len(plan.GetStopped()) != 1 || len(plan.GetDependents()) != 1 || plan.GetDependents()[0] != "other" || len(plan.GetObstacles()) > 0 {
			t.Errorf("%v", plan)
		}
	}
	if m.spec(pkg).GetOperation() != "" {
		t.Errorf("something happened: %v", m.spec(pkg))
	}
	if _, err := m.installs.Install(t.Context(), time.Now(), engine, wish(operationID, ticket)); err != nil {
		t.Error(err)
	}
}
