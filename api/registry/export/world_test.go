package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/registry/export"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// folder is a folder in memory.
type folder fstest.MapFS

func (f folder) Read(name string, limit int64) ([]byte, error) {
	raw, err := fs.ReadFile(fstest.MapFS(f), name)
	if int64(len(raw)) > limit {
		return nil, errors.New("too long")
	}
	return raw, err
}

func (f folder) Has(name string, size int64) bool {
	return f[name] != nil && int64(len(f[name].Data)) == size
}

type file struct{ *bytes.Buffer }

func (f file) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(f.Bytes()).ReadAt(p, off)
}

func (f folder) Put(write func(f export.File) (string, error)) error {
	out := file{new(bytes.Buffer)}
	name, err := write(out)
	if err == nil {
		f[name] = &fstest.MapFile{Data: out.Bytes(), Mode: 0o644}
	}
	return err
}

func (f folder) List(dir string) (names []string, err error) {
	for name := range f {
		if d, base := path.Split(name); d == dir {
			names = append(names, base)
		}
	}
	return names, nil
}

func (f folder) Remove(name string) error {
	delete(f, name)
	return nil
}

func (f folder) clone() folder { return maps.Clone(f) }

func (f folder) place() *export.Place {
	return export.At(export.FolderBase, http.NewFileTransportFS(fstest.MapFS(f)))
}

// one is the only file of that kind.
func (f folder) one(t testing.TB, prefix, suffix string) string {
	t.Helper()
	var found []string
	for name := range f {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d files are like %s*%s: %v", len(found), prefix, suffix, found)
	}
	return found[0]
}

// newest is the newest of the numbered files of a role.
func (f folder) newest(role string) string {
	best := ""
	for name := range f {
		if strings.HasSuffix(name, "."+role+".json") && (len(name) > len(best) || len(name) == len(best) && name > best) {
			best = name
		}
	}
	return best
}

var packager = sign.FromSeed([32]byte{7})

// source is a registry with packages of these versions each.
func source(t testing.TB, packages map[string][]string) export.Source {
	t.Helper()
	src := export.Source{Packages: map[string]registry.Package{}}
	name := "A registry"
	src.Info.Name = &name
	for id, versions := range packages {
		p := registry.Package{Versions: map[string]*registry.Version{}, Categories: []string{"media"}}
		for _, version := range versions {
			v := new(registry.Version)
			text := `{"title":"` + id + `","description":{"short":"About ` + id + `","long":""},"releaseNotes":"","license":"","packageRepo":"","upstreamRepo":"","osVersion":"0.4.0-beta.9","satisfies":[],"plugins":[],"icon":"data:image/png;base64,AA==","dependencyMetadata":{}}`
			if err := json.Unmarshal([]byte(text), v); err != nil {
				t.Fatal(err)
			}
			c := s9pk.Commitment{RootMaxSize: 1}
			copy(c.RootSighash[:], id+version)
			signature, err := packager.Sign(sign.ContextPackage, c.Message())
			if err != nil {
				t.Fatal(err)
			}
			v.Files = []registry.File{{Asset: registry.Asset{
				URLs: []string{"https://files.example/" + id + version}, Commitment: c, Signatures: map[string]string{packager.Public().PEM(): signature.PEM()}, PublishedAt: start,
			}}}
			p.Versions[version] = v
		}
		src.Packages[id] = p
	}
	return src
}

// exporter makes exports with keys of its own.
type exporter struct {
	testing.TB
	keys    export.Keys
	signers map[string]export.Signers
	fetch   func(ctx context.Context, url string, c s9pk.Commitment, to export.File) (int64, error)
}

func newExporter(t testing.TB) *exporter {
	return &exporter{t, export.Keys{Dirs: []string{t.TempDir()}}, nil, func(_ context.Context, url string, _ s9pk.Commitment, to export.File) (int64, error) {
		n, err := io.WriteString(to, "the file at "+url)
		return int64(n), err
	}}
}

func (e *exporter) write(f folder, now time.Time, src export.Source, renew ...string) export.Result {
	e.Helper()
	result, err := export.Write(e.Context(), src, export.Options{Folder: f, Keys: e.keys, Now: now, Valid: 30 * 24 * time.Hour, Renew: renew, Signers: e.signers, Fetch: e.fetch})
	if err != nil {
		e.Fatal(err)
	}
	return result
}

// trusted is the trust of somebody who has confirmed the root and looked once.
func trusted(t testing.TB, f folder, fingerprint string, now time.Time) export.Trust {
	t.Helper()
	trust, err := export.Begin(t.Context(), f.place(), fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	_, trust, err = export.Refresh(t.Context(), f.place(), trust, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func refuses(t testing.TB, err error, want export.Kind) {
	t.Helper()
	var e *export.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("the error is %v, want one of kind %d", err, want)
	}
}
