package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"

	"github.com/hearthos/hearth/server/internal/store"
)

// stateWith makes a state with a few revisions and returns its folder and the open store.
func stateWith(t *testing.T) (string, *store.Store) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for i := range 20 {
		_, err := s.Update(t.Context(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), func(tx *store.Tx) error {
			return errors.Join(
				store.Put(tx, &operationsv1.Operation{Meta: &metav1.Meta{Id: "o"}, Spec: &operationsv1.OperationSpec{Target: fmt.Sprint(i)}}),
				store.Put(tx, &accountsv1.TokenRecord{Meta: &metav1.Meta{Id: "t"}, Spec: &accountsv1.TokenRecordSpec{Hash: []byte("canary")}}))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir, s
}

func hearthd(args ...string) (code int, out, errOut string) {
	var o, e strings.Builder
	code = storeCommand(args, &o, &e)
	return code, o.String(), e.String()
}

func TestStoppedStateIsCheckedExportedAndCompacted(t *testing.T) {
	t.Parallel()
	dir, s := stateWith(t)
	for _, command := range []string{"check", "export", "compact"} {
		if code, _, said := hearthd(command, "--state", dir); code != 1 || !strings.Contains(said, "another process has it open") || !strings.Contains(said, "Stop the daemon") {
			t.Errorf("%s of a state in use: %d, %s", command, code, said)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, said := hearthd("check", "--state", dir)
	if code != 0 || !strings.Contains(out, "revision 21") || !strings.Contains(out, "operation        1 rows") || said != "" {
		t.Errorf("check: %d, %s, %s", code, out, said)
	}
	code, out, said = hearthd("export", "--state", dir)
	var row struct {
		Kind     string
		Resource struct {
			Meta struct{ ID string }
			Spec struct{ Target string }
		}
	}
	if err := json.Unmarshal([]byte(out), &row); code != 0 || err != nil || said != "" || row.Kind != "operation" || row.Resource.Meta.ID != "o" || row.Resource.Spec.Target != "19" {
		t.Errorf("export: %d, %v, %s, %s", code, err, out, said)
	}
	if strings.Contains(out, "canary") || strings.Contains(out, "Y2FuYXJ5") {
		t.Errorf("export tells a secret: %s", out)
	}
	if code, out, said = hearthd("compact", "--state", dir, "--keep", "5"); code != 0 || out != "15 revisions forgotten, 5 kept\n" {
		t.Errorf("compact: %d, %s, %s", code, out, said)
	}
	code, out, _ = hearthd("check", "--state", dir, "--output", "json")
	var report struct {
		Records int
		Defects []string
	}
	if err := json.Unmarshal([]byte(out), &report); code != 0 || err != nil || report.Records != 5 || report.Defects == nil || len(report.Defects) > 0 {
		t.Errorf("check: %d, %v, %s", code, err, out)
	}
}

func TestStoreCommandSaysHowItIsUsed(t *testing.T) {
	t.Parallel()
	if code, out, _ := hearthd(); code != 0 || !strings.Contains(out, "hearthd store check") {
		t.Errorf("%d, %s", code, out)
	}
	for _, args := range [][]string{{"chek"}, {"check", "more"}, {"check", "--output", "xml"}, {"check", "--unknown"}} {
		if code, _, said := hearthd(args...); code != 2 || said == "" {
			t.Errorf("%q: %d, %s", args, code, said)
		}
	}
	if code, _, said := hearthd("check", "--state", filepath.Join(t.TempDir(), "absent")); code != 1 || !strings.Contains(said, "there is no state in") {
		t.Errorf("%d, %s", code, said)
	}
}

func TestDamagedLogIsToldAndRecovered(t *testing.T) {
	t.Parallel()
	from, _ := stateWith(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil { // as a kill leaves it
		t.Fatal(err)
	}
	if code, out, said := hearthd("recover", "--state", dir); code != 0 || !strings.Contains(out, "nothing was changed") {
		t.Errorf("recover of a good state: %d, %s, %s", code, out, said)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "store/db/*.mem"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	f, err := os.OpenFile(logs[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("\xff\x00\xff"), 2000); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, command := range []string{"check", "export", "compact"} {
		if code, _, said := hearthd(command, "--state", dir); code != 1 || !strings.Contains(said, "hearthd store recover") {
			t.Errorf("%s: %d, %s", command, code, said)
		}
	}
	if code, out, said := hearthd("recover", "--state", dir); code != 0 || !strings.Contains(out, "revision 21 is the newest") || !strings.Contains(out, "db.damaged-") {
		t.Errorf("recover: %d, %s, %s", code, out, said)
	}
	if code, out, said := hearthd("check", "--state", dir); code != 0 {
		t.Errorf("check: %d, %s, %s", code, out, said)
	}
}

func TestWhoAsksForHelpGetsItAndUsedNothingWrongly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command func(args []string, out, errOut io.Writer) int
		args    []string
		want    string
	}{
		{storeCommand, []string{"--help"}, storeUsage},
		{storeCommand, []string{"check", "--help"}, storeUsage},
		{storeCommand, []string{"compact", "--keep", "3", "-h"}, storeUsage},
		{storeCommand, []string{"help"}, storeUsage},
		{keyCommand, []string{"--help"}, keyUsage},
		{keyCommand, []string{"recover", "--help"}, keyUsage},
	} {
		var out, errOut strings.Builder
		if code := c.command(c.args, &out, &errOut); code != 0 || out.String() != c.want || errOut.Len() > 0 {
			t.Errorf("%q ends with %d and says %q and %q", c.args, code, out.String(), errOut.String())
		}
	}
}
