package store_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

func TestCheckFindsWhatIsDamaged(t *testing.T) {
	t.Parallel()
	logKey := func(rev uint64) string { return "l/" + string(binary.BigEndian.AppendUint64(nil, rev)) }
	for name, c := range map[string]struct {
		key   string
		value []byte
		want  string
	}{
		"a good store":            {"", nil, ""},
		"a row that is no row":    {"r/\x00\x01/a", []byte{0xff}, `operation "a":`},
		"a row of another id":     {"r/\x00\x01/z", []byte("\n\x03\n\x01\x7a"), ""},
		"a row under another key": {"r/\x00\x01/z", []byte("\n\x03\n\x01\x61"), `operation "z" says that its id is "a"`},
		"a lost row":              {"r/\x00\x01/a", nil, `operation "a" is missing, the log has it in revision 2`},
		"an old row":              {"r/\x00\x01/b", []byte("\n\x05\n\x01\x62\x18\x01"), `operation "b" is of revision 1, the log says 4`},
		"a record that is none":   {logKey(3), []byte{7}, "revision 3: "},
	} {
		dir := t.TempDir()
		s := openStore(t, dir, store.Options{})
		put(t, s, row("a", ""))
		put(t, s, row("b", ""))
		put(t, s, row("b", "x"))
		closeStore(t, s)
		if c.key != "" {
			overwriteAt(t, dir, c.key, c.value, 4)
		}
		s = openStore(t, dir, store.Options{Existing: true})
		r, err := s.Check()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.want == "" && r.Err() != nil || c.want != "" && !slices.ContainsFunc(r.Defects, func(d string) bool { return strings.HasPrefix(d, c.want) }) {
			t.Errorf("%s: %q", name, r.Defects)
		}
		if (r.Err() == nil) != (len(r.Defects) == 0) || r.Err() != nil && !fault.Is(r.Err(), metav1.Reason_REASON_STORE_DAMAGED) {
			t.Errorf("%s: %v", name, r.Err())
		}
		closeStore(t, s)
	}
}

func TestStoreInWhichSomethingIsMissingIsRefused(t *testing.T) {
	t.Parallel()
	logKey := func(rev uint64) string { return "l/" + string(binary.BigEndian.AppendUint64(nil, rev)) }
	for name, c := range map[string]struct {
		key   string
		value []byte
		want  string
	}{
		"a lost record":          {logKey(3), nil, "revision 3 is missing in its log, the newest is 4"},
		"the first record":       {logKey(2), nil, "revision 2 is missing in its log, the newest is 4"},
		"the newest record":      {logKey(4), nil, `operation "b" is of revision 4, the newest in its log is 3`},
		"a record without place": {"l/x", []byte{1}, "its log has a record under the key 6c2f78"},
	} {
		dir := t.TempDir()
		s := openStore(t, dir, store.Options{})
		put(t, s, row("a", ""))
		put(t, s, row("b", ""))
		put(t, s, row("b", "x"))
		closeStore(t, s)
		overwriteAt(t, dir, c.key, c.value, 4)
		for _, opt := range []store.Options{{}, {ReadOnly: true}} {
			s, err := store.Open(dir, opt)
			if !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil {
				closeStore(t, s)
			}
		}
	}
}

func TestExportHoldsWhatSomebodyMayRead(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	put(t, s, row("b", ""), row("a", ""))
	_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error {
		return errors.Join(
			store.Put(tx, &accountsv1.TokenRecord{Meta: &metav1.Meta{Id: "t"}, Spec: &accountsv1.TokenRecordSpec{Hash: []byte("secret")}}),
			store.Put(tx, &accountsv1.Preferences{Meta: &metav1.Meta{Id: "p"}}))
	})
	if err != nil {
		t.Fatal(err)
	}
	store.SetEphemeral(s, progress("p", 1))
	var got []string
	rev, err := s.Export(func(kind store.KindInfo, row store.Row) error {
		got = append(got, kind.ID+" "+row.GetMeta().GetId())
		return nil
	})
	if err != nil || rev != s.Revision() {
		t.Error(rev, err)
	}
	if diff := cmp.Diff([]string{"operation a", "operation b", "preferences p"}, got); diff != "" {
		t.Error(diff)
	}
	stop := errors.New("disk full")
	if _, err := s.Export(func(store.KindInfo, store.Row) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestCompactKeepsWhatIsAskedAndEveryRow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	for i := range 50 {
		put(t, s, row(fmt.Sprint("r", i%5), fmt.Sprint(i)))
	}
	if err := s.Compact(10); err != nil {
		t.Fatal(err)
	}
	st, err := s.Status()
	if err != nil || st.Oldest != s.Revision()-10 || st.Revision != s.Revision() || !st.OldestTime.Equal(noon) || st.CompactError != nil || st.WriteError != nil {
		t.Errorf("%+v, %v", st, err)
	}
	closeStore(t, s)
	s = openStore(t, dir, store.Options{})
	defer closeStore(t, s)
	r, err := s.Check()
	if err != nil || r.Err() != nil || r.Records != 10 || r.Rows["operation"] != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := s.Watch(store.WatchOptions{From: s.Revision() - 11}); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
		t.Error(err)
	}
}

func TestStatusTellsWhyTheLogCannotBeShortened(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for range 5 {
		put(t, s, row("a", fmt.Sprint(s.Revision())))
	}
	s.NeedFree(1 << 62)
	err := s.Compact(1)
	st, serr := s.Status()
	if !fault.Is(err, metav1.Reason_REASON_DISK_FULL) || serr != nil || !fault.Is(st.CompactError, metav1.Reason_REASON_DISK_FULL) {
		t.Errorf("%v, %+v, %v", err, st, serr)
	}
	s.NeedFree(1)
	if err := s.Compact(1); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Status(); err != nil || st.CompactError != nil {
		t.Errorf("%+v, %v", st, err)
	}
}
