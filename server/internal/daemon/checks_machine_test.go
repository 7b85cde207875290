package daemon

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"

	"github.com/hearthos/hearth/server/internal/diagnose"
)

const (
	isOK   = diagnosticsv1.Check_RESULT_OK
	isWarn = diagnosticsv1.Check_RESULT_WARN
	isFail = diagnosticsv1.Check_RESULT_FAIL
)

// write makes files of a folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func expectFinding(t *testing.T, what string, got diagnose.Finding, result diagnosticsv1.Check_Result, detail string) {
	t.Helper()
	if got.Result != result || !strings.Contains(got.Detail+" "+got.Quote, detail) || (got.Remedy == "") != (result == isOK) {
		t.Errorf("%s: %v, should be %s with %q and a remedy where something is wrong", what, got, result, detail)
	}
}

func TestControlGroupsThatKeepNoLimitsAreTold(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		files  map[string]string
		result diagnosticsv1.Check_Result
		detail string
	}{
		"version 2":      {map[string]string{"cgroup.controllers": "cpuset cpu io memory pids\n"}, isOK, "version 2"},
		"without memory": {map[string]string{"cgroup.controllers": "cpu pids\n"}, isWarn, "without memory"},
		"version 1":      {map[string]string{"cpu,cpuacct/x": "", "memory/x": "", "pids/x": ""}, isOK, "version 1"},
		"version 1, bad": {map[string]string{"memory/x": ""}, isWarn, "without cpu, pids"},
		"nothing":        {nil, isFail, "none are mounted"},
	} {
		expectFinding(t, what, checkCgroups(write(t, c.files)), c.result, c.detail)
	}
}

func TestARootImageThatIsNotWholeIsTold(t *testing.T) {
	t.Parallel()
	image := make([]byte, 100)
	copy(image, squashfsMagic)
	binary.LittleEndian.PutUint64(image[squashfsLength:], 90)
	dir := write(t, map[string]string{"whole": string(image), "cut": string(image[:80]), "short": "hsqs", "other": strings.Repeat("x", 100)})
	expectFinding(t, "whole", checkRootImage(filepath.Join(dir, "whole")), isOK, "whole")
	expectFinding(t, "cut", checkRootImage(filepath.Join(dir, "cut")), isFail, "80 of 90 bytes")
	expectFinding(t, "short", checkRootImage(filepath.Join(dir, "short")), isFail, "no squashfs image")
	expectFinding(t, "other", checkRootImage(filepath.Join(dir, "other")), isFail, "no squashfs image")
	expectFinding(t, "gone", checkRootImage(filepath.Join(dir, "gone")), isFail, "no such file")
}

func TestIDsThatSomebodyElseHasAreTold(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		files  map[string]string
		result diagnosticsv1.Check_Result
		detail string
	}{
		"nobody":           {map[string]string{"subuid": "me:100000:65536\n", "passwd": "root:x:0:0::/root:/bin/sh\n"}, isOK, "nobody else"},
		"no files":         {nil, isOK, "nobody else"},
		"containers of me": {map[string]string{"subuid": "# who\nme:900000:200000\n"}, isWarn, "me has 900000 to 1099999"},
		"groups of me":     {map[string]string{"subgid": "me:1114000:65536\n"}, isWarn, "subgid"},
		"a user":           {map[string]string{"passwd": "big:x:1048577:1::/:/bin/sh\n"}, isWarn, "big has 1048577"},
		"nonsense":         {map[string]string{"subuid": "me\nyou:x:y\n:::\nme:900000:0\n"}, isOK, "nobody else"},
	} {
		expectFinding(t, what, checkRanges(write(t, c.files), 1<<20, 1<<20+65535), c.result, c.detail)
	}
}
