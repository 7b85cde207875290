package merkle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/hearthos/hearth/api/merkle"
	"pgregory.net/rapid"
)

func source(content string) merkle.Source {
	return merkle.Source{Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// write builds a file that begins with start bytes of another party and then holds the tree.
func write(t rapid.TB, files map[string]string, start int) ([]byte, merkle.Root) {
	t.Helper()
	b := merkle.NewBuilder()
	for path, content := range files {
		if err := b.Add(path, source(content)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Seal(context.Background()); err != nil {
		t.Fatal(err)
	}
	return lay(t, b, start)
}

func lay(t rapid.TB, b *merkle.Builder, start int) ([]byte, merkle.Root) {
	t.Helper()
	plan, err := b.Plan(int64(start), nil)
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.NewBuffer(make([]byte, start))
	if err := plan.Write(context.Background(), out); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != plan.End {
		t.Fatalf("wrote %d bytes, planned %d", out.Len(), plan.End)
	}
	return out.Bytes(), plan.Root
}

func read(file []byte, root merkle.Root) (*merkle.Archive, error) {
	return merkle.Read(bytes.NewReader(file), int64(len(file)), root, merkle.Limits{})
}

func TestSmallTreeHasTheKnownBytes(t *testing.T) {
	t.Parallel()
	file, root := write(t, map[string]string{"a/b.txt": "hello", "foo": "bar"}, 155)
	if len(file) != 332 || root.MaxSize != 113 || root.Length != 113 ||
		root.Sighash.Hex() != "403e625cad76486684a2d67de3dbd4ee2b57b09fde7f958e481f3bc61e9aeeb4" {
		t.Fatalf("%d bytes, %+v", len(file), root)
	}
	a, err := read(file, root)
	if err != nil {
		t.Fatal(err)
	}
	dir, ok := a.Lookup("a")
	if !ok || dir.Size != 56 || dir.Hash.Hex() != "88ed196d3cf280fadf5ca67899d2ff9505aaeb798ac96aec2afda4901727eccd" {
		t.Fatalf("%+v", dir)
	}
	for path, offset := range map[string]int64{"foo": 324, "a/b.txt": 327} {
		if s, err := a.Section(path); err != nil || s.Offset != offset {
			t.Errorf("%s: %+v, %v", path, s, err)
		}
	}
}

func drawFiles(t *rapid.T) map[string]string {
	path := rapid.StringMatching(`[a-c]{1,2}(/[d-f]{1,2}){0,3}`)
	files := make(map[string]string)
	for _, p := range rapid.SliceOfN(path, 0, 12).Draw(t, "paths") {
		taken := slices.ContainsFunc(slices.Collect(keys(files)), func(other string) bool {
			return p == other || strings.HasPrefix(p, other+"/") || strings.HasPrefix(other, p+"/")
		})
		if !taken {
			files[p] = rapid.StringN(0, 50, -1).Draw(t, "content")
		}
	}
	return files
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		files := drawFiles(t)
		file, root := write(t, files, rapid.IntRange(0, 600).Draw(t, "start"))
		again, _ := write(t, files, int(root.Reserved))
		if !bytes.Equal(file, again) {
			t.Fatal("the same files gave different bytes")
		}
		a, err := read(file, root)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.VerifyAll(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		for e := range a.All() {
			if e.Kind == merkle.File {
				content, err := a.ReadFile(e.Path, e.Size)
				if err != nil {
					t.Fatal(err)
				}
				got[e.Path] = string(content)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(files) {
			t.Fatalf("%v became %v", files, got)
		}
	})
}

func TestFilteredCopyKeepsTheSighash(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		files := drawFiles(t)
		file, root := write(t, files, 155)
		a, err := read(file, root)
		if err != nil {
			t.Fatal(err)
		}
		dropped := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "dropped")
		copied, newRoot := lay(t, a.Rewrite(func(path string) bool { return !strings.HasPrefix(path, dropped) }), 155)
		if newRoot.Sighash != root.Sighash || newRoot.MaxSize != root.MaxSize || len(copied) > len(file) {
			t.Fatalf("%+v became %+v", root, newRoot)
		}
		b, err := read(copied, newRoot)
		if err != nil {
			t.Fatal(err)
		}
		for path, content := range files {
			got, err := b.ReadFile(path, 1000)
			switch {
			case strings.HasPrefix(path, dropped):
				if merkle.ReasonOf(err) != merkle.NotFound {
					t.Fatalf("dropped %s: %q, %v", path, got, err)
				}
			case err != nil || string(got) != content:
				t.Fatalf("kept %s: %q, %v", path, got, err)
			}
		}
	})
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	// No file is empty here: the position of an empty one says nothing, so a change of it is harmless.
	files := map[string]string{"a/b.txt": "hello", "foo": "bar"}
	file, root := write(t, files, 0)
	for i := range file {
		for _, flip := range []byte{1, 0x80} {
			damaged := bytes.Clone(file)
			damaged[i] ^= flip
			a, err := read(damaged, root)
			if err == nil {
				err = a.VerifyAll(context.Background(), nil)
			}
			// Positions and kinds are not signed; a change there may only ever lose members or refuse.
			if err == nil && holds(a, files) {
				t.Errorf("byte %d changed by %#x goes unnoticed", i, flip)
			}
			if err != nil && merkle.ReasonOf(err) == "" {
				t.Errorf("byte %d: no reason in %v", i, err)
			}
		}
	}
	for cut := range len(file) {
		if a, err := read(file[:cut], root); err == nil {
			t.Errorf("cut to %d bytes it opens with %v", cut, slices.Collect(a.All()))
		}
	}
}

func holds(a *merkle.Archive, files map[string]string) bool {
	for path, content := range files {
		if got, err := a.ReadFile(path, 100); err != nil || string(got) != content {
			return false
		}
	}
	return true
}

func TestReaderHoldsTheLastChunkBack(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789abcdef", 60_000)
	file, root := write(t, map[string]string{"big": content, "small": "tiny"}, 0)
	a, err := read(file, root)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Open("big")
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(r, []byte(content)); err != nil {
		t.Fatal(err)
	}
	at, err := a.Section("big")
	if err != nil {
		t.Fatal(err)
	}
	for _, offset := range []int64{0, at.Size / 2, at.Size - 1} {
		damaged := bytes.Clone(file)
		damaged[at.Offset+offset] ^= 4
		a, err := read(damaged, root)
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Open("big")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if merkle.ReasonOf(err) != merkle.HashMismatch || int64(len(got)) >= at.Size {
			t.Errorf("damage at %d: %d of %d bytes were given, %v", offset, len(got), at.Size, err)
		}
		if _, err := r.Read(make([]byte, 1)); merkle.ReasonOf(err) != merkle.HashMismatch {
			t.Errorf("reading on gives %v", err)
		}
	}
}

func TestSmallDamagedFileGivesNothing(t *testing.T) {
	t.Parallel()
	file, root := write(t, map[string]string{"small": "tiny"}, 0)
	file[len(file)-1] ^= 1
	a, err := read(file, root)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Open("small")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || merkle.ReasonOf(err) != merkle.HashMismatch {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if _, err := a.ReadFile("small", 10); merkle.ReasonOf(err) != merkle.HashMismatch {
		t.Fatal(err)
	}
}

func TestFailingMediumIsNoFaultOfThePackage(t *testing.T) {
	t.Parallel()
	file, root := write(t, map[string]string{"a": "content"}, 0)
	broken := errors.New("bad sector")
	_, err := merkle.Read(failing{broken}, int64(len(file)), root, merkle.Limits{})
	if merkle.ReasonOf(err) != merkle.Unreadable || !errors.Is(err, broken) {
		t.Fatal(err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// slow takes a second for each read, as a server far away does.
type slow struct{ io.ReaderAt }

func (s slow) ReadAt(p []byte, at int64) (int, error) {
	time.Sleep(time.Second)
	return s.ReaderAt.ReadAt(p, at)
}

func TestVerifyAllReportsProgressAndStops(t *testing.T) {
	t.Parallel()
	file, root := write(t, map[string]string{"a": strings.Repeat("x", 1<<20), "b": "y"}, 0)
	synctest.Test(t, func(t *testing.T) {
		a, err := merkle.Read(slow{bytes.NewReader(file)}, int64(len(file)), root, merkle.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var last, total int64
		steps := 0
		err = a.VerifyAll(t.Context(), func(done, of int64) {
			if done < last {
				t.Errorf("progress went from %d to %d", last, done)
			} else if done > last {
				steps++
			}
			last, total = done, of
		})
		if err != nil || last != total || total != 1<<20+1 || steps < 4 {
			t.Fatalf("%d of %d in %d steps, %v", last, total, steps, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("enough")
		err = a.VerifyAll(ctx, func(int64, int64) { cancel(stop) })
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
	})
}

func TestLookupsOfOtherThingsHaveReasons(t *testing.T) {
	t.Parallel()
	file, root := write(t, map[string]string{"d/f": "x", "d/e": "y"}, 0)
	a, err := read(file, root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]merkle.Reason{"d": merkle.NotFile, "": merkle.NotFile, "x": merkle.NotFound, "d/": merkle.NotFound, "/d/f": merkle.NotFound} {
		if _, err := a.Open(path); merkle.ReasonOf(err) != want {
			t.Errorf("Open(%q): %v", path, err)
		}
	}
	if _, err := a.ReadFile("d/f", 0); merkle.ReasonOf(err) != merkle.TooLarge {
		t.Error(err)
	}
	if got := a.Children("d"); len(got) != 2 || got[0].Path != "d/e" {
		t.Errorf("%v", got)
	}
}

func TestBuilderRefusesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "a/", "/a", "a//b", "..", "a/../b", "a\x00", "a\\b", "\xff", strings.Repeat("n", 256), "a/b/c/d/e/f/g/h/i"} {
		if err := merkle.NewBuilder().Add(path, source("")); merkle.ReasonOf(err) == "" {
			t.Errorf("Add(%q): %v", path, err)
		}
	}
	b := merkle.NewBuilder()
	for _, step := range []struct {
		path string
		ok   bool
	}{{"a/b", true}, {"a/b", false}, {"a", false}, {"a/b/c", false}, {"a/c", true}} {
		if err := b.Add(step.path, source("")); (err == nil) != step.ok {
			t.Errorf("Add(%q): %v", step.path, err)
		}
	}
}

func TestSourcesThatLieAreNoticed(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int64{"more": 3, "less": 5} {
		b := merkle.NewBuilder()
		if err := b.Add("f", merkle.Source{Size: size, Open: source("four").Open}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Seal(context.Background()); err == nil {
			t.Errorf("a source with %s bytes than announced was sealed", name)
		}
	}
	b, opened := merkle.NewBuilder(), 0
	err := b.Add("f", merkle.Source{Size: 1, Open: func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader(fmt.Sprint(opened))), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Seal(context.Background()); err != nil {
		t.Fatal(err)
	}
	plan, err := b.Plan(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Write(context.Background(), io.Discard); merkle.ReasonOf(err) != merkle.HashMismatch {
		t.Fatal(err)
	}
}

// The hash that many cores make together is that of the library everybody else uses, whatever the size.
func TestVerifyingHashesFilesOfEverySizeAsTheyWereSigned(t *testing.T) {
	t.Parallel()
	b := merkle.NewBuilder()
	content := make([]byte, 9<<20)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	// Hashing goes by 16 KiB, reading by 256 KiB, handing out by 8 MiB.
	for _, unit := range []int{1, 64, 1 << 10, 2 << 10, 16 << 10, 48 << 10, 256 << 10, 768 << 10, 8 << 20} {
		for _, off := range []int{-1, 0, 1, 700} {
			size := unit + off
			if err := b.Add(fmt.Sprintf("%d+%d", unit, off), merkle.Source{Size: int64(size), Open: func() (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(content[:size])), nil
			}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := b.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	plan, err := b.Plan(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := plan.Write(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	a, err := merkle.Read(bytes.NewReader(file.Bytes()), int64(file.Len()), plan.Root, merkle.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.VerifyAll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	damaged := file.Bytes()
	for e := range a.All() {
		at, err := a.Section(e.Path)
		if err != nil || at.Size == 0 {
			continue
		}
		damaged[at.Offset+at.Size-1] ^= 1
		b, err := merkle.Read(bytes.NewReader(damaged), int64(len(damaged)), plan.Root, merkle.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.VerifyAll(t.Context(), nil); merkle.ReasonOf(err) != merkle.HashMismatch {
			t.Errorf("%s with its last byte changed: %v", e.Path, err)
		}
		damaged[at.Offset+at.Size-1] ^= 1
	}
}

// Bytes of a file of the system are hashed where they lie; one that is cut meanwhile is told like any other.
func TestFileThatIsCutAfterItWasOpenedIsTruncated(t *testing.T) {
	t.Parallel()
	raw, root := write(t, map[string]string{"a": strings.Repeat("a", 17<<20), "b": strings.Repeat("b", 40_000)}, 10)
	f, err := os.Create(filepath.Join(t.TempDir(), "package"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(raw); err != nil {
		t.Fatal(err)
	}
	a, err := merkle.Read(f, int64(len(raw)), root, merkle.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.VerifyAll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{int64(len(raw)) - 1, 16 << 20, 9 << 20, 1 << 20, 4096, 0} {
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		if err := a.VerifyAll(t.Context(), nil); merkle.ReasonOf(err) != merkle.Truncated && (size < int64(len(raw))-4096 || merkle.ReasonOf(err) != merkle.HashMismatch) {
			t.Errorf("cut to %d bytes: %v", size, err)
		}
	}
}
