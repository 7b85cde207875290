package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"
)

// Scripts about images of registries: $REGISTRY serves plainly who asks; $SECURE serves over TLS, with the certificate in
// ca.pem, who logs in as the file login/config.json does. Both have tiny:1, an image for x86_64 that is $DIGEST, and
// many:1 for x86_64 and aarch64.
func TestRegistryScripts(t *testing.T) {
	t.Parallel()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	plain := httptest.NewServer(handler)
	t.Cleanup(plain.Close)
	const user, password = "someone", "a secret"
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="images"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	digest := fillRegistry(t, host(t, plain.URL))
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	login, err := json.Marshal(map[string]any{"auths": map[string]any{host(t, secure.URL): map[string]string{"username": user, "password": password}}})
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/registry", UpdateScripts: *update, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": endsWith},
		Setup: func(env *testscript.Env) error {
			for name, raw := range map[string][]byte{"ca.pem": certificate, "login/config.json": login} {
				path := filepath.Join(env.WorkDir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(path, raw, 0o600); err != nil {
					return err
				}
			}
			for name, value := range map[string]string{
				"REGISTRY": host(t, plain.URL), "SECURE": host(t, secure.URL), "DIGEST": digest, "HOME": env.WorkDir, "XDG_CONFIG_HOME": "",
			} {
				env.Setenv(name, value)
			}
			return nil
		},
	})
}

func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// fillRegistry puts the images there and answers the digest of the one for a single architecture.
func fillRegistry(t *testing.T, host string) string {
	t.Helper()
	ref := func(text string) name.Reference {
		r, err := name.ParseReference(host + "/" + text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	tiny := registryImage(t, "amd64", "tiny")
	index := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"amd64", "arm64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: registryImage(t, arch, "for "+arch), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	if err := remote.Write(ref("tiny:1"), tiny, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref("many:1"), index, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	digest, err := tiny.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// registryImage has two layers: what is written in the file what, and what removes another file again.
func registryImage(t *testing.T, arch, what string) v1.Image {
	t.Helper()
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: arch, Config: v1.Config{Env: []string{"WHAT=" + what}, User: "me"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range []map[string]string{{"what": what, "gone": "x"}, {".wh.gone": ""}} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for name, text := range files {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
		if err != nil {
			t.Fatal(err)
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			t.Fatal(err)
		}
	}
	return image
}
