package journal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearthos/hearth/server/internal/journal"
)

func TestLogThatAnotherProcessWritesIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "door.log")
	if err := journal.Rotate(path, 100); err != nil {
		t.Errorf("a log that is not there: %v", err)
	}
	writer, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	sizes := map[string][]byte{}
	write := func(text string) {
		if _, err := writer.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := journal.Rotate(path, 100); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, path + ".1"} {
			sizes[name], _ = os.ReadFile(name)
		}
	}
	first, second := string(bytes.Repeat([]byte("a"), 90)), string(bytes.Repeat([]byte("b"), 20))
	write(first)
	if string(sizes[path]) != first || sizes[path+".1"] != nil {
		t.Error("a short log was rotated")
	}
	write(second)
	if len(sizes[path]) != 0 || string(sizes[path+".1"]) != first+second {
		t.Errorf("%d bytes stay, %d are kept", len(sizes[path]), len(sizes[path+".1"]))
	}
	write("next")
	if string(sizes[path]) != "next" {
		t.Errorf("the writer goes on with %q", sizes[path])
	}
	write(string(bytes.Repeat([]byte("c"), 1000)))
	if len(sizes[path]) != 0 || len(sizes[path+".1"]) != 200 {
		t.Errorf("%d bytes stay, %d are kept of a flood", len(sizes[path]), len(sizes[path+".1"]))
	}
}

func TestLogThatIsALinkIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	real, path := filepath.Join(dir, "real"), filepath.Join(dir, "log")
	if err := os.WriteFile(real, bytes.Repeat([]byte("a"), 200), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, path); err != nil {
		t.Fatal(err)
	}
	if err := journal.Rotate(path, 100); err == nil {
		t.Error("followed")
	}
	if raw, _ := os.ReadFile(real); len(raw) != 200 {
		t.Error("emptied")
	}
}
