package install_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/legacy"
	"github.com/hearthos/hearth/api/s9pk/legacy/legacytest"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/artifact"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/logs"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/operation/operationtest"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/volume"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	operationID = "01arz3ndektsv4rrffq69g5fav"
	firstTicket = "00000000000000000000000000000001"
	firstID     = "01arz3ndektsv4rrffq69g5fab"
	ticket      = "00000000000000000000000000000002"
	// volumeName is a volume of the package of packageFile, dataVersion what its init records.
	volumeName  = "main"
	dataVersion = "1.0:0"
	// newVersion is that of an update, whose init writes other data.
	newVersion = "2.0:0"
	// previousSnapshot is the id of the snapshot from before an update that is over.
	previousSnapshot = "01arz3ndektsv4rrffq69g5faa"
	// resigned names the file of dataVersion that somebody else has signed.
	resigned = "resigned"
	// quiet names the file of dataVersion whose code can freeze its data.
	quiet = "quiet"
	// forOldOS names the file of newVersion that was made for a StartOS before 0.3.
	forOldOS = "old"
)

// files are the package files of all these tests: the package, and two versions of it after that. From the second one
// cannot migrate down, from the first to the second only up.
var files = sync.OnceValues(func() (map[string][]byte, string) {
	raw, err := os.ReadFile("../../../api/s9pk/testdata/packed-order.s9pk")
	if err != nil {
		panic(err)
	}
	file, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{})
	if err != nil {
		panic(err)
	}
	members := map[string]merkle.Source{}
	for e := range file.All() {
		if e.Kind == merkle.File {
			content, err := file.ReadFile(e.Path, 1<<20)
			if err != nil {
				panic(err)
			}
			members[e.Path] = s9pk.FromBytes(content)
		}
	}
	var manifest map[string]any
	if err := json.Unmarshal(file.ManifestJSON(), &manifest); err != nil {
		panic(err)
	}
	made := map[string][]byte{}
	for _, of := range []struct {
		name, version, from, to string
		key                     byte
	}{
		{dataVersion, dataVersion, "<=1.0:0", "!", 7}, {resigned, dataVersion, "<=1.0:0", "!", 8}, {quiet, dataVersion, "<=1.0:0", "!", 7},
		{newVersion, newVersion, "<=2.0:0", "=0.9:0", 7}, {forOldOS, newVersion, "*", "!", 7}, {"0.9:0", "0.9:0", "<=0.9:0", "!", 7}, {"0.8:0", "0.8:0", "<=0.8:0", "!", 7},
	} {
		manifest["version"], manifest["canMigrateFrom"], manifest["canMigrateTo"] = of.version, of.from, of.to
		manifest["osVersion"] = "0.4.0-beta.9"
		if of.name == forOldOS {
			manifest["osVersion"], manifest["sdkVersion"] = "0.2.17", nil
		}
		if of.name == quiet {
			manifest["hearth"] = map[string]any{"freeze": true}
		}
		changed, err := json.Marshal(manifest)
		if err != nil {
			panic(err)
		}
		delete(manifest, "hearth")
		var out bytes.Buffer
		if _, err := s9pk.Build(context.Background(), &out, s9pk.BuildInput{Manifest: changed, Members: members, Key: sign.FromSeed([32]byte{of.key})}); err != nil {
			panic(err)
		}
		made[of.name] = out.Bytes()
	}
	return made, manifest["id"].(string)
})

// packageFile is the package file of most of these tests, and the id of the package.
func packageFile() ([]byte, string) {
	made, id := files()
	return made[dataVersion], id
}

// data is the data of packages as the daemon passes them on. during, if not nil, happens while a snapshot is made.
type data struct {
	*volume.Keeper
	during func()
}

func (d data) Exists(pkg string) (bool, error)    { return d.Keeper.Exists(ids.Package(pkg)) }
func (d data) Version(pkg string) (string, error) { return d.Keeper.Version(ids.Package(pkg)) }
func (d data) SetVersion(pkg, version string) error {
	return d.Keeper.SetVersion(ids.Package(pkg), version)
}
func (d data) Remove(ctx context.Context, pkg, id string) error {
	return d.Keeper.Remove(ctx, ids.Package(pkg), id)
}
func (d data) Packages() ([]string, error) {
	list, err := d.Keeper.Packages()
	var names []string
	for _, pkg := range list {
		names = append(names, string(pkg))
	}
	return names, err
}
func (d data) Keep(pkg, signer string, since time.Time) error {
	return d.Keeper.Keep(ids.Package(pkg), signer, since)
}
func (d data) Unkeep(pkg string) error { return d.Keeper.Unkeep(ids.Package(pkg)) }
func (d data) Whole(pkg string) error  { return d.Keeper.Whole(ids.Package(pkg)) }

func (d data) KeptOf(pkg string) (string, error) { return d.Keeper.KeptOf(ids.Package(pkg)) }
func (d data) Describe(ctx context.Context, pkg string) (*packagesv1.PackageData, error) {
	kept, err := d.Keeper.Describe(ctx, ids.Package(pkg))
	return &packagesv1.PackageData{Id: pkg, Signer: kept.Signer, Bytes: kept.Bytes, Since: timestamppb.New(kept.Since), Volumes: kept.Volumes}, err
}
func (d data) Snapshot(ctx context.Context, pkg, id string, progress func(done, total uint64)) (*packagesv1.SnapshotStatus, error) {
	made, err := d.Keeper.Snapshot(ctx, ids.Package(pkg), id, func(done, total uint64) {
		if progress(done, total); d.during != nil {
			d.during()
		}
	})
	return &packagesv1.SnapshotStatus{DataVersion: made.Version}, err
}

// Moment plays a file system whose files can share their blocks.
func (d data) Moment(_ context.Context, pkg, id string) (string, error) {
	of := filepath.Dir(d.Keeper.Path(ids.Package(pkg), volumeName))
	moment := filepath.Join(filepath.Dir(of), ".partial", pkg+"."+id)
	return moment, os.CopyFS(moment, os.DirFS(of))
}

func (d data) Swap(ctx context.Context, pkg, from, aside string) (*packagesv1.SnapshotStatus, error) {
	made, err := d.Keeper.Swap(ctx, ids.Package(pkg), from, aside)
	return &packagesv1.SnapshotStatus{DataVersion: made.Version}, err
}
func (d data) SnapshotRoom(ctx context.Context, pkg string) (uint64, error) {
	return d.Keeper.SnapshotRoom(ctx, ids.Package(pkg))
}
func (d data) RemoveSnapshot(ctx context.Context, pkg, id string) error {
	return d.Keeper.RemoveSnapshot(ctx, ids.Package(pkg), id)
}
func (d data) SweepSnapshots(ctx context.Context, wanted func(pkg, id string) (bool, error)) error {
	return d.Keeper.SweepSnapshots(ctx, func(pkg ids.Package, id string) (bool, error) { return wanted(string(pkg), id) })
}

// folder is a folder for backups as the daemon passes it on.
type folder struct{ volume.Folder }

func (f folder) Finish(ctx context.Context, pkg, version, dataVersion string, _ time.Time) error {
	return f.Folder.Finish(ctx, volume.Backup{Package: pkg, Version: version, DataVersion: dataVersion})
}

func (f folder) Look(pkg string) (string, error) {
	b, err := f.Folder.Look(pkg)
	return b.DataVersion, err
}

// Backup plays the code of a package, which copies its data.
func (m *machine) Backup(_ context.Context, pkg, _, dir, sub, moment string) error {
	m.backups.Add(1)
	if _, err := os.Stat(m.frozen()); m.quiet && (err == nil) != (moment == "") {
		m.t.Errorf("the data are backed up while the service may write to them, or are frozen without need: %q, %v", moment, err)
	}
	volume := m.volumes.Path(ids.Package(pkg), volumeName)
	if moment != "" {
		// The service writes on.
		precious := filepath.Join(volume, "precious")
		was, err := os.ReadFile(precious)
		if err := errors.Join(err, os.WriteFile(precious, []byte("half"), 0o600)); err != nil {
			return err
		}
		defer os.WriteFile(precious, was, 0o600)
		volume = filepath.Join(moment, volumeName)
	}
	if m.fails {
		return fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "the backup fails")
	}
	raw, err := os.ReadFile(filepath.Join(volume, "precious"))
	if err != nil {
		return err
	}
	if string(raw) == "half" {
		m.t.Error("the backup is not of the moment when the data were quiet")
	}
	return os.WriteFile(filepath.Join(dir, sub, "copy"), raw, 0o600)
}

// frozen is the file that says in a container that the data are frozen. Containers outlive the daemon.
func (m *machine) frozen() string { return filepath.Join(m.dir, "frozen") }

// Freeze plays the code of a package that runs.
func (m *machine) Freeze(_ context.Context, pkg, _ string, _ time.Duration) (apart bool, err error) {
	err = m.store.View(func(tx *store.Tx) error {
		row, _, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if row.GetStatus().GetState() != packagesv1.PackageStatus_STATE_RUNNING {
			m.t.Errorf("the data are frozen of a service in the state %v", row.GetStatus().GetState())
		}
		return err
	})
	return m.apart, errors.Join(err, os.WriteFile(m.frozen(), nil, 0o600))
}

// Thaw plays that code, of which a test may say that it wrote all the same.
func (m *machine) Thaw(context.Context, string, string) (bool, error) {
	err := os.Remove(m.frozen())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return !m.restless, err
}

// Fits and Room play a machine that has all, but for a package whose version says what it lacks.
func (m *machine) Fits(manifest *s9pk.Manifest) error { return m.unfit }
func (m *machine) Room() (uint64, error)              { return cmp.Or(m.free, 1<<40), nil }

// scenario is an operation on a machine in some state.
type scenario struct {
	kind      string
	installed bool // before
	leftData  bool // of an earlier installation
	unknown   bool // which version those data are of
	params    map[string]string
	updated   bool   // from an earlier version, to which there is a way back
	version   string // of the file that comes; "" is the one that is installed, or was
	fails     bool   // the package's code does
	clumsy    bool   // its clean-up alone fails
	cancelAt  string
	quick     bool // tried in the fast lane too
	rare      bool // tried with HEARTH_SOAK alone
	well      bool // the installed service is, before
	sick      bool // the version that comes is not, once it runs
	early     bool // the file that comes is of the first format
	listed    bool // the file comes from a registry, and half of it has arrived before the daemon died
	orphan    bool // a file is in keeping that nothing uses
	expired   bool // the way back has been kept long enough
	full      bool // the disk, when half of it has arrived
	quiet     bool // the installed service can freeze its data
	restless  bool // it does not keep them frozen
	apart     bool // it makes its backup of a snapshot, where there can be one
}

// machine is a process of a scenario: real keepers on a folder, and a runner that is played.
type machine struct {
	scenario
	t         testing.TB
	dir       string
	store     *store.Store
	artifacts *artifact.Keeper
	sources   install.Sources
	volumes   *volume.Keeper
	logs      *logs.Keeper
	installs  *install.Service
	backups   atomic.Int32
	unfit     error
	free      uint64
	during    func() // see data
}

func (s scenario) build(t testing.TB, dir string, st *store.Store) operationtest.World {
	m := &machine{scenario: s, t: t, dir: dir, store: st, sources: played{t: t, file: s.file(), full: s.full}}
	m.open(func(*store.Tx, string) error { return nil })
	m.prepare()
	_, pkg := packageFile()
	params := map[string]string{}
	switch s.kind {
	case install.KindRollback, install.KindDeleteSnapshot:
		params["snapshot"] = previousSnapshot
	case install.KindBackup:
		params["directory"] = "/backups" // of the machine
		if err := os.MkdirAll(filepath.Join(dir, "backups"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range s.params {
		params[k] = v
	}
	if s.listed {
		f, err := s9pk.Open(bytes.NewReader(s.file()), int64(len(s.file())), s9pk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := f.Commitment()
		params["registry"], params["places"] = "r", "https://example.org/f\n"
		params["sighash"], params["max_size"] = base64.RawStdEncoding.EncodeToString(c.RootSighash[:]), fmt.Sprint(c.RootMaxSize)
	}
	return operationtest.World{
		Definitions: m.installs.Definitions(), Beside: m.playRunner, CancelAt: s.cancelAt, Alike: s.alike,
		Request: operation.Request{Asked: operation.Asked{ID: operationID}, Kind: s.kind, Target: pkg, Parameters: params},
	}
}

// file is the package file that comes.
func (s scenario) file() []byte {
	made, _ := files()
	return made[cmp.Or(s.version, dataVersion)]
}

// played is a registry that has one file.
type played struct {
	install.Sources // nothing is looked for

	t    testing.TB
	file []byte
	full bool
}

// Download writes the file in two pieces, behind what is there.
func (p played) Download(_ context.Context, _ string, _ registry.Asset, f *os.File, progress func(done, total uint64)) error {
	have, err := os.ReadFile(f.Name())
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(p.file, have) {
		p.t.Errorf("%d bytes that are not of the file were there", len(have))
	}
	for _, upTo := range []int{len(p.file) / 2, len(p.file)} {
		if upTo > len(have) {
			if _, err := f.WriteAt(p.file[len(have):upTo], int64(len(have))); err != nil {
				return err
			}
			have = p.file[:upTo]
		}
		progress(uint64(upTo), uint64(len(p.file)))
		if p.full {
			return fault.New(metav1.Reason_REASON_DISK_FULL, "the disk is full")
		}
	}
	return nil
}

// alike leaves out the numbers of folders, and how often a container was made anew: each crash of a backup that was being
// written costs one. A container that was made anew and shall run may still be on its way when the operation has ended: nobody
// waits for that.
func (s scenario) alike(state string) string {
	state = regexp.MustCompile(`(?m)^file volumes/\S+/\.filled .*\n`).ReplaceAllString(state, "")
	if s.kind != install.KindBackup {
		return state
	}
	state = regexp.MustCompile(`(rebuilds|observed_generation):\d+`).ReplaceAllString(state, "$1:n")
	return regexp.MustCompile(`(?m)^(package .* desired:DESIRED_RUNNING\b.*\bstate:STATE_)(STOPPED|RUNNING)\b`).ReplaceAllString(state, "${1}COMING")
}

// open makes the keepers and the area over them, as a daemon that starts does.
func (m *machine) open(gate install.Gate) {
	var err error
	if m.artifacts, err = artifact.New(filepath.Join(m.dir, "artifacts"), "x86_64", m.store, m.convert, slog.New(slog.DiscardHandler), time.Now); err != nil {
		m.t.Fatal(err)
	}
	if m.volumes, err = volume.New(filepath.Join(m.dir, "volumes"), func(context.Context, string) error { return nil }); err != nil {
		m.t.Fatal(err)
	}
	if m.logs, err = logs.New(filepath.Join(m.dir, "logs"), m.store); err != nil {
		m.t.Fatal(err)
	}
	m.installs = install.New(install.Deps{
		Store: m.store, Clock: time.Now, Artifacts: m.artifacts, File: m.artifacts.Path, Sources: m.sources, Data: data{m.volumes, m.during}, Logs: m.logs, Gate: gate, Forget: forget,
		Code: m, Machine: m, Settle: time.Millisecond,
		Folder: func(dir string) (install.Folder, error) {
			f, err := volume.OpenFolder(filepath.Join(m.dir, dir), filepath.Join(m.dir, "volumes"))
			return folder{f}, err
		},
	})
	if err := errors.Join(m.volumes.Sweep(m.t.Context()), m.installs.SweepSnapshots(m.t.Context()), m.artifacts.Sweep()); err != nil {
		m.t.Fatal(err)
	}
}

// forget deletes one row in a commit, as if more did not fit.
func forget(tx *store.Tx, pkg string, _ bool) (bool, error) {
	room := store.Room(1)
	err := store.DeleteBelow[*packagesv1.HealthCheck](tx, pkg, &room)
	return room.Left(), err
}

// upload puts a package file where an upload is that has all its bytes.
// convert plays the program that converts files of the first format.
func (m *machine) convert(_ context.Context, from, to, _, key string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	if !legacy.Is(f) {
		m.t.Error("a file is converted that is not of the first format")
	}
	if _, err := sign.LoadKey(key); err != nil {
		m.t.Error(err)
	}
	return os.WriteFile(to, m.file(), 0o644)
}

func (m *machine) upload(ticket string) { m.uploadVersion(ticket, dataVersion) }

func (m *machine) uploadVersion(ticket, version string) {
	made, _ := files()
	file := made[version]
	if m.early && version == cmp.Or(m.version, dataVersion) {
		file = legacytest.Write(legacytest.Sections(legacytest.Manifest(nil)), nil)
	}
	path := filepath.Join(m.dir, "artifacts", "incoming", fmt.Sprintf("%s.%d", ticket, len(file)))
	if err := os.WriteFile(path, file, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// prepare brings the machine to where the operation begins, unless it has begun.
func (m *machine) prepare() {
	_, pkg := packageFile()
	begun := false
	err := m.store.View(func(tx *store.Tx) error {
		var err error
		_, begun, err = store.Lookup[*operationsv1.Operation](tx, operationID)
		return err
	})
	if err != nil || begun {
		if err != nil {
			m.t.Fatal(err)
		}
		return
	}
	if m.leftData || m.installed {
		m.makeData(pkg, dataVersion)
	}
	if m.leftData {
		if err := m.volumes.Keep(ids.Package(pkg), "somebody", time.Unix(1e9, 0)); err != nil {
			m.t.Fatal(err)
		}
	}
	if m.unknown {
		if err := m.volumes.SetVersion(ids.Package(pkg), ""); err != nil {
			m.t.Fatal(err)
		}
	}
	if m.installed {
		m.putInstalled(pkg)
	}
	if m.orphan {
		m.take("00000000000000000000000000000008", "01arz3ndektsv4rrffq69g5fad", "0.8:0")
	}
	if m.expired {
		m.update(func(tx *store.Tx) error {
			return store.Put(tx, &packagesv1.UpdatePolicy{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.UpdatePolicySpec{KeepPrevious: durationpb.New(time.Nanosecond)}})
		})
	}
	switch {
	case m.listed:
		half := m.file()[:len(m.file())/2]
		if err := os.WriteFile(filepath.Join(m.dir, "artifacts", "fetching", operationID), half, 0o600); err != nil {
			m.t.Fatal(err)
		}
	case m.kind == install.KindInstall || m.kind == install.KindUpdate:
		m.uploadVersion(ticket, cmp.Or(m.version, dataVersion))
		if m.early { // the same in each run, for these are compared
			if err := os.WriteFile(filepath.Join(m.dir, "artifacts", "conversion.secret"), make([]byte, 32), 0o600); err != nil {
				m.t.Fatal(err)
			}
		}
		if err := m.artifacts.Claim(ticket, operationID); err != nil {
			m.t.Fatal(err)
		}
	}
}

// putInstalled makes the package one that is installed and runs, with a dependent that does.
func (m *machine) putInstalled(pkg string) {
	if m.updated {
		earlier := m.take("00000000000000000000000000000009", "01arz3ndektsv4rrffq69g5fac", "0.9:0")
		m.snapshot(pkg, earlier)
		m.makeData(pkg, dataVersion)
	}
	version := dataVersion
	if m.quiet {
		version = quiet
	}
	id := m.take(firstTicket, firstID, version)
	m.update(func(tx *store.Tx) error {
		for _, check := range []string{"a", "b", "c"} {
			row := &packagesv1.HealthCheck{Meta: &metav1.Meta{Id: pkg + "/" + check}, Status: &packagesv1.HealthCheckStatus{}}
			if m.well {
				row.Status.Result = packagesv1.HealthCheckStatus_RESULT_SUCCESS
			}
			if err := store.Put(tx, row); err != nil {
				return err
			}
		}
		return errors.Join(store.Put(tx, &packagesv1.Package{
			Meta:   &metav1.Meta{Id: pkg},
			Spec:   &packagesv1.PackageSpec{Artifact: id, Version: dataVersion, Desired: packagesv1.PackageSpec_DESIRED_RUNNING, Rebuilds: 1, ExitTarget: dataVersion},
			Status: &packagesv1.PackageStatus{State: packagesv1.PackageStatus_STATE_RUNNING, InitializedArtifact: id, ObservedRebuilds: 1, ObservedGeneration: 1},
		}), store.Put(tx, &packagesv1.Package{
			Meta: &metav1.Meta{Id: "other"}, Spec: &packagesv1.PackageSpec{Desired: packagesv1.PackageSpec_DESIRED_RUNNING},
		}), store.Put(tx, &packagesv1.Dependency{Meta: &metav1.Meta{Id: "other/" + pkg}}))
	})
}

// take takes a file into keeping as an operation does.
func (m *machine) take(ticket, operation, version string) string {
	m.uploadVersion(ticket, version)
	if err := m.artifacts.Claim(ticket, operation); err != nil {
		m.t.Fatal(err)
	}
	art, err := m.artifacts.Take(m.t.Context(), operation, func(uint64, uint64) {})
	if err != nil {
		m.t.Fatal(err)
	}
	return art.GetMeta().GetId()
}

// snapshot makes data of the earlier version the snapshot from before an update.
func (m *machine) snapshot(pkg, artifact string) {
	m.makeData(pkg, "0.9:0")
	if _, err := m.volumes.Snapshot(m.t.Context(), ids.Package(pkg), previousSnapshot, func(uint64, uint64) {}); err != nil {
		m.t.Fatal(err)
	}
	m.update(func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Snapshot{
			Meta:   &metav1.Meta{Id: pkg + "/" + previousSnapshot},
			Spec:   &packagesv1.SnapshotSpec{Cause: packagesv1.SnapshotSpec_CAUSE_UPDATE, Artifact: artifact, Version: "0.9:0"},
			Status: &packagesv1.SnapshotStatus{DataVersion: "0.9:0"},
		})
	})
}

func (m *machine) update(fn func(tx *store.Tx) error) {
	if _, err := m.store.Update(m.t.Context(), time.Now(), fn); err != nil {
		m.t.Fatal(err)
	}
}

// makeData is what a version of a package leaves in its volume, and its log.
func (m *machine) makeData(pkg, version string) {
	err := errors.Join(
		m.volumes.Ensure(ids.Package(pkg), []ids.Volume{volumeName}, nil),
		m.volumes.SetVersion(ids.Package(pkg), version),
		os.WriteFile(filepath.Join(m.volumes.Path(ids.Package(pkg), volumeName), "precious"), []byte("words of "+version), 0o644),
		os.MkdirAll(filepath.Join(m.dir, "logs", pkg), 0o700),
	)
	if err != nil {
		m.t.Fatal(err)
	}
}

// playRunner does what the runner does for a package that an operation holds: all of it is decided by the row.
func (m *machine) playRunner(ctx context.Context) error {
	_, pkg := packageFile()
	w, err := m.store.Watch(store.WatchOptions{Selectors: []store.Selector{{Kind: "package", ID: pkg}}})
	if err != nil {
		return err
	}
	for {
		batch, err := w.Next(ctx)
		if err != nil {
			return err
		}
		for range batch.Changes {
			_, err := m.store.Update(ctx, time.Now(), func(tx *store.Tx) error {
				row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
				if err != nil || !ok || row.GetSpec().GetOperation() == "" {
					return err
				}
				m.answer(row, pkg)
				return store.Put(tx, row)
			})
			if err != nil {
				return err
			}
		}
	}
}

func (m *machine) answer(row *packagesv1.Package, pkg string) {
	if row.Status == nil {
		row.Status = &packagesv1.PackageStatus{}
	}
	spec, st := row.GetSpec(), row.Status
	absent := spec.GetDesired() == packagesv1.PackageSpec_DESIRED_ABSENT
	// The code that comes fails; that of the version before did not.
	fails := m.fails
	switch m.kind {
	case install.KindUpdate:
		fails = fails && spec.GetInitKind() != packagesv1.PackageSpec_INIT_KIND_UNSPECIFIED
	case install.KindRollback:
		fails = fails && spec.GetVersion() != dataVersion
	case install.KindBackup:
		fails = false // its backup alone does
	}
	st.ObservedGeneration = row.GetMeta().GetGeneration()
	switch {
	case absent && (m.clumsy || fails) && !spec.GetExitForce() && st.GetState() != packagesv1.PackageStatus_STATE_ABSENT:
		st.State, st.Fault = packagesv1.PackageStatus_STATE_FAILED, fault.Proto(fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "uninit fails"))
	case absent:
		if st.GetInitializedArtifact() != "" && !fails && !m.clumsy {
			// uninit leaves the data in the version it is told.
			if err := m.volumes.SetVersion(ids.Package(pkg), spec.GetExitTarget()); err != nil {
				m.t.Error(err)
			}
		}
		row.Status = &packagesv1.PackageStatus{State: packagesv1.PackageStatus_STATE_ABSENT, ObservedGeneration: st.ObservedGeneration, ObservedRebuilds: st.GetObservedRebuilds()}
	case st.GetObservedRebuilds() < spec.GetRebuilds() && fails:
		m.makeData(pkg, spec.GetVersion()) // an init that fails has written all the same
		st.State, st.Fault = packagesv1.PackageStatus_STATE_FAILED, fault.Proto(fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "init fails"))
	case st.GetObservedRebuilds() < spec.GetRebuilds():
		if spec.GetInitKind() != packagesv1.PackageSpec_INIT_KIND_UNSPECIFIED {
			m.makeData(pkg, spec.GetVersion())
		}
		st.State, st.Fault = packagesv1.PackageStatus_STATE_STOPPED, nil
		st.InitializedArtifact, st.ObservedRebuilds = spec.GetArtifact(), spec.GetRebuilds()
	case spec.GetDesired() == packagesv1.PackageSpec_DESIRED_STOPPED:
		st.State, st.Fault = packagesv1.PackageStatus_STATE_STOPPED, nil
	case m.sick && spec.GetVersion() == newVersion:
		st.State = packagesv1.PackageStatus_STATE_STOPPED
		st.Crashes = &packagesv1.Crashes{Count: 3, Reason: "exit code 1"}
	default:
		st.State, st.Fault = packagesv1.PackageStatus_STATE_RUNNING, nil
	}
}

// However often the daemon dies, an operation ends as it would have: the package is there as a whole or gone as a
// whole, and data that were there before are never lost to a failure.
func TestOperationsSurviveEveryCrash(t *testing.T) {
	t.Parallel()
	start, force, keep := map[string]string{"start": "yes"}, map[string]string{"force": "yes"}, map[string]string{"keep_data": "yes"}
	for name, c := range map[string]struct {
		scenario
		there, gone []string // words of the state in the end
	}{
		"install": {scenario{kind: install.KindInstall, params: start, quick: true},
			[]string{"STATE_SUCCEEDED", "DESIRED_RUNNING", "precious", ".s9pk"}, []string{"file artifacts/claimed", "file artifacts/incoming"}},
		"install of the first format":       {scenario{kind: install.KindInstall, params: start, early: true, quick: true}, []string{"STATE_SUCCEEDED", ".s9pk"}, []string{"claimed/", "fetching/0"}},
		"install of the first format fails": {scenario{kind: install.KindInstall, params: start, early: true, fails: true}, []string{"STATE_FAILED"}, []string{".s9pk", "claimed/", "fetching/0"}},
		"install from a registry": {scenario{kind: install.KindInstall, params: start, listed: true, quick: true},
			[]string{"STATE_SUCCEEDED", "DESIRED_RUNNING", "precious", ".s9pk"}, []string{"file artifacts/claimed", "file artifacts/fetching"}},
		"install from a registry on a full disk": {scenario{kind: install.KindInstall, listed: true, full: true}, []string{"STATE_FAILED", "DISK_FULL"}, []string{"precious", "file artifacts", "\npackage meta:{id:\"hello"}},
		"install from a registry is cancelled":   {scenario{kind: install.KindInstall, listed: true, cancelAt: "after do download"}, []string{"STATE_CANCELLED"}, []string{"file artifacts", "\npackage meta:{id:\"hello"}},
		"install fails":                          {scenario{kind: install.KindInstall, fails: true}, []string{"STATE_FAILED"}, []string{"precious", ".s9pk", "\npackage meta:{id:\"hello"}},
		"install over data":                      {scenario{kind: install.KindInstall, leftData: true}, []string{"STATE_SUCCEEDED", "precious"}, []string{".kept"}},
		"install over data fails":                {scenario{kind: install.KindInstall, leftData: true, fails: true, quick: true}, []string{"STATE_FAILED", "precious", ".version", ".kept"}, []string{".s9pk", "\npackage meta:{id:\"hello"}},
		"install over data of no version fails": {scenario{kind: install.KindInstall, leftData: true, unknown: true, fails: true},
			[]string{"STATE_FAILED", "precious"}, []string{".s9pk", "\npackage meta:{id:\"hello", ".version"}},
		"install is cancelled early": {scenario{kind: install.KindInstall, cancelAt: "before do verify"}, []string{"STATE_CANCELLED"}, []string{".s9pk", "file artifacts"}},
		"install is cancelled":       {scenario{kind: install.KindInstall, cancelAt: "after do verify"}, []string{"STATE_CANCELLED"}, []string{"precious", ".s9pk", "\npackage meta:{id:\"hello"}},
		"uninstall":                  {scenario{kind: install.KindUninstall, installed: true, quick: true}, []string{"STATE_SUCCEEDED"}, []string{"precious", ".s9pk", "\npackage meta:{id:\"hello", "folder logs/"}},
		"uninstall keeps data":       {scenario{kind: install.KindUninstall, installed: true, params: keep, quick: true}, []string{"STATE_SUCCEEDED", "precious", ".version", ".kept"}, []string{".s9pk", "\npackage meta:{id:\"hello", "folder logs/"}},
		"uninstall fails":            {scenario{kind: install.KindUninstall, installed: true, fails: true}, []string{"STATE_FAILED", "precious", ".s9pk", "DESIRED_RUNNING"}, nil},
		"data are deleted":           {scenario{kind: install.KindDeleteData, leftData: true, quick: true}, []string{"STATE_SUCCEEDED"}, []string{"precious", ".kept", ".version"}},
		"backup": {scenario{kind: install.KindBackup, installed: true, quick: true},
			[]string{"STATE_SUCCEEDED", "DESIRED_RUNNING", "data/copy", ".s9pk", "backup.json"}, []string{"data.new", "data.old", "s9pk.new", "json.new"}},
		"backup fails": {scenario{kind: install.KindBackup, installed: true, fails: true, quick: true},
			[]string{"STATE_FAILED", "DESIRED_RUNNING", "precious"}, []string{"data.new", "data/copy", "s9pk.new"}},
		"backup is cancelled": {scenario{kind: install.KindBackup, installed: true, cancelAt: "after do write"},
			[]string{"STATE_CANCELLED", "DESIRED_RUNNING"}, []string{"data.new", "data/copy"}},
		"backup of a running service": {scenario{kind: install.KindBackup, installed: true, quiet: true, quick: true},
			[]string{"STATE_SUCCEEDED", "DESIRED_RUNNING", "data/copy", ".s9pk", "backup.json"}, []string{"data.new", "data.old", "s9pk.new", "json.new", "file frozen"}},
		"backup of a running service fails": {scenario{kind: install.KindBackup, installed: true, quiet: true, fails: true, quick: true},
			[]string{"STATE_FAILED", "DESIRED_RUNNING", "precious"}, []string{"data.new", "data/copy", "s9pk.new", "file frozen"}},
		"backup of a running service is cancelled": {scenario{kind: install.KindBackup, installed: true, quiet: true, cancelAt: "after do write"},
			[]string{"STATE_CANCELLED", "DESIRED_RUNNING"}, []string{"data.new", "data/copy", "file frozen"}},
		"backup of a running service that writes": {scenario{kind: install.KindBackup, installed: true, quiet: true, restless: true},
			[]string{"STATE_FAILED", "BACKUP_NOT_QUIET", "DESIRED_RUNNING"}, []string{"data.new", "data/copy", "file frozen"}},
		"backup of a snapshot": {scenario{kind: install.KindBackup, installed: true, quiet: true, apart: true, quick: true},
			[]string{"STATE_SUCCEEDED", "DESIRED_RUNNING", "data/copy", ".s9pk", "backup.json"}, []string{"data.new", "data.old", "s9pk.new", "json.new", "file frozen", ".partial/"}},
		"backup of a snapshot fails": {scenario{kind: install.KindBackup, installed: true, quiet: true, apart: true, fails: true, quick: true},
			[]string{"STATE_FAILED", "DESIRED_RUNNING", "precious"}, []string{"data.new", "data/copy", "s9pk.new", "file frozen", ".partial/"}},
		"backup of a snapshot is cancelled": {scenario{kind: install.KindBackup, installed: true, quiet: true, apart: true, cancelAt: "after do write"},
			[]string{"STATE_CANCELLED", "DESIRED_RUNNING"}, []string{"data.new", "data/copy", "file frozen", ".partial/"}},
		"backup of a snapshot of restless data": {scenario{kind: install.KindBackup, installed: true, quiet: true, apart: true, restless: true},
			[]string{"STATE_FAILED", "BACKUP_NOT_QUIET", "DESIRED_RUNNING"}, []string{"data.new", "data/copy", "file frozen", ".partial/"}},
		"uninstall is forced": {scenario{kind: install.KindUninstall, installed: true, fails: true, params: force}, []string{"STATE_SUCCEEDED"}, []string{"precious", ".s9pk", "\npackage meta:{id:\"hello"}},
	} {
		c.matrix(t, name, c.there, c.gone)
	}
}

// matrix tries a scenario with every crash, and what is there and what is gone in the end.
func (s scenario) matrix(t *testing.T, name string, there, gone []string) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		if testing.Short() && !s.quick {
			t.Skip("the fast lane tries some of the scenarios")
		}
		if s.rare && os.Getenv("HEARTH_SOAK") == "" {
			t.Skip("make soak tries all scenarios")
		}
		state := operationtest.CrashMatrix(t, s.build)
		for _, word := range there {
			if !strings.Contains(state, word) {
				t.Errorf("%q is not in the end", word)
			}
		}
		for _, word := range gone {
			if strings.Contains(state, word) {
				t.Errorf("%q is still there in the end", word)
			}
		}
	})
}
