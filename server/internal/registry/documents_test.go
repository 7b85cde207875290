package registry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	wire "github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
)

// answerWith is a listing of one version with one file.
func answerWith(t testing.TB, asset wire.Asset) http.HandlerFunc {
	t.Helper()
	v := &wire.Version{}
	if err := json.Unmarshal([]byte(`{"title":"Hello","description":{"short":"x","long":"x"},"osVersion":"0.4.0-beta.9","satisfies":[],"plugins":[],"dependencyMetadata":{}}`), v); err != nil {
		t.Fatal(err)
	}
	v.Files = []wire.File{{Asset: asset}}
	raw, err := json.Marshal(wire.Listing{Categories: []string{}, Best: map[string]*wire.Version{version: v}})
	if err != nil {
		t.Fatal(err)
	}
	return writes(`{"jsonrpc":"2.0","id":0,"result":` + string(raw) + `}`)
}

func readIcon(r io.ReaderAt, size int64, c s9pk.Commitment, kind packagesv1.Document_Kind) (*packagesv1.Document, error) {
	f, err := s9pk.Open(r, size, s9pk.Options{Commitment: &c})
	if err != nil {
		return nil, err
	}
	content, err := f.ReadFile("icon.svg", 1<<20)
	return &packagesv1.Document{Kind: kind, MediaType: "image/svg+xml", Content: content}, err
}

// counted counts the bytes of bodies.
type counted struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// What a listed package brings is read out of the file where it lies: as little of it as it takes, once, and nothing that was not signed.
func TestDocumentsOfListedPackages(t *testing.T) {
	t.Parallel()
	raw, asset := file(t, version)
	other, _ := file(t, "3.0.0:0")
	asset.URLs = []string{"http://" + host + "/gone", "http://" + host + "/f"}
	changed := bytes.Clone(raw)
	changed[bytes.Index(changed, []byte("<svg/>"))] = '!'
	var sent atomic.Int64
	var lies atomic.Pointer[[]byte]
	mux := rpc(answerWith(t, asset)).(*http.ServeMux)
	mux.HandleFunc("/f", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(counted{w, &sent}, r, "", time.Time{}, bytes.NewReader(*lies.Load()))
	})
	w, _ := serve(t, true, mux)
	icon := func() (*packagesv1.Document, error) {
		return w.Document(t.Context(), "r", pkg, version, packagesv1.Document_KIND_ICON, readIcon)
	}
	lies.Store(&other)
	_, err := icon()
	w.refuses("another file", err, metav1.Reason_REASON_OFFER_MISMATCH)
	lies.Store(&changed)
	if d, err := icon(); err == nil {
		t.Errorf("an icon that nobody signed is shown: %s", d.GetContent())
	}
	lies.Store(&raw)
	sent.Store(0)
	d, err := icon()
	if err != nil || string(d.GetContent()) != "<svg/>" {
		t.Fatal(d, err)
	}
	if n := sent.Load(); n == 0 || n > int64(len(raw)/2) {
		t.Errorf("%d of %d bytes were fetched for an icon", n, len(raw))
	}
	before := sent.Load()
	if d, err := icon(); err != nil || string(d.GetContent()) != "<svg/>" || sent.Load() != before {
		t.Errorf("asked again: %v, %v, %d bytes more", d, err, sent.Load()-before)
	}
	_, err = w.Document(t.Context(), "r", pkg, "9.9.9:0", packagesv1.Document_KIND_ICON, readIcon)
	w.refuses("a version that is not listed", err, metav1.Reason_REASON_OFFER_NOT_FOUND)
}

// A listing leads to no address of the machine, for an icon either.
func TestDocumentsAreNotFetchedFromThisMachine(t *testing.T) {
	t.Parallel()
	raw, asset := file(t, version)
	var asked atomic.Int32
	var get http.HandlerFunc
	mux := rpc(func(w http.ResponseWriter, r *http.Request) { get(w, r) }).(*http.ServeMux)
	w, address := serve(t, false, mux)
	asset.URLs = []string{address + "/f"}
	get = answerWith(t, asset)
	mux.HandleFunc("/f", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(raw))
	})
	_, err := w.Document(t.Context(), "r", pkg, version, packagesv1.Document_KIND_ICON, readIcon)
	w.refuses("an address of this machine", err, metav1.Reason_REASON_REGISTRY_ADDRESS_LOCAL)
	if asked.Load() != 0 {
		t.Error(fmt.Sprint("it was asked ", asked.Load(), " times"))
	}
}
