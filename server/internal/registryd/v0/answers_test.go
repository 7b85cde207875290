package v0_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd"
	"github.com/hearthos/hearth/server/internal/registryd/v0"
	"github.com/hearthos/hearth/server/internal/store"
)

// wordy is a registry of so many packages, each of which says a lot about itself.
func wordy(t *testing.T, packages int) http.Handler {
	t.Helper()
	const words = 64 << 10
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	metadata, err := json.Marshal(map[string]any{
		"title": "A", "description": map[string]string{"short": "a", "long": strings.Repeat("w", words)}, "releaseNotes": "a", "license": "MIT",
		"packageRepo": "https://a.test/", "upstreamRepo": "https://a.test/", "osVersion": "0.4.0", "plugins": []string{}, "satisfies": []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range packages {
		id := fmt.Sprintf("p%03d", i)
		p := &registryv1.RegistryPackage{Meta: &metav1.Meta{Id: id}, Spec: &registryv1.RegistryPackageSpec{}}
		v := &registryv1.RegistryVersion{Meta: &metav1.Meta{Id: id + "/1"}, Spec: &registryv1.RegistryVersionSpec{
			Version: "1.0.0:0", Metadata: metadata, Files: []*registryv1.RegistryFile{{Hardware: []byte(`{}`), Urls: []string{"https://a.test/a.s9pk"}}},
		}}
		if _, err := st.Update(t.Context(), time.Now(), func(tx *store.Tx) error { return errors.Join(store.Put(tx, p), store.Put(tx, v)) }); err != nil {
			t.Fatal(err)
		}
	}
	s, err := registryd.New(t.Context(), registryd.Options{Store: st, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return v0.New(s, []string{hostOfVectors}, time.Now, slog.New(slog.DiscardHandler))
}

// departing takes the first bytes of an answer and is gone; it notes how much memory is in use by then.
type departing struct {
	header http.Header
	used   uint64
}

func (d *departing) Header() http.Header { return d.header }
func (d *departing) WriteHeader(int)     {}

func (d *departing) Write([]byte) (int, error) {
	if d.used == 0 {
		d.used = live()
	}
	return 0, errors.New("the caller is gone")
}

func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What a stranger can ask for in a few bytes, all packages and that several times in one request, is never in memory as a whole. It is not parallel: it
// looks at the memory of the process.
func TestAnswersAreNotHeldWhole(t *testing.T) {
	const most = 16 << 20 // of 12 MiB that each answer has
	h := wordy(t, 200)
	if one := ask(t, h, []byte(`{"method":"package.get","params":{"id":"p001"}}`), "", ""); len(one) < 64<<10 {
		t.Fatalf("a package is told as %s", one)
	}
	for name, call := range map[string]string{
		"all packages":                     `{"method":"package.index","params":{}}`,
		"all versions that will do":        `{"method":"package.get","params":{}}`,
		"all versions that will do, whole": `{"method":"package.get","params":{"otherVersions":"full"}}`,
		"one package":                      `{"method":"package.get","params":{"id":"p001","otherVersions":"full"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			body := "[" + strings.Repeat(call+",", 49) + call + "]"
			before := live()
			w := &departing{header: http.Header{}}
			func() {
				defer func() {
					if recover() != http.ErrAbortHandler {
						t.Error("nobody is told that the answer is not whole")
					}
				}()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, registry.Path, strings.NewReader(body)))
			}()
			if w.used > before+most {
				t.Errorf("%d MiB are held when the first byte of the answer goes out", (w.used-before)>>20)
			}
		})
	}
}

// An answer that goes out piece by piece is the same as one that is encoded as a whole.
func TestAnswersInPiecesAreJSON(t *testing.T) {
	t.Parallel()
	h := wordy(t, 3)
	one := ask(t, h, []byte(`{"id":7,"method":"package.index","params":{}}`), "", "")
	var answer struct {
		JSONRPC string
		ID      int
		Result  registry.PackageIndex
	}
	if err := json.Unmarshal(one, &answer); err != nil || answer.JSONRPC != "2.0" || answer.ID != 7 || len(answer.Result.Packages) != 3 || answer.Result.Categories == nil {
		t.Errorf("all packages are told as %.300s, %v", one, err)
	}
	whole, err := json.Marshal(answer.Result)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`{"jsonrpc":"2.0","result":%s,"id":7}`+"\n", whole); string(one) != want {
		t.Errorf("all packages are told as\n%.300s\nand not as\n%.300s", one, want)
	}
	several := ask(t, h, []byte(`[{"id":7,"method":"package.index","params":{}},{"id":8,"method":"no.such","params":{}},{"id":9,"method":"info","params":{}}]`), "", "")
	refused := ask(t, h, []byte(`{"id":8,"method":"no.such","params":{}}`), "", "")
	info := ask(t, h, []byte(`{"id":9,"method":"info","params":{}}`), "", "")
	want := "[" + strings.Join([]string{string(bytes.TrimSpace(one)), string(bytes.TrimSpace(refused)), string(bytes.TrimSpace(info))}, ",") + "]\n"
	if string(several) != want {
		t.Errorf("several calls are answered by\n%.300s\nand not by\n%.300s", several, want)
	}
}

// All packages are gone through once for a request, whatever it asks for, and not at all for somebody who has gone.
func TestARequestGoesThroughAllPackagesOnce(t *testing.T) {
	t.Parallel()
	h := wordy(t, 3)
	var answers []struct {
		ID     int
		Result map[string]any
		Error  *struct{ Code int }
	}
	body := `[{"id":1,"method":"package.get","params":{}},{"id":2,"method":"package.get","params":{}},{"id":3,"method":"package.index","params":{}},{"id":4,"method":"package.get","params":{"id":"p001"}}]`
	if err := json.Unmarshal(ask(t, h, []byte(body), "", ""), &answers); err != nil || len(answers) != 4 {
		t.Fatal(answers, err)
	}
	for i, a := range answers {
		if refused := a.Error != nil; refused != (i == 1 || i == 2) || a.ID != i+1 {
			t.Errorf("call %d is answered with %v %v", i+1, a.Error, a.ID)
		}
	}
	for _, body := range []string{`{"method":"package.index","params":{}}`, `{"method":"package.get","params":{"targetVersion":"=9.9.9:9"}}`} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		func() {
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Errorf("%s is answered to somebody who has gone", body)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, registry.Path, strings.NewReader(body)))
		}()
	}
}

// A signed request that passed before the registry was started anew does not pass again: nobody remembers it.
func TestASignedRequestPassesOnceAlsoWhereTheRegistryIsStartedAnew(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_790_000_000, 0)
	clock := func() time.Time { return now }
	service := newService(t, registryd.Options{Clock: clock})
	key := sign.FromSeed([32]byte{4})
	if err := service.EnsureAdmin(t.Context(), "admin", key.Public()); err != nil {
		t.Fatal(err)
	}
	signed := func(nonce uint64) (body []byte, header string) {
		body = []byte(`{"method":"admin.list","params":{}}`)
		r, err := sign.SignRequest(key, hostOfVectors, body, now, nonce)
		if err != nil {
			t.Fatal(err)
		}
		return body, r.Header()
	}
	start := func() http.Handler {
		return v0.New(service, []string{hostOfVectors}, clock, slog.New(slog.DiscardHandler))
	}
	body, header := signed(1)
	if answer := ask(t, start(), body, "", header); !bytes.Contains(answer, []byte(`"result"`)) {
		t.Fatalf("a signed request is answered with %s", answer)
	}
	now = now.Add(2 * time.Second)
	h := start()
	if answer := ask(t, h, body, "", header); !bytes.Contains(answer, []byte(`"code":31`)) {
		t.Errorf("the same request is answered with %s", answer)
	}
	body, header = signed(2)
	if answer := ask(t, h, body, "", header); !bytes.Contains(answer, []byte(`"result"`)) {
		t.Errorf("a new request is answered with %s", answer)
	}
}
