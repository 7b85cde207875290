package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Scripts about package files need no server: $PACKAGES is a folder of packages that the original made, $URL the same
// folder behind HTTP, $PLAIN behind a server that knows no ranges.
func TestPackageFileScripts(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("../../api/s9pk/testdata")
	if err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(folder))
	ranged := httptest.NewServer(files)
	t.Cleanup(ranged.Close)
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(plain.Close)
	away := httptest.NewServer(http.RedirectHandler("ftp://127.0.0.1/x.s9pk", http.StatusFound))
	t.Cleanup(away.Close)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/packages", UpdateScripts: *update, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": endsWith},
		Setup: func(env *testscript.Env) error {
			for name, value := range map[string]string{
				"PACKAGES": folder, "URL": ranged.URL, "PLAIN": plain.URL, "AWAY": away.URL, "HOME": env.WorkDir, "TZ": "UTC",
				"XDG_CONFIG_HOME": "",
			} {
				env.Setenv(name, value)
			}
			return nil
		},
	})
}
