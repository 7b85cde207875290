package store

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
)

func openInternal(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func putting(id, target string) func(tx *Tx) error {
	return func(tx *Tx) error {
		return Put(tx, &operationsv1.Operation{Meta: &metav1.Meta{Id: id}, Spec: &operationsv1.OperationSpec{Target: target}})
	}
}

// Here nobody is asked to write the groups, so that they can be looked at while they wait.
func TestClosureSeesGroupsThatAreStillBeingWritten(t *testing.T) {
	t.Parallel()
	s := openInternal(t)
	_, first, err := s.join(time.Now(), false, putting("a", "1"))
	if err != nil {
		t.Fatal(err)
	}
	first.sealed = true // as if its sync were under way
	_, second, err := s.join(time.Now(), false, func(tx *Tx) error {
		row, err := Get[*operationsv1.Operation](tx, "a")
		if err != nil {
			return err
		}
		if row.GetSpec().GetTarget() != "1" || tx.Revision() != 3 {
			t.Errorf("sees %v at revision %d", row, tx.Revision())
		}
		return errors.Join(Delete[*operationsv1.Operation](tx, "a"), putting("b", "2")(tx))
	})
	if err != nil || second == first {
		t.Fatalf("joined the sealed group: %v", err)
	}
	rev, wait, err := s.join(time.Now(), false, func(tx *Tx) error {
		rows, err := List[*operationsv1.Operation](tx, "")
		if len(rows) != 1 || rows[0].GetMeta().GetId() != "b" {
			t.Errorf("lists %v", rows)
		}
		if ids, err := IDs[*operationsv1.Operation](tx, ""); err != nil || len(ids) != 1 || ids[0] != "b" {
			t.Errorf("lists the ids %v, %v", ids, err)
		}
		if _, there, _ := Lookup[*operationsv1.Operation](tx, "a"); there {
			t.Error("sees a row whose deletion waits")
		}
		return err
	})
	if err != nil || rev != 3 || wait != second {
		t.Errorf("a closure that read what is not durable answers %d without waiting for it: %v", rev, err)
	}
	if s.Revision() != 1 {
		t.Errorf("published %d", s.Revision())
	}
	s.commitAll()
	<-first.done
	<-second.done
	if s.Revision() != 3 || len(s.writer.groups) != 0 {
		t.Errorf("published %d, %d groups wait", s.Revision(), len(s.writer.groups))
	}
}

func TestFailedGroupTakesThoseBehindItAlong(t *testing.T) {
	t.Parallel()
	s := openInternal(t)
	_, first, err := s.join(time.Now(), false, putting("a", "1"))
	if err != nil {
		t.Fatal(err)
	}
	first.sealed = true
	_, second, err := s.join(time.Now(), false, putting("b", "1"))
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	s.abort(full)
	<-first.done
	<-second.done
	if first.err != full || second.err != full {
		t.Errorf("%v, %v", first.err, second.err)
	}
	rev, err := s.Update(t.Context(), time.Now(), putting("c", "1"))
	if err != nil || rev != 2 {
		t.Errorf("the next commit is revision %d, %v", rev, err)
	}
}

func TestGroupsAreFilledToTheLimitAndNoFurther(t *testing.T) {
	t.Parallel()
	s := openInternal(t)
	large := string(make([]byte, 150<<10))
	groups := map[*group]int{}
	for i := range 10 {
		_, g, err := s.join(time.Now(), false, putting(string(rune('a'+i)), large))
		if err != nil {
			t.Fatal(err)
		}
		groups[g]++
		if g.size > MaxCommit {
			t.Errorf("a group of %d bytes", g.size)
		}
	}
	if len(groups) != 4 {
		t.Errorf("%d groups for ten commits of a third of the limit", len(groups))
	}
	s.commitAll()
	if s.Revision() != 11 {
		t.Errorf("published %d", s.Revision())
	}
}

// After an error in the middle of a write nobody knows what is on disk, so nothing more is written.
func TestWriteErrorOfUnknownExtentStopsWriting(t *testing.T) {
	t.Parallel()
	s := openInternal(t)
	_, g, err := s.join(time.Now(), false, putting("a", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	s.commitAll()
	<-g.done
	if !fault.Is(g.err, metav1.Reason_REASON_UNAVAILABLE) {
		t.Errorf("the commit at hand: %v", g.err)
	}
	if _, err := s.Update(t.Context(), time.Now(), putting("a", "1")); !fault.Is(err, metav1.Reason_REASON_UNAVAILABLE) {
		t.Errorf("the next commit: %v", err)
	}
	if s.Revision() != 1 {
		t.Errorf("published %d", s.Revision())
	}
}

// A snapshot that is read in pages sees its revision, also when the database has meanwhile thrown old versions away.
func TestOldVersionsStayAsLongAsTheyArePromised(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes 50 MB")
	}
	s, err := Open(t.TempDir(), Options{RetainRevisions: 60})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	large := string(make([]byte, 200<<10))
	write := func(n int, b string) {
		for i := range n {
			_, err := s.Update(t.Context(), time.Now(), func(tx *Tx) error {
				return errors.Join(putting("a", large)(tx), putting("b", b)(tx), putting("c", string(rune('a'+i))+large)(tx))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write(65, "old")
	w, err := s.Watch(WatchOptions{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := s.Revision()
	write(50, "new")
	if err := s.compact(s.opt.RetainRevisions); err != nil {
		t.Fatal(err)
	}
	if c := s.compacted.Load(); c == 1 || c >= at {
		t.Fatalf("compacted %d, the snapshot is of %d", c, at)
	}
	if err := s.db.Flatten(2); err != nil {
		t.Fatal(err)
	}
	b, err := w.Next(t.Context())
	if err != nil || len(b.Changes) != 1 || b.Changes[0].Row.(*operationsv1.Operation).GetSpec().GetTarget() != "old" {
		t.Fatalf("the snapshot goes on with %v, %v", b.Changes, err)
	}
	if entries, err := s.readLog(s.Revision()-60, 100); err != nil || len(entries) == 0 || len(entries[0].changes) == 0 {
		t.Errorf("the log shows %v, %v", entries, err)
	}
}

func TestHoleInTheLogIsReportedAndNotSkipped(t *testing.T) {
	t.Parallel()
	s := openInternal(t)
	for _, target := range []string{"1", "2", "3", "4"} {
		if _, err := s.Update(t.Context(), time.Now(), putting("a", target)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.deleteRecords(s.Revision(), 2, 3); err != nil {
		t.Fatal(err)
	}
	if entries, err := s.readLog(1, 10); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
		t.Errorf("%v, %v", entries, err)
	}
	if entries, err := s.readLog(3, 10); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	row := &operationsv1.Operation{Meta: &metav1.Meta{Id: "a/b", Labels: map[string]string{"k": "v"}}}
	raw, err := encodeRow(row)
	if err != nil {
		f.Fatal(err)
	}
	good, err := encodeRecord([]change{
		{key: rowKey{1, "a/b"}, row: row, raw: raw, before: map[string]string{"k": "w"}},
		{key: rowKey{1, "gone"}, row: row, raw: raw, deleted: true},
		{key: rowKey{9999, "of a kind nobody knows"}, row: row, raw: raw},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte{})
	f.Add([]byte{recordVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeRecord(7, b)
		if err != nil {
			return
		}
		// What was read can be written and read again with the same meaning.
		for i := range e.changes {
			if e.changes[i].raw, err = encodeRow(e.changes[i].row); err != nil {
				t.Fatal(err)
			}
		}
		again, err := encodeRecord(e.changes)
		if err != nil {
			t.Fatal(err)
		}
		second, err := decodeRecord(7, again)
		if err != nil || len(second.changes) != len(e.changes) {
			t.Fatalf("%d changes became %d: %v", len(e.changes), len(second.changes), err)
		}
		for i, c := range e.changes {
			if d := second.changes[i]; d.key != c.key || d.deleted != c.deleted || len(d.before) != len(c.before) {
				t.Fatalf("%+v became %+v", c, d)
			}
		}
	})
}

func TestRecordsTellEverythingOfAChange(t *testing.T) {
	t.Parallel()
	s := openInternal(t)
	labelled := func(id, v string) *operationsv1.Operation {
		return &operationsv1.Operation{Meta: &metav1.Meta{Id: id, Labels: map[string]string{"k": v}}}
	}
	for _, fn := range []func(tx *Tx) error{
		func(tx *Tx) error { return errors.Join(Put(tx, labelled("a", "1")), Put(tx, labelled("b", "1"))) },
		func(tx *Tx) error {
			return errors.Join(Put(tx, labelled("a", "2")), Delete[*operationsv1.Operation](tx, "b"))
		},
	} {
		if _, err := s.Update(t.Context(), time.Now(), fn); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := s.readLog(2, 10)
	if err != nil || len(entries) != 1 || len(entries[0].changes) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	a, b := entries[0].changes[0], entries[0].changes[1]
	if a.deleted || a.before["k"] != "1" || a.row.GetMeta().GetLabels()["k"] != "2" {
		t.Errorf("%+v", a)
	}
	if !b.deleted || b.before != nil || b.row.GetMeta().GetLabels()["k"] != "1" {
		t.Errorf("%+v", b)
	}
}

func FuzzDecodeBookmark(f *testing.F) {
	const id = "01arz3ndektsv4rrffq69g5fav"
	f.Add(bookmark{id, 1, RightsOf("a", "b"), "aaaaaaaaaa"}.encode())
	f.Add(bookmark{id, 1 << 63, "", ""}.encode())
	f.Add("a.b.c.d")
	f.Add("a.b.c.d.e")
	f.Fuzz(func(t *testing.T, text string) {
		if b, ok := decodeBookmark(id, text); ok && (b.encode() != text || b.revision == 0) {
			t.Fatalf("%q means %+v, which is written %q", text, b, b.encode())
		}
	})
}

func FuzzDecodeEpochs(f *testing.F) {
	f.Add(epochs{{"aaaaaaaaaa", 2}, {"bbbbbbbbbb", 2}, {"cccccccccc", 9}}.encode())
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := decodeEpochs(b); err == nil && !bytes.Equal(e.encode(), b) {
			t.Fatalf("%x is written %x", b, e.encode())
		}
	})
}
