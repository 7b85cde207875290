package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/merkle"
	wire "github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registry"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/testenv"
	"golang.org/x/sys/unix"
)

const (
	pkg     = "hello"
	version = "2.0.0:0"
	host    = "registry.example" // whose address the tests choose
)

var key = sign.FromSeed([32]byte{3})

// file is a package file with some megabytes in it.
func file(t testing.TB, version string) ([]byte, wire.Asset) {
	t.Helper()
	manifest, err := json.Marshal(map[string]any{
		"id": pkg, "version": version, "title": pkg, "canMigrateTo": "!", "canMigrateFrom": "*", "releaseNotes": "", "license": "MIT",
		"description": map[string]any{"short": "A package", "long": ""}, "osVersion": "0.4.0-beta.9", "packageRepo": "https://example.org/p", "upstreamRepo": "https://example.org/u",
		"volumes": []string{"main"}, "images": map[string]any{}, "dependencies": map[string]any{}, "hardwareRequirements": map[string]any{"device": []any{}, "ram": nil, "arch": nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 6<<20)
	chance := rand.NewChaCha8([32]byte{1})
	chance.Read(content) // never fails
	members := map[string]merkle.Source{}
	for path, bytes := range map[string][]byte{"icon.svg": []byte("<svg/>"), "LICENSE.md": []byte("MIT"), "instructions.md": []byte("None."), "javascript.squashfs": []byte("code"), "assets.squashfs": content} {
		members[path] = s9pk.FromBytes(bytes)
	}
	var out bytes.Buffer
	c, err := s9pk.Build(t.Context(), &out, s9pk.BuildInput{Manifest: manifest, Members: members, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), listed(t, key, c)
}

// listed is a file as a registry lists it, signed.
func listed(t testing.TB, key sign.PrivateKey, c s9pk.Commitment) wire.Asset {
	t.Helper()
	signature, err := key.Sign(sign.ContextPackage, c.Message())
	if err != nil {
		t.Fatal(err)
	}
	return wire.Asset{Commitment: c, Signatures: map[string]string{key.Public().PEM(): signature.PEM()}, PublishedAt: time.Unix(1, 0)}
}

// world is the area with one registry, "r", at whose host a handler answers.
type world struct {
	*registry.Service
	t     testing.TB
	store *store.Store
}

// newWorld dials the host of the registry by dial, and all else as the server does.
func newWorld(t testing.TB, local bool, dial func(ctx context.Context) (net.Conn, error)) (*world, error) {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, store: st, Service: registry.New(registry.Deps{
		Store: st, Clock: time.Now, Machine: wire.HardwareInfo{Arch: "x86_64", RAM: 1 << 30},
		Transport: func(local bool) *http.Transport {
			guarded := fetch.Guarded(local)
			real := guarded.DialContext
			guarded.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == host+":80" {
					return dial(ctx)
				}
				return real(ctx, network, address)
			}
			return guarded
		},
	})}
	_, err = w.Add(t.Context(), time.Now(), registry.Addition{Address: "http://" + host, ID: "r", Local: local})
	return w, err
}

// serve makes a world whose registry is a handler, and answers the address that the handler really has, too.
func serve(t testing.TB, local bool, h http.Handler) (*world, string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	w, err := newWorld(t, local, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	})
	if err != nil {
		t.Fatal(err)
	}
	return w, server.URL
}

// rpc answers info as a registry does, and package.get by get.
func rpc(get http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(wire.Path, func(w http.ResponseWriter, r *http.Request) {
		var call struct{ Method string }
		if json.NewDecoder(r.Body).Decode(&call) != nil || call.Method == "info" {
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":0,"result":{"name":"R","icon":null,"categories":{}}}`)
			return
		}
		get(w, r)
	})
	return mux
}

// writes is a handler that answers a text.
func writes(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// repeat writes a text again and again until nobody reads it.
func repeat(w io.Writer, text string) {
	piece := []byte(strings.Repeat(text, 1+(64<<10)/len(text)))
	for {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

func (w *world) refuses(what string, err error, want metav1.Reason) {
	w.t.Helper()
	if fault.Reason(err) != want {
		w.t.Errorf("%s: %v is of reason %s, want %s", what, err, fault.Reason(err), want)
	}
}

// What a registry answers is bounded and must make sense, whoever asks for what.
func TestAnswersOfAHostileRegistry(t *testing.T) {
	t.Parallel()
	_, asset := file(t, version)
	asset.URLs = []string{"http://" + host + "/f"}
	listing := func(change func(files *[]wire.File, l *wire.Listing)) string {
		files := []wire.File{{Asset: asset}}
		l := wire.Listing{Categories: []string{}}
		change(&files, &l)
		v := &wire.Version{Files: files}
		if err := json.Unmarshal([]byte(`{"title":"Hello","description":{"short":"x","long":"x"},"releaseNotes":"","license":"","packageRepo":"","upstreamRepo":"","osVersion":"0.4.0-beta.9","satisfies":[],"plugins":[],"dependencyMetadata":{}}`), v); err != nil {
			t.Fatal(err)
		}
		if l.Best == nil {
			l.Best = map[string]*wire.Version{version: v}
		}
		raw, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		return `{"jsonrpc":"2.0","id":0,"result":` + string(raw) + `}`
	}
	strangers := func(a *wire.Asset) {
		stranger := sign.FromSeed([32]byte{99})
		a.Signatures = map[string]string{stranger.Public().PEM(): asset.Signatures[key.Public().PEM()]}
	}
	const invalid, unreachable = metav1.Reason_REASON_REGISTRY_INVALID, metav1.Reason_REASON_REGISTRY_UNREACHABLE
	for name, c := range map[string]struct {
		get  http.HandlerFunc
		find metav1.Reason
		all  metav1.Reason
	}{
		"a page":                  {writes("<!doctype html>"), invalid, invalid},
		"half of an answer":       {writes(`{"result":{"hello":{"best":{`), invalid, invalid},
		"no result":               {writes(`{"id":0}`), invalid, invalid},
		"a list":                  {writes(`[1,2]`), invalid, invalid},
		"a number as the listing": {writes(`{"result":{"best":7}}`), invalid, invalid},
		"nested without end":      {writes(`{"result":` + strings.Repeat("[", 1<<20)), invalid, invalid},
		"an error":                {writes(`{"error":{"code":6,"message":"no"}}`), metav1.Reason_REASON_REGISTRY_REFUSED, metav1.Reason_REASON_REGISTRY_REFUSED},
		"another status":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, unreachable, unreachable},
		"an answer without end":   {func(w http.ResponseWriter, _ *http.Request) { repeat(w, "              ") }, invalid, invalid},
		"an endless text": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"result":{"hello":{"categories":["`)
			repeat(w, "long")
		}, invalid, invalid},
		"endless packages": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"result":{"a":{}`)
			repeat(w, `,"b":{}`)
		}, invalid, invalid},
		"endless categories": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"result":{"hello":{"categories":["a"`)
			repeat(w, `,"b"`)
		}, invalid, invalid},
		"a redirect to this machine": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/rpc/v0", http.StatusTemporaryRedirect)
		}, metav1.Reason_REASON_REGISTRY_ADDRESS_LOCAL, metav1.Reason_REASON_REGISTRY_ADDRESS_LOCAL},
		"redirects without end": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+host+"/rpc/v0", http.StatusTemporaryRedirect)
		}, unreachable, unreachable},
		"too many files": {writes(listing(func(f *[]wire.File, _ *wire.Listing) { *f = make65((*f)[0]) })), invalid, 0},
		"no file":        {writes(listing(func(f *[]wire.File, _ *wire.Listing) { *f = nil })), metav1.Reason_REASON_OFFER_NOT_FOUND, 0},
		"too many places": {writes(listing(func(f *[]wire.File, _ *wire.Listing) {
			(*f)[0].Asset.URLs = make65("http://" + host)
		})), invalid, 0},
		"no place":             {writes(listing(func(f *[]wire.File, _ *wire.Listing) { (*f)[0].Asset.URLs = nil })), invalid, 0},
		"a place without end":  {writes(listing(func(f *[]wire.File, _ *wire.Listing) { (*f)[0].Asset.URLs = []string{strings.Repeat("x", 3000)} })), invalid, 0},
		"nobody signed it":     {writes(listing(func(f *[]wire.File, _ *wire.Listing) { (*f)[0].Asset.Signatures = nil })), metav1.Reason_REASON_OFFER_SIGNATURE, 0},
		"another has signed":   {writes(listing(func(f *[]wire.File, _ *wire.Listing) { strangers(&(*f)[0].Asset) })), metav1.Reason_REASON_OFFER_SIGNATURE, 0},
		"another is signed":    {writes(listing(func(f *[]wire.File, _ *wire.Listing) { (*f)[0].Asset.Commitment.RootMaxSize++ })), metav1.Reason_REASON_OFFER_SIGNATURE, 0},
		"versions that are no": {writes(listing(func(_ *[]wire.File, l *wire.Listing) { l.Best = map[string]*wire.Version{"newest": {}, "": nil} })), metav1.Reason_REASON_OFFER_NOT_FOUND, 0},
		"all is well":          {writes(listing(func(*[]wire.File, *wire.Listing) {})), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := serve(t, false, rpc(c.get))
			_, _, _, err := w.Find(t.Context(), "r", wire.Wanted{Package: pkg})
			w.refuses("find", err, c.find)
			if c.all == 0 { // what is an answer for one package is none for all
				return
			}
			_, _, _, err = w.Search(t.Context(), registry.Search{Registry: "r", Limit: 10})
			w.refuses("search", err, c.all)
		})
	}
}

func make65[T any](one T) []T {
	list := make([]T, 65)
	for i := range list {
		list[i] = one
	}
	return list
}

// An update takes nothing that is older than what is installed, however a registry praises it, and a registry whose index is
// old offers nothing.
func TestARegistryLeadsNobodyBack(t *testing.T) {
	t.Parallel()
	_, asset := file(t, version)
	asset.URLs = []string{"http://" + host + "/f"}
	v := &wire.Version{Files: []wire.File{{Asset: asset}}}
	if err := json.Unmarshal([]byte(`{"title":"Hello","description":{"short":"x","long":"x"},"osVersion":"0.4.0-beta.9"}`), v); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(wire.Listing{Best: map[string]*wire.Version{version: v}})
	if err != nil {
		t.Fatal(err)
	}
	w, _ := serve(t, false, rpc(writes(`{"result":`+string(raw)+`}`)))
	for _, c := range []struct {
		installed, asked string
		want             metav1.Reason
	}{
		{"1.0.0:0", "", 0}, {"2.0.0:0", "", metav1.Reason_REASON_PACKAGE_UP_TO_DATE}, {"2.0.0:1", "", metav1.Reason_REASON_PACKAGE_UP_TO_DATE},
		{"3.0.0:0", "", metav1.Reason_REASON_PACKAGE_UP_TO_DATE}, {"3.0.0:0", version, 0}, {"3.0.0:0", ">=2.5:0", metav1.Reason_REASON_OFFER_NOT_FOUND},
		{"#other:1.0.0:0", "", metav1.Reason_REASON_OFFER_NOT_FOUND},
	} {
		_, got, _, err := w.Find(t.Context(), "r", wire.Wanted{Package: pkg, Version: c.asked, Installed: c.installed})
		w.refuses(fmt.Sprintf("installed %s, asked for %q", c.installed, c.asked), err, c.want)
		if err == nil && got.String() != version {
			t.Errorf("%+v: found is %s", c, got)
		}
	}
}

// Of what a registry has the newest is taken that this machine runs, that others need and that is not skipped.
func TestTheNewestThatWillDoIsTaken(t *testing.T) {
	t.Parallel()
	_, asset := file(t, version)
	asset.URLs = []string{"http://" + host + "/f"}
	more := uint64(1 << 60)
	made := func(ram *uint64) *wire.Version {
		v := &wire.Version{Files: []wire.File{{Asset: asset, Hardware: s9pk.Hardware{RAM: ram}}}}
		if err := json.Unmarshal([]byte(`{"title":"Hello","description":{"short":"x","long":"x"},"osVersion":"0.4.0-beta.9"}`), v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	l := wire.Listing{Best: map[string]*wire.Version{"3.0.0:0": made(nil)}, OtherVersions: map[string]json.RawMessage{}}
	l.Best["3.0.0:0"].Title = "heavy"
	for name, v := range map[string]*wire.Version{"2.0.0:0": made(nil), "1.0.0:0": made(nil), "2.5.0:0": made(&more)} {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		l.OtherVersions[name] = raw
	}
	raw, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := serve(t, false, rpc(writes(`{"result":`+string(raw)+`}`)))
	light := func(v *wire.Version, _ wire.File) bool { return v.Title != "heavy" }
	none := func(*wire.Version, wire.File) bool { return false }
	for name, c := range map[string]struct {
		wanted wire.Wanted
		want   string
	}{
		"the newest":                        {wire.Wanted{}, "3.0.0:0"},
		"the newest that suits":             {wire.Wanted{Suits: light}, "2.0.0:0"},
		"the newest in a range that suits":  {wire.Wanted{Suits: light, Version: "<2.0.0:0"}, ""},
		"an update to what suits":           {wire.Wanted{Suits: light, Installed: "1.0.0:0"}, "2.0.0:0"},
		"nothing newer suits":               {wire.Wanted{Suits: light, Installed: "2.0.0:0"}, "3.0.0:0"},
		"none suits: told where it is read": {wire.Wanted{Suits: none}, "3.0.0:0"},
	} {
		c.wanted.Package = pkg
		_, got, _, err := w.Find(t.Context(), "r", c.wanted)
		if c.want == "" && !fault.Is(err, metav1.Reason_REASON_OFFER_NOT_FOUND) || c.want != "" && (err != nil || got.String() != c.want) {
			t.Errorf("%s: %s, %v; want %q", name, got, err, c.want)
		}
	}
}

// A file that is another than the listed one is refused, and nothing of it is left; one that does not come is given up.
func TestFilesOfAHostileRegistry(t *testing.T) {
	t.Parallel()
	whole, asset := file(t, version)
	other, _ := file(t, "1.0.0:0")
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-1000] ^= 1
	serves := func(content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}
	}
	sends := func(length string, write func(w io.Writer)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			write(w)
		}
	}
	const mismatch, broken, local = metav1.Reason_REASON_OFFER_MISMATCH, metav1.Reason_REASON_DOWNLOAD_FAILED, metav1.Reason_REASON_REGISTRY_ADDRESS_LOCAL
	for name, c := range map[string]struct {
		serve          http.HandlerFunc
		open, download metav1.Reason
	}{
		"the file":            {serves(whole), 0, 0},
		"a flipped byte":      {serves(flipped), 0, mismatch},
		"another file":        {serves(other), mismatch, mismatch},
		"no package":          {serves(make([]byte, len(whole))), mismatch, mismatch},
		"bytes behind it":     {serves(append(bytes.Clone(whole), "more"...)), 0, mismatch},
		"half of it":          {serves(whole[:len(whole)/2]), broken, broken},
		"not all it promised": {sends(fmt.Sprint(len(whole)), func(w io.Writer) { w.Write(whole[:len(whole)/2]) }), 0, broken},
		"without end":         {sends("", func(w io.Writer) { w.Write(whole); repeat(w, "more") }), 0, broken},
		"absurdly long":       {sends("1152921504606846976", func(w io.Writer) { w.Write(whole) }), broken, broken},
		"nothing":             {sends("0", func(io.Writer) {}), mismatch, broken},
		"not there":           {http.NotFound, broken, broken},
		"on this machine":     {http.RedirectHandler("http://127.0.0.1:1/f", http.StatusFound).ServeHTTP, local, local},
		"in this network":     {http.RedirectHandler("http://192.168.1.1/f", http.StatusFound).ServeHTTP, local, local},
		"of the metadata":     {http.RedirectHandler("http://169.254.169.254/f", http.StatusFound).ServeHTTP, local, local},
		"of another scheme":   {http.RedirectHandler("file:///etc/passwd", http.StatusFound).ServeHTTP, broken, broken},
		"round and round":     {http.RedirectHandler("http://"+host+"/f", http.StatusFound).ServeHTTP, broken, broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.Handle("/rpc/", rpc(nil))
			mux.Handle("/f", c.serve)
			w, _ := serve(t, false, mux)
			asset := asset
			asset.URLs = []string{"http://" + host + "/f"}
			f, err := w.Open(t.Context(), "r", asset)
			if err == nil {
				f.Close()
			}
			w.refuses("open", err, c.open)
			into := scratch(t, t.TempDir())
			err = w.Download(t.Context(), "r", asset, into, func(_, _ uint64) {})
			w.refuses("download", err, c.download)
			got, err := os.ReadFile(into.Name())
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.download == 0 && !bytes.Equal(got, whole):
				t.Errorf("another file was kept: %d bytes", len(got))
			case c.download == mismatch && len(got) > 0:
				t.Errorf("%d bytes of another file were kept", len(got))
			}
		})
	}
}

func scratch(t testing.TB, dir string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// What arrived before a place broke off counts: another place is asked for the rest.
func TestTheNextPlaceGoesOnWhereOneBrokeOff(t *testing.T) {
	t.Parallel()
	whole, asset := file(t, version)
	asked := ""
	mux := http.NewServeMux()
	mux.Handle("/rpc/", rpc(nil))
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
		w.Write(whole[:2<<20])
	})
	mux.HandleFunc("/whole", func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Range")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(whole))
	})
	w, _ := serve(t, false, mux)
	asset.URLs = []string{"http://" + host + "/broken", "http://" + host + "/whole"}
	into := scratch(t, t.TempDir())
	if err := w.Download(t.Context(), "r", asset, into, func(_, _ uint64) {}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(into.Name()); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("another file was kept: %d bytes, %v", len(got), err)
	}
	if asked != fmt.Sprintf("bytes=%d-", 2<<20) {
		t.Errorf("the second place was asked for %q", asked)
	}
}

// What an export lists and does not have is withheld.
func TestAFileThatAnExportWithholdsIsToldAsThat(t *testing.T) {
	t.Parallel()
	_, asset := file(t, version)
	for status, want := range map[int]metav1.Reason{
		http.StatusNotFound: metav1.Reason_REASON_EXPORT_INCOMPLETE, http.StatusForbidden: metav1.Reason_REASON_EXPORT_INCOMPLETE,
		http.StatusServiceUnavailable: metav1.Reason_REASON_DOWNLOAD_FAILED,
	} {
		mux := http.NewServeMux()
		mux.Handle("/rpc/", rpc(nil))
		mux.HandleFunc("/f", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		w, _ := serve(t, false, mux)
		_, err := w.store.Update(t.Context(), time.Now(), func(tx *store.Tx) error {
			row, err := store.Get[*registriesv1.Registry](tx, "r")
			if err != nil {
				return err
			}
			row.Spec.Fingerprint = strings.Repeat("00", 32)
			return store.Put(tx, row)
		})
		if err != nil {
			t.Fatal(err)
		}
		asset.URLs = []string{"http://" + host + "/f"}
		_, err = w.Open(t.Context(), "r", asset)
		w.refuses(fmt.Sprintf("open with %d", status), err, want)
		err = w.Download(t.Context(), "r", asset, scratch(t, t.TempDir()), func(_, _ uint64) {})
		w.refuses(fmt.Sprintf("download with %d", status), err, want)
	}
}

// Who signed the file that is taken does not depend on which of its places answers.
func TestAnotherSignersFileIsNotTakenWhereAPlaceFails(t *testing.T) {
	t.Parallel()
	whole, asset := file(t, version)
	f, err := s9pk.Open(bytes.NewReader(whole), int64(len(whole)), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	other := sign.FromSeed([32]byte{4})
	var others bytes.Buffer
	if err := f.Sign(t.Context(), &others, other, s9pk.Priority); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/rpc/", rpc(nil))
	mux.HandleFunc("/away", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for path, content := range map[string][]byte{"/others": others.Bytes(), "/whole": whole} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		})
	}
	w, _ := serve(t, false, mux)
	both := listed(t, other, asset.Commitment)
	maps.Copy(both.Signatures, asset.Signatures)
	for name, c := range map[string]struct {
		asset  wire.Asset
		places []string
		want   metav1.Reason
	}{
		"two signers, the first place is away":      {both, []string{"/away", "/others"}, metav1.Reason_REASON_DOWNLOAD_FAILED},
		"two signers, the first place answers":      {both, []string{"/whole", "/others"}, 0},
		"one is wanted, the other's place is next":  {both.OnlyBy(key.Public()), []string{"/away", "/others"}, metav1.Reason_REASON_DOWNLOAD_FAILED},
		"one is wanted, the other's place is first": {both.OnlyBy(key.Public()), []string{"/others", "/whole"}, 0},
		"a place of somebody who is not listed":     {asset, []string{"/others"}, metav1.Reason_REASON_DOWNLOAD_FAILED},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asset := c.asset
			asset.URLs = nil
			for _, place := range c.places {
				asset.URLs = append(asset.URLs, "http://"+host+place)
			}
			f, err := w.Open(t.Context(), "r", asset)
			if err == nil {
				f.Close()
			}
			w.refuses("open", err, c.want)
			into := scratch(t, t.TempDir())
			w.refuses("download", w.Download(t.Context(), "r", asset, into, func(_, _ uint64) {}), c.want)
			if got, err := os.ReadFile(into.Name()); err != nil || c.want == 0 && !bytes.Equal(got, whole) || c.want != 0 && len(got) > 0 {
				t.Errorf("kept %d bytes, %v", len(got), err)
			}
		})
	}
}

// pipes is a listener whose connections are made by dial, within the process: time stands while they wait.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A registry that answers next to nothing, and a file that comes a byte at a time, are given up within a minute; one that is
// merely slow is not.
func TestSlowRegistriesAreGivenUp(t *testing.T) {
	t.Parallel()
	whole, asset := file(t, version)
	drip := func(piece int, pause time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			for rest := whole; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				if _, err := w.Write(rest[:min(piece, len(rest))]); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				select {
				case <-time.After(pause):
				case <-r.Context().Done():
					return
				}
			}
		}
	}
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  metav1.Reason
		took  time.Duration
	}{
		"a byte at a time": {drip(1, 10*time.Second), metav1.Reason_REASON_DOWNLOAD_FAILED, 2 * time.Minute},
		"no answer":        {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, metav1.Reason_REASON_DOWNLOAD_FAILED, time.Minute},
		"merely slow":      {drip(100<<10, 10*time.Second), 0, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				lis := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				mux := http.NewServeMux()
				mux.Handle("/f", c.serve)
				mux.Handle("/rpc/", rpc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
				server := &http.Server{Handler: mux}
				ended := make(chan error)
				go func() { ended <- server.Serve(lis) }()
				defer func() {
					server.Close()
					<-ended
				}()
				w, err := newWorld(t, false, lis.dial)
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				_, _, _, err = w.Find(t.Context(), "r", wire.Wanted{Package: pkg})
				w.refuses("find", err, metav1.Reason_REASON_REGISTRY_UNREACHABLE)
				if took := time.Since(begun); took > time.Minute {
					t.Errorf("the registry was given up after %s", took)
				}
				asset := asset
				asset.URLs = []string{"http://" + host + "/f"}
				begun = time.Now()
				f, err := w.Open(t.Context(), "r", asset)
				if err == nil {
					f.Close()
				}
				w.refuses("open", err, c.want)
				if took := time.Since(begun); took > 2*time.Minute {
					t.Errorf("the look at the file took %s", took)
				}
				begun = time.Now()
				err = w.Download(t.Context(), "r", asset, scratch(t, t.TempDir()), func(_, _ uint64) {})
				w.refuses("download", err, c.want)
				if err != nil && strings.Count(err.Error(), "next to nothing comes") > 1 {
					t.Errorf("each try tells the same: %v", err)
				}
				if took := time.Since(begun); took > c.took {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// A disk that fills up while a file arrives, or that has no room for it, is told as that.
func TestAFullDiskEndsADownload(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	whole, asset := file(t, version)
	dir := t.TempDir()
	if err := unix.Mount("small", dir, "tmpfs", 0, "size=560m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	fill := func() {
		for zeros := make([]byte, 1<<20); ; {
			if _, err := ballast.Write(zeros); err != nil {
				return // the disk is full
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/rpc/", rpc(nil))
	mux.HandleFunc("/f", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
		w.Write(whole[:1<<20])
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		fill()
		w.Write(whole[1<<20:])
	})
	w, _ := serve(t, false, mux)
	asset.URLs = []string{"http://" + host + "/f", "http://" + host + "/f"}
	into := scratch(t, dir)
	w.refuses("a disk that fills up", w.Download(t.Context(), "r", asset, into, func(_, _ uint64) {}), metav1.Reason_REASON_DISK_FULL)
	w.refuses("a full disk", w.Download(t.Context(), "r", asset, into, func(_, _ uint64) {}), metav1.Reason_REASON_DISK_FULL)
	if err := ballast.Truncate(0); err != nil {
		t.Fatal(err)
	}
}
