package export_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/registry/export"
	"github.com/hearthos/hearth/api/s9pk"
	"golang.org/x/sys/unix"
)

// What is exported is read back: what the registry is, all of it for a list, and a package with where its files lie.
func TestAnExportIsReadBack(t *testing.T) {
	t.Parallel()
	f, e := folder{}, newExporter(t)
	made := e.write(f, start, source(t, map[string][]string{"hello": {"1.0.0:0", "2.0.0:0"}, "other": {"1.0.0:0"}}))
	if made.Packages != 2 || made.Files != 3 || made.Fetched != 3 {
		t.Errorf("the result is %+v", made)
	}
	trust, err := export.Begin(t.Context(), f.place(), "")
	if err != nil || export.Fingerprint(trust.Root) != made.Fingerprint {
		t.Fatalf("begins with %s, %v", export.Fingerprint(trust.Root), err)
	}
	x, _, err := export.Refresh(t.Context(), f.place(), trusted(t, f, strings.ToLower(strings.ReplaceAll(made.Fingerprint, ":", "")), start), start, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := x.Info(t.Context()); err != nil || *info.Name != "A registry" {
		t.Errorf("it is %+v, %v", info, err)
	}
	shown := map[string]registry.Listing{}
	if err := x.All(t.Context(), nil, func(id string, l registry.Listing) error { shown[id] = l; return nil }); err != nil {
		t.Fatal(err)
	}
	if l := shown["hello"]; len(shown) != 2 || l.Best["2.0.0:0"] == nil || l.Best["2.0.0:0"].Icon != "" || len(l.OtherVersions) != 1 {
		t.Errorf("it has %v", shown)
	}
	id := "hello"
	one, err := exver.ParseRange("<2.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := x.Get(t.Context(), registry.GetParams{ID: &id, TargetVersion: &one}, nil)
	if err != nil || len(l.Best) != 1 || l.Best["1.0.0:0"].Icon == "" {
		t.Fatalf("of %s it has %+v, %v", id, l, err)
	}
	place := l.Best["1.0.0:0"].Files[0].Asset.URLs[0]
	name := strings.TrimPrefix(place, export.FolderBase+"/")
	if raw, err := f.Read(name, 1000); err != nil || string(raw) != "the file at https://files.example/hello1.0.0:0" {
		t.Errorf("at %s lies %q, %v", name, raw, err)
	}
	called, _, err := export.Refresh(t.Context(), f.place().Shown("file:///a%20stick/"), trusted(t, f, made.Fingerprint, start), start, nil)
	if err != nil {
		t.Fatal(err)
	}
	full := registry.DetailFull
	l, err = called.Get(t.Context(), registry.GetParams{ID: &id, OtherVersions: &full}, nil)
	if err != nil || !strings.HasPrefix(l.Best["2.0.0:0"].Files[0].Asset.URLs[0], "file:///a%20stick/targets/files/") ||
		!strings.Contains(string(l.OtherVersions["1.0.0:0"]), `"file:///a%20stick/targets/files/`) {
		t.Errorf("of a place that is called otherwise it tells %+v, %v", l, err)
	}
	absent := "absent"
	if l, err := x.Get(t.Context(), registry.GetParams{ID: &absent}, nil); err != nil || len(l.Best) != 0 {
		t.Errorf("of a package that it does not have it tells %+v, %v", l, err)
	}
}

// An export that is made anew has what is new, fetches nothing twice, keeps the one before for those who are reading it, and
// removes what neither needs.
func TestAnExportIsMadeAnew(t *testing.T) {
	t.Parallel()
	f, e := folder{}, newExporter(t)
	first := e.write(f, start, source(t, map[string][]string{"hello": {"1.0.0:0"}, "gone": {"1.0.0:0"}}))
	trust := trusted(t, f, first.Fingerprint, start)
	reading, _, err := export.Refresh(t.Context(), f.place(), trust, start, nil)
	if err != nil {
		t.Fatal(err)
	}
	later := start.Add(24 * time.Hour)
	second := e.write(f, later, source(t, map[string][]string{"hello": {"1.0.0:0", "2.0.0:0"}}))
	if second.Version <= first.Version || second.Fetched != 1 || second.Fingerprint != first.Fingerprint {
		t.Errorf("first it was %+v, then %+v", first, second)
	}
	id := "gone"
	if l, err := reading.Get(t.Context(), registry.GetParams{ID: &id}, nil); err != nil || len(l.Best) != 1 {
		t.Errorf("who reads the one before gets %+v, %v", l, err)
	}
	x, trust, err := export.Refresh(t.Context(), f.place(), trust, later, reading)
	if err != nil || x == reading || x.Version != second.Version {
		t.Fatalf("the next look has version %+v, %v", x, err)
	}
	if again, _, err := export.Refresh(t.Context(), f.place(), trust, later, x); err != nil || again != x {
		t.Errorf("a look when nothing has changed reads everything again: %v", err)
	}
	third := e.write(f, later, source(t, map[string][]string{"hello": {"2.0.0:0"}})) // within the same second
	if third.Version != second.Version+1 || third.Fetched != 0 {
		t.Errorf("then it was %+v", third)
	}
	for name := range f {
		if strings.Contains(name, "gone") {
			t.Errorf("%s is still there", name)
		}
	}
	if _, _, err := export.Refresh(t.Context(), f.place(), trust, later, x); err != nil {
		t.Error(err)
	}
}

// Who has lost a key that is needed is told which; what fails leaves the export as it was.
func TestWhatMakesAnExport(t *testing.T) {
	t.Parallel()
	src := source(t, map[string][]string{"hello": {"1.0.0:0"}})
	f, e := folder{}, newExporter(t)
	e.write(f, start, src)
	names, err := filepath.Glob(filepath.Join(e.keys.Dirs[0], "root-*"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.Rename(names[0], names[0]+".away"); err != nil {
		t.Fatal(err)
	}
	e.write(f, start, src) // the root need not be signed
	o := export.Options{Folder: f, Keys: e.keys, Now: start, Valid: time.Hour, Fetch: e.fetch, Renew: []string{"timestamp"}}
	before := f.clone()
	if _, err := export.Write(t.Context(), src, o); !errors.Is(err, export.ErrKeyMissing) {
		t.Errorf("without the key of the root it is %v", err)
	}
	o.Renew = []string{"nobody"}
	if _, err := export.Write(t.Context(), src, o); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("the key of a role that is none is replaced: %v", err)
	}
	o.Renew, o.Fetch = nil, func(context.Context, string, s9pk.Commitment, export.File) (int64, error) {
		return 0, errors.New("cannot be had")
	}
	if _, err := export.Write(t.Context(), source(t, map[string][]string{"hello": {"9.0.0:0"}}), o); err == nil || !strings.Contains(err.Error(), "hello 9.0.0:0: cannot be had") {
		t.Errorf("a file that cannot be fetched is %v", err)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(f))) {
		t.Error("what failed has changed the export")
	}
}

// A folder gives its plain files and nothing that lies elsewhere.
func TestAFolderOfAnExport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "1.root.json")
	if err := errors.Join(os.WriteFile(outside, []byte("{}"), 0o600), os.Symlink(outside, filepath.Join(dir, "1.root.json"))); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(string) error{
		"a link that leads out": func(string) error { return nil },
		"a pipe":                func(path string) error { return errors.Join(os.RemoveAll(path), unix.Mkfifo(path, 0o600)) },
		"a folder":              func(path string) error { return errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700)) },
		"nothing":               func(path string) error { return os.RemoveAll(path) },
	} {
		if err := make(filepath.Join(dir, "1.root.json")); err != nil {
			t.Fatal(err)
		}
		_, err := export.Begin(t.Context(), export.At(export.FolderBase, export.InFolder(dir)), "")
		var e *export.Error
		if !errors.As(err, &e) || e.Kind != export.Incomplete && e.Kind != export.Unreachable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Several keys of a role lie in several folders. As many as have to sign are enough, of each role and of each root.
func TestSeveralKeysSignAnExport(t *testing.T) {
	t.Parallel()
	src := source(t, map[string][]string{"hello": {"1.0.0:0"}})
	f, e := folder{}, newExporter(t)
	for range 2 {
		e.keys.Dirs = append(e.keys.Dirs, t.TempDir())
	}
	all := e.keys.Dirs
	e.signers = map[string]export.Signers{"root": {Need: 2, Keys: 3}, "targets": {Need: 2, Keys: 2}}
	first := e.write(f, start, src)
	trust := trusted(t, f, first.Fingerprint, start)
	for _, dir := range all {
		if names, err := filepath.Glob(filepath.Join(dir, "root-*")); err != nil || len(names) != 1 {
			t.Errorf("the keys of the root in %s are %v, %v", dir, names, err)
		}
	}
	look := func(what string, at time.Time) {
		t.Helper()
		var err error
		if _, trust, err = export.Refresh(t.Context(), f.place(), trust, at, nil); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	later := start.Add(time.Hour)
	if again := e.write(f, later, src); again.Fingerprint != first.Fingerprint {
		t.Error("asked for the keys that there are, it makes others")
	}
	look("made anew", later)

	// Two of three: one folder may be lost, two may not.
	e.signers, e.keys.Dirs = nil, all[:2]
	e.write(f, later, src, "timestamp")
	look("a key replaced by two of three", later)
	o := export.Options{Folder: f, Keys: export.Keys{Dirs: all[1:]}, Now: later, Valid: time.Hour, Fetch: e.fetch}
	if _, err := export.Write(t.Context(), src, o); !errors.Is(err, export.ErrKeyMissing) {
		t.Errorf("with one of two keys of the list it is %v", err)
	}
	e.keys.Dirs, e.signers = all, map[string]export.Signers{"root": {Need: 1, Keys: 1}}
	e.write(f, later, src)
	look("a root of one key after one of three", later)
	e.signers = map[string]export.Signers{"root": {Need: 3, Keys: 4}}
	e.write(f, later, src)
	look("a root of four keys after one of one", later)

	for role, signers := range map[string]export.Signers{"nobody": {Need: 1, Keys: 1}, "root": {Need: 0, Keys: 1}, "targets": {Need: 3, Keys: 2}, "snapshot": {Need: 1, Keys: 9}} {
		o.Signers = map[string]export.Signers{role: signers}
		if _, err := export.Write(t.Context(), src, o); err == nil || errors.Is(err, export.ErrKeyMissing) {
			t.Errorf("%s %v: %v", role, signers, err)
		}
	}
}

// A list that fewer keys than it takes have signed is nobody's.
func TestOneOfTwoThievesIsNotEnough(t *testing.T) {
	t.Parallel()
	src := source(t, map[string][]string{"hello": {"1.0.0:0"}})
	f, e := folder{}, newExporter(t)
	e.signers = map[string]export.Signers{"timestamp": {Need: 2, Keys: 2}}
	trust := trusted(t, f, e.write(f, start, src).Fingerprint, start)
	e.signers = nil
	e.write(f, start.Add(time.Hour), src)
	var stamp struct {
		Signatures []json.RawMessage `json:"signatures"`
		Signed     json.RawMessage   `json:"signed"`
	}
	if err := json.Unmarshal(f["timestamp.json"].Data, &stamp); err != nil || len(stamp.Signatures) != 2 {
		t.Fatal(len(stamp.Signatures), err)
	}
	for what, signatures := range map[string][]json.RawMessage{"one": stamp.Signatures[:1], "one twice": {stamp.Signatures[0], stamp.Signatures[0]}, "none": {}} {
		stolen := f.clone()
		raw, err := json.Marshal(map[string]any{"signatures": signatures, "signed": stamp.Signed})
		if err != nil {
			t.Fatal(err)
		}
		stolen["timestamp.json"] = &fstest.MapFile{Data: raw}
		if _, _, err := export.Refresh(t.Context(), stolen.place(), trust, start.Add(time.Hour), nil); err == nil {
			t.Errorf("signed by %s it is believed", what)
		}
	}
	if _, _, err := export.Refresh(t.Context(), f.place(), trust, start.Add(time.Hour), nil); err != nil {
		t.Errorf("signed by both: %v", err)
	}
}
