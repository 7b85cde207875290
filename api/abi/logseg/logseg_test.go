package logseg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/api/abi/logseg"
)

var epoch = time.Unix(1764000000, 123456789).UTC()

func line(format string, args ...any) logseg.Record {
	return logseg.Record{Time: epoch, Stream: logseg.Stdout, Source: "service", Message: fmt.Sprintf(format, args...)}
}

func writer(t *testing.T, dir string) *logseg.Writer {
	t.Helper()
	w, err := logseg.NewWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func write(t *testing.T, w *logseg.Writer, records ...logseg.Record) {
	t.Helper()
	if err := w.Write(records...); err != nil {
		t.Fatal(err)
	}
}

func reader(t *testing.T, dir string) *logseg.Reader {
	t.Helper()
	r, err := logseg.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// all reads to the end.
func all(t *testing.T, r *logseg.Reader, c logseg.Cursor) []logseg.Entry {
	t.Helper()
	var out []logseg.Entry
	for {
		entries, next, err := r.From(c)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return out
		}
		out, c = append(out, entries...), next
	}
}

func messages(entries []logseg.Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Message)
	}
	return out
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := writer(t, dir)
	want := []logseg.Record{
		{Time: epoch, Stream: logseg.Stdout, Source: "service", Message: "plain"},
		{Time: epoch.Add(1), Stream: logseg.Stderr, Source: "service", Message: "<html> & \"quotes\" \x1b[31mred\x1b[0m\r"},
		{Time: epoch.Add(2), Stream: logseg.System, Source: "agent", Message: "two\nlines, ünïcödé \u2028"},
		{Time: epoch.Add(3), Stream: logseg.Stdout, Source: "service", Message: ""},
	}
	write(t, w, want[:2]...)
	write(t, w, want[2:]...)
	var got []logseg.Record
	for _, e := range all(t, reader(t, dir), logseg.Cursor{}) {
		got = append(got, e.Record)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestEveryCursorGoesOnBehindItsRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := writer(t, dir)
	for i := range 50 {
		write(t, w, line("%d", i))
	}
	r := reader(t, dir)
	entries := all(t, r, logseg.Cursor{})
	for i, e := range entries {
		c, err := logseg.ParseCursor(e.Cursor.String())
		if err != nil {
			t.Fatal(err)
		}
		if got := len(all(t, r, c)); got != len(entries)-1-i {
			t.Fatalf("behind record %d come %d records", i, got)
		}
	}
}

func TestHostileTextBecomesWhatTheFormatAllows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := writer(t, dir)
	write(t, w,
		line("a\xff\xfeb"),
		line("%s", strings.Repeat("\x00", logseg.MaxMessage)),
		line("%s", strings.Repeat("é", logseg.MaxMessage)),
		logseg.Record{Time: epoch, Stream: "nonsense", Source: strings.Repeat("s", 1000), Message: "m"},
	)
	got := all(t, reader(t, dir), logseg.Cursor{})
	if len(got) != 4 {
		t.Fatalf("read %d records", len(got))
	}
	if got[0].Message != "a\uFFFDb" {
		t.Errorf("invalid text became %q", got[0].Message)
	}
	if len(got[1].Message) != logseg.MaxMessage || len(got[2].Message) != logseg.MaxMessage {
		t.Errorf("long messages have %d and %d bytes", len(got[1].Message), len(got[2].Message))
	}
	if got[3].Stream != logseg.System || len(got[3].Source) != logseg.MaxSource {
		t.Errorf("stream %q, source of %d bytes", got[3].Stream, len(got[3].Source))
	}
}

func TestANewWriterContinuesWithTheNextSegment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := writer(t, dir)
	write(t, w, line("one"))
	w.Close()
	if err := w.Write(line("late")); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("write after close: %v", err)
	}
	write(t, writer(t, dir), line("two"))
	got := all(t, reader(t, dir), logseg.Cursor{})
	if diff := cmp.Diff([]string{"one", "two"}, messages(got)); diff != "" {
		t.Fatal(diff)
	}
	if got[0].Cursor.Segment != 1 || got[1].Cursor.Segment != 2 || got[1].Gap {
		t.Fatalf("cursors %v and %v, gap %v", got[0].Cursor, got[1].Cursor, got[1].Gap)
	}
}

func TestSegmentsAreBoundedAndOnlyTheNewestKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := writer(t, dir)
	const perBatch = 64
	pad := strings.Repeat("x", 8<<10)
	n := 0
	for range logseg.SegmentSize * (logseg.KeepSegments + 3) / (perBatch * len(pad)) {
		var batch []logseg.Record
		for range perBatch {
			batch = append(batch, line("%08d %s", n, pad))
			n++
		}
		write(t, w, batch...)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != logseg.KeepSegments {
		t.Fatalf("%d segments are kept, %v", len(files), err)
	}
	for _, f := range files {
		if st, _ := f.Info(); st.Size() > logseg.SegmentSize {
			t.Errorf("%s has %d bytes", f.Name(), st.Size())
		}
	}
	got := all(t, reader(t, dir), logseg.Cursor{Segment: 1})
	if !got[0].Gap {
		t.Error("the reader was not told of the gap")
	}
	first := n - len(got)
	for i, e := range got {
		if !strings.HasPrefix(e.Message, fmt.Sprintf("%08d ", first+i)) || i > 0 && (e.Gap || !got[i-1].Cursor.Before(e.Cursor)) {
			t.Fatalf("record %d is %.20q, gap %v", first+i, e.Message, e.Gap)
		}
	}
}

func TestTailFindsTheLastRecordsAcrossSegments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	total := 0
	for range 3 {
		w := writer(t, dir)
		for range 700 {
			write(t, w, line("%d %s", total, strings.Repeat("p", total%900)))
			total++
		}
		w.Close()
	}
	r := reader(t, dir)
	for _, n := range []int{0, 1, 699, 700, 701, 1500, 2100, 5000} {
		c, err := r.Tail(n)
		if err != nil {
			t.Fatal(err)
		}
		got := all(t, r, c)
		if len(got) != min(n, total) {
			t.Errorf("tail of %d has %d records", n, len(got))
		}
		if n > 0 && !strings.HasPrefix(got[len(got)-1].Message, fmt.Sprintf("%d ", total-1)) {
			t.Errorf("tail of %d ends with %.20q", n, got[len(got)-1].Message)
		}
	}
}

func TestDamageIsSkipped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := func(m string) string { return fmt.Sprintf(`{"t":1,"s":"stdout","p":"x","m":%q}`+"\n", m) }
	must(t, os.WriteFile(filepath.Join(dir, "00000001.log"), []byte(good("a")+"not json\n"+`{"t":1,"s":"stdout","p":"x","m":"torn`), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "00000002.log"), []byte(strings.Repeat("z", 3<<20)+"\n"+good("b")+`{"t":-1,"s":"stdout","p":"","m":""}`+"\n"+good("c")), 0o600))
	got := all(t, reader(t, dir), logseg.Cursor{})
	if diff := cmp.Diff([]string{"a", "b", "c"}, messages(got)); diff != "" {
		t.Fatal(diff)
	}
}

func TestOnlyRegularFilesOfTheFolderAreRead(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(outside, []byte(`{"t":1,"s":"stdout","p":"x","m":"secret"}`+"\n"), 0o600))
	must(t, os.Symlink(outside, filepath.Join(dir, "00000001.log")))
	must(t, syscall.Mkfifo(filepath.Join(dir, "00000002.log"), 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "00000003.log"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "4.log"), []byte(`{"t":1,"s":"stdout","p":"x","m":"misnamed"}`+"\n"), 0o600))
	w := writer(t, dir)
	write(t, w, line("mine"))
	r := reader(t, dir)
	if diff := cmp.Diff([]string{"mine"}, messages(all(t, r, logseg.Cursor{}))); diff != "" {
		t.Fatal(diff)
	}
	c, err := r.Tail(10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"mine"}, messages(all(t, r, c))); diff != "" {
		t.Fatal(diff)
	}
}

func TestACursorBehindTheEndBeginsAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, writer(t, dir), line("kept"))
	got := all(t, reader(t, dir), logseg.Cursor{Segment: 77, Offset: 5})
	if len(got) != 1 || !got[0].Gap {
		t.Fatalf("got %v", got)
	}
}

func TestFollowDeliversEachRecordOnceInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := writer(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const n = 3000
	go func() {
		for i := range n {
			_ = w.Write(line("%d %s", i, strings.Repeat("f", 4000)))
		}
	}()
	got := 0
	err := reader(t, dir).Follow(ctx, logseg.Cursor{}, func(entries []logseg.Entry) error {
		for _, e := range entries {
			if !strings.HasPrefix(e.Message, fmt.Sprintf("%d ", got)) || e.Gap {
				return fmt.Errorf("record %d is %.20q", got, e.Message)
			}
			got++
		}
		if got == n {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || got != n {
		t.Fatalf("after %d records: %v", got, err)
	}
}

func TestFollowEndsWithItsContextWhileNothingIsWritten(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := reader(t, t.TempDir()).Follow(ctx, logseg.Cursor{}, func([]logseg.Entry) error { return errors.New("an entry") })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestLossByAFullDiskIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := writer(t, dir)
	write(t, w, line("before"))
	w.Close()
	// A folder whose next segment cannot be made stands for a disk that takes no more.
	w = writer(t, dir)
	must(t, os.Mkdir(filepath.Join(dir, "00000002.log"), 0o700))
	if err := w.Write(line("x"), line("y")); err == nil {
		t.Fatal("a write that failed answered no error")
	}
	must(t, w.Write()) // nothing but that
	if got := messages(all(t, reader(t, dir), logseg.Cursor{})); len(got) != 2 {
		t.Errorf("with no further line the log has %q", got)
	}
	write(t, w, line("after"))
	got := messages(all(t, reader(t, dir), logseg.Cursor{}))
	if diff := cmp.Diff([]string{"before", "2 lines were lost: the disk took no more", "after"}, got); diff != "" {
		t.Fatal(diff)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"t":1,"s":"stdout","p":"x","m":"y"}`+"\n"), []byte("\n\n{}\n"), int64(0))
	f.Add([]byte("torn"), []byte(`{"t":1,"s":"stderr","p":"","m":""}`+"\n"), int64(7))
	f.Add([]byte(strings.Repeat("n", 200000)), []byte{}, int64(150000))
	f.Fuzz(func(t *testing.T, one, two []byte, offset int64) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "00000001.log"), one, 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "00000002.log"), two, 0o600))
		r := reader(t, dir)
		whole := all(t, r, logseg.Cursor{})
		for i, e := range whole {
			if len(e.Message) > logseg.MaxMessage || i > 0 && !whole[i-1].Cursor.Before(e.Cursor) {
				t.Fatalf("entry %d is %v", i, e)
			}
		}
		c, err := r.Tail(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		if got := all(t, r, c); len(got) > len(whole) {
			t.Fatalf("the tail has %d of %d records", len(got), len(whole))
		}
		if offset >= 0 {
			all(t, r, logseg.Cursor{Segment: 1, Offset: offset})
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	f.Add("1:2")
	f.Add("0:0")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := logseg.ParseCursor(s)
		if err != nil {
			return
		}
		if d, err := logseg.ParseCursor(c.String()); err != nil || d != c {
			t.Fatalf("%q became %v, then %v, %v", s, c, d, err)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
