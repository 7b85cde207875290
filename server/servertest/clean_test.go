package servertest_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearthos/hearth/server/servertest"
)

func TestASandboxThatIsCleanedLeavesItsStateAlone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	socket := filepath.Join(s.State, "hearthd.sock")
	to, err := os.Readlink(socket)
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	for range 2 { // it may be repeated
		s.Clean()
		for _, path := range []string{filepath.Dir(to), socket} {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is left: %v", path, err)
			}
		}
	}
	s.Start() // its state is whole
}
