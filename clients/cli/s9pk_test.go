package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Scripts about package files need no server: $PACKAGES is a folder of packages that the original made, $URL the same
// folder behind HTTP, $PLAIN behind a server that knows no ranges, $MAKE_FILE what Makefiles of packages include.
func TestPackageFileScripts(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("../../api/s9pk/testdata")
	if err != nil {
		t.Fatal(err)
	}
	make, err := filepath.Abs("../../sdk-ts/packages/sdk/s9pk.mk")
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": endsWith, "append": appendTo},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return os.Geteuid() == 0, nil
		},
		Setup: func(env *testscript.Env) error {
			for name, value := range map[string]string{
				"PACKAGES": folder, "URL": ranged.URL, "PLAIN": plain.URL, "AWAY": away.URL, "MAKE_FILE": make, "HOME": env.WorkDir, "TZ": "UTC",
				"XDG_CONFIG_HOME": "",
			} {
				env.Setenv(name, value)
			}
			return nil
		},
	})
}

// appendTo is "append FILE TEXT".
func appendTo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: append FILE TEXT")
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_APPEND, 0)
	ts.Check(err)
	_, err = f.WriteString(args[1])
	ts.Check(errors.Join(err, f.Close()))
}
