package s9pk_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/hearthos/hearth/api/s9pk"
)

// damaged is a package file with one thing wrong.
type damaged struct {
	name string
	raw  []byte
}

// region is a part of a package file.
type region struct {
	name       string
	start, end int
}

// anatomy answers the regions of a package file, and where the sizes and positions in its tables are.
func anatomy(t testing.TB, raw []byte) (regions []region, numbers []int) {
	t.Helper()
	regions = []region{{"key", 3, 35}, {"signature", 35, 99}, {"sighash", 99, 131}, {"maxsize", 131, 139}, {"root position", 139, 147}, {"root length", 147, 155}}
	numbers = []int{131, 139, 147}
	var table func(name string, start, end int)
	table = func(name string, start, end int) {
		regions = append(regions, region{name + " table", start, end})
		count, n := binary.Uvarint(raw[start:])
		at := start + n
		for range count {
			length, n := binary.Uvarint(raw[at:])
			path := name + "/" + string(raw[at+n:at+n+int(length)])
			at += n + int(length) + 32
			size, kind := int(binary.BigEndian.Uint64(raw[at:])), raw[at+8]
			numbers = append(numbers, at)
			at += 9
			if kind == 0 {
				continue
			}
			position := int(binary.BigEndian.Uint64(raw[at:]))
			if size > 0 { // where nothing lies means nothing
				numbers = append(numbers, at)
			}
			at += 8
			if kind == 1 {
				regions = append(regions, region{path, position, position + size})
				continue
			}
			numbers = append(numbers, at)
			table(path, position, position+int(binary.BigEndian.Uint64(raw[at:])))
			at += 8
		}
	}
	root, length := int(binary.BigEndian.Uint64(raw[139:])), int(binary.BigEndian.Uint64(raw[147:]))
	table("", root, root+length)
	return regions, numbers
}

// damage makes the corpus: bits changed in every region, files cut short at many places, and lies about every size and
// position, with the header as it was and signed anew. The same packages give the same corpus.
func damage(t testing.TB) []damaged {
	t.Helper()
	var corpus []damaged
	for _, name := range packages {
		raw := testdata(t, name)
		regions, numbers := anatomy(t, raw)
		add := func(what string, change func([]byte) []byte) {
			corpus = append(corpus, damaged{name + ": " + what, change(bytes.Clone(raw))})
		}
		for i, r := range regions {
			for k := range 3 {
				if r.start == r.end {
					continue
				}
				at := r.start + (k*7919+i*104729)%(r.end-r.start)
				bit := byte(1) << ((k*3 + i) % 8)
				add(fmt.Sprintf("bit %#x of byte %d of %s changed", bit, at-r.start, r.name), func(b []byte) []byte { b[at] ^= bit; return b })
			}
		}
		add("bytes added at the end", func(b []byte) []byte { return append(b, 0) })
		for k := range 24 {
			n := k * len(raw) / 24
			add(fmt.Sprintf("cut to %d bytes", n), func(b []byte) []byte { return b[:n] })
		}
		for _, at := range numbers {
			old := binary.BigEndian.Uint64(raw[at:])
			for _, lie := range []uint64{0, old + 1, old - 1, uint64(len(raw)), 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
				if lie == old {
					continue
				}
				what := fmt.Sprintf("%d said to be %d at byte %d", old, lie, at)
				add(what, func(b []byte) []byte { binary.BigEndian.PutUint64(b[at:], lie); return b })
				// A signer may allow for a larger table than there is.
				if at == 131 && (lie < old || lie > s9pk.MaxRootTable) {
					add(what+" and signed", func(b []byte) []byte { binary.BigEndian.PutUint64(b[at:], lie); return resign(t, b) })
				}
			}
		}
	}
	return corpus
}

// counting is a file that notes how it is read.
type counting struct {
	raw []byte
	mu  sync.Mutex
	// total is how much was asked for, largest the most at once; beyond tells of a read that goes more than the one byte
	// behind the end that tells whether there is one.
	total, largest int
	beyond         bool
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	c.total += len(p)
	c.largest = max(c.largest, len(p))
	c.beyond = c.beyond || off < 0 || off > int64(len(c.raw)) || int64(len(p)) > int64(len(c.raw))-off+1
	c.mu.Unlock()
	return bytes.NewReader(c.raw).ReadAt(p, off)
}

// verify does all that can be done to find something wrong with a file.
func verify(t testing.TB, f *s9pk.File) error {
	t.Helper()
	if err := f.VerifyAll(t.Context(), nil); err != nil {
		return err
	}
	return f.CheckNoMore()
}

func TestEveryDamagedFileIsRefusedAndReadNoFurtherThanItGoes(t *testing.T) {
	t.Parallel()
	corpus := damage(t)
	if len(corpus) < 200 {
		t.Fatalf("the corpus has %d files", len(corpus))
	}
	reasons := map[s9pk.Reason]int{}
	for _, d := range corpus {
		file := &counting{raw: d.raw}
		size := int64(len(d.raw))
		f, err := s9pk.Open(file, size, s9pk.Options{})
		inTables := file.total
		if err == nil {
			err = verify(t, f)
		}
		switch reason := s9pk.ReasonOf(err); {
		case !slices.Contains(s9pk.Reasons(), reason):
			t.Errorf("%s: %v", d.name, err)
		case reason == s9pk.Unreadable:
			t.Errorf("%s: blamed on the medium: %v", d.name, err)
		default:
			reasons[reason]++
		}
		// Nothing lies behind the end, no byte of the tables is read twice, and every member is read at most once again.
		if file.beyond || int64(inTables) > size || int64(file.total) > 2*size {
			t.Errorf("%s: read %d bytes of %d (beyond the end: %t)", d.name, file.total, size, file.beyond)
		}
	}
	t.Logf("%d files: %v", len(corpus), reasons)
	for _, want := range []s9pk.Reason{s9pk.NotPackage, s9pk.BadSignature, s9pk.Truncated, s9pk.Malformed, s9pk.Overlap, s9pk.TooLarge, s9pk.HashMismatch} {
		if reasons[want] == 0 {
			t.Errorf("no file of the corpus is refused with %s", want)
		}
	}
}

// A stream that ends where a lie begins must not make the reader wait or ask for more either.
func TestDamagedFilesAreRefusedWhenTheirLengthIsUnknown(t *testing.T) {
	t.Parallel()
	for _, d := range damage(t) {
		f, err := s9pk.Open(endless{bytes.NewReader(d.raw)}, 1<<40, s9pk.Options{})
		if err == nil {
			err = verify(t, f)
		}
		if reason := s9pk.ReasonOf(err); !slices.Contains(s9pk.Reasons(), reason) || reason == s9pk.Unreadable {
			t.Errorf("%s: %v", d.name, err)
		}
	}
}

// endless refuses to be asked for much, as memory would.
type endless struct{ io.ReaderAt }

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	if len(p) > 1<<20 {
		return 0, fmt.Errorf("asked for %d bytes at once", len(p))
	}
	return e.ReaderAt.ReadAt(p, off)
}
