package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/api/text"
)

// What is wrong with a file, a version or a key at hand is told in the person's language first. What a library or the system
// says of it is English, and comes below.
func TestLocalErrorsAreToldInEveryLanguage(t *testing.T) {
	t.Parallel()
	_, noVersion := exver.Parse("x")
	_, noFile := os.Open(filepath.Join(t.TempDir(), "gone"))
	_, noKey := sign.ParsePrivateKey("x")
	for name, err := range map[string]error{
		"version":                 usageError{noVersion},
		"file":                    noFile,
		"rights":                  &fs.PathError{Op: "open", Path: "/x", Err: syscall.EACCES},
		"key":                     noKey,
		"package file":            &s9pk.Error{Reason: s9pk.BadManifest, Why: "it is wrong"},
		"JSON":                    json.Unmarshal([]byte("{"), new(any)),
		"full disk":               &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC},
		"own words":               unable("failed.manual", nil),
		"own words with a cause":  unable("failed.read", syscall.ENOENT, "Name", "/x"),
		"own words with another":  unable("failed.terminal", errors.New("the library says so")),
		"own words over one more": fmt.Errorf("x: %w", unable("failed.registry-trust", unable("failed.image-hash", nil))),
		"what nobody knows":       errors.New("the library says so"),
	} {
		heard := map[string]string{} // language by first line
		for _, lang := range text.Languages() {
			var out bytes.Buffer
			a := &app{Streams: Streams{Err: &out}, texts: text.In(lang)}
			a.printError(err)
			first, _, _ := strings.Cut(out.String(), "\n")
			if other, twice := heard[first]; twice {
				t.Errorf("%s: %q is told in %s and in %s", name, first, other, lang)
			}
			heard[first] = lang
			if strings.Contains(first, "<no value>") {
				t.Errorf("%s, %s: %q lacks a value", name, lang, first)
			}
			if lang == text.English && !strings.Contains(out.String(), err.Error()) && !strings.HasPrefix(name, "own words over") {
				t.Errorf("%s: %q does not say %q", name, out.String(), err)
			}
		}
	}
}

// The exit code of an error does not depend on the words it has.
func TestAnErrorWithWordsKeepsItsExitCode(t *testing.T) {
	t.Parallel()
	_, noVersion := exver.Parse("x")
	for want, err := range map[int]error{
		exitNotFound: unable("failed.read", fs.ErrNotExist, "Name", "x"),
		exitConflict: unable("failed.read", fs.ErrExist, "Name", "x"),
		exitUsage:    unable("failed.read", usageError{noVersion}, "Name", "x"),
		exitOther:    unable("failed.manual", nil),
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v ends with %d, want %d", err, got, want)
		}
	}
}
