package merkle

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
)

// forge lays nodes out as an attacker with a valid key could: hashes are right, everything else is as the case says.
func forge(root *node) (file []byte, r Root) {
	const start = 64
	root.kind, root.position = Dir, start
	forgeHashes(root)
	next := start + root.length
	for n := range root.all() {
		if n == root || n.kind == Missing {
			continue
		}
		if n.position == 0 {
			n.position = next
			next += max(n.extent(), 0)
		}
	}
	file = make([]byte, next)
	for n := range root.all() {
		if n.kind == Dir && n.position >= 0 && n.position+n.length <= int64(len(file)) {
			copy(file[n.position:], n.appendTable(nil))
		}
	}
	return file, Root{Sighash: root.hash, MaxSize: root.size, Position: root.position, Length: root.length, Reserved: start}
}

func forgeHashes(n *node) {
	if n.kind != Dir {
		if n.size >= 0 && n.size < 1<<20 {
			n.hash = Sum(make([]byte, n.size))
		}
		return
	}
	for _, c := range n.children {
		forgeHashes(c)
	}
	n.length = n.tableLength()
	if n.size == 0 {
		n.size = n.length
	}
	n.hash = n.sighash()
}

func file(name string, size int64) *node { return &node{name: name, kind: File, size: size} }

func dir(name string, children ...*node) *node {
	return &node{name: name, kind: Dir, children: children}
}

func at(position int64, n *node) *node {
	n.position = position
	return n
}

func nested(levels int) *node {
	n := dir("bottom", file("f", 1))
	for i := range levels {
		n = dir(fmt.Sprint(i), n)
	}
	return n
}

func many(n int) *node {
	d := dir("")
	for i := range n {
		d.children = append(d.children, &node{name: fmt.Sprint(i)})
	}
	return d
}

func TestHostileTreesAreRefusedWithTheirReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		root *node
		want Reason
	}{
		{"honest", dir("", dir("d", file("f", 3)), file("g", 4), &node{name: "left out", size: 9}), ""},
		{"empty directory", dir("", dir("d")), ""},
		{"largest signed size of a missing entry", dir("", &node{name: "m", size: 1<<63 - 1}), ""},
		{"same name twice", dir("", file("f", 1), file("f", 2)), DuplicateName},
		{"same name once missing", dir("", file("f", 1), &node{name: "f"}), DuplicateName},
		{"separator in a name", dir("", file("a/b", 1)), BadName},
		{"backslash in a name", dir("", file(`a\b`, 1)), BadName},
		{"parent as a name", dir("", dir("..", file("f", 1))), BadName},
		{"dot as a name", dir("", file(".", 1)), BadName},
		{"empty name", dir("", file("", 1)), BadName},
		{"NUL in a name", dir("", file("a\x00", 1)), BadName},
		{"name that is not UTF-8", dir("", file("\xc3\x28", 1)), BadName},
		{"endless name", dir("", file(strings.Repeat("n", 256), 1)), BadName},
		{"deepest allowed", dir("", nested(6)), ""},
		{"too deep", dir("", nested(7)), TooDeep},
		{"too many entries", many(DefaultLimits().Entries + 1), TooManyEntries},
		{"two files in the same place", dir("", at(200, file("a", 4)), at(203, file("b", 4)), file("pad", 400)), Overlap},
		{"empty files in the same place", dir("", at(64, file("a", 0)), at(64, file("b", 0))), ""},
		{"file over the header", dir("", at(60, file("a", 4)), file("pad", 10)), Overlap},
		{"file into the root table", dir("", at(60, file("a", 5))), Overlap},
		{"file past the end", dir("", at(1<<40, file("a", 5))), Truncated},
		{"file of endless size", dir("", at(70, file("a", 1<<62))), Truncated},
		{"position that wraps around", dir("", at(1<<63-1, file("a", 1<<63-1))), Truncated},
		{"table past the end", dir("", at(1<<40, dir("a", file("b", 1)))), Truncated},
		{"negative size", dir("", file("a", -1)), Malformed},
		{"negative position", dir("", at(-1, file("a", 1))), Malformed},
		{"table longer than signed", dir("", &node{name: "d", kind: Dir, size: 1, children: []*node{file("f", 1)}}), TooLarge},
		{"directory that holds itself", dir("", &node{name: "d", kind: Dir, position: 64, size: 1 << 10}), HashMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, root := forge(c.root)
			if c.name == "directory that holds itself" {
				c.root.children[0].length = c.root.length
				copy(data[64:], c.root.appendTable(nil))
			}
			a, err := Read(bytes.NewReader(data), int64(len(data)), root, Limits{})
			if got := ReasonOf(err); got != c.want {
				t.Fatalf("got %q (%v), want %q", got, err, c.want)
			}
			if err != nil && len(err.Error()) > 600 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			if err == nil {
				if err := a.VerifyAll(context.Background(), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestRootIsHeldAgainstItsSigner(t *testing.T) {
	t.Parallel()
	data, root := forge(dir("", file("f", 1)))
	for name, c := range map[string]struct {
		change func(*Root)
		want   Reason
	}{
		"other hash":         {func(r *Root) { r.Sighash[0]++ }, HashMismatch},
		"longer than signed": {func(r *Root) { r.MaxSize-- }, TooLarge},
		"past the end":       {func(r *Root) { r.Position = 1 << 50 }, Truncated},
		"empty":              {func(r *Root) { r.Length = 0 }, Malformed},
		"cut short":          {func(r *Root) { r.Length-- }, Malformed},
		"one byte more":      {func(r *Root) { r.Length++; r.MaxSize++ }, Malformed},
		"giant":              {func(r *Root) { r.Length, r.MaxSize = 1<<40, 1<<40 }, TooLarge},
		"inside the header":  {func(r *Root) { r.Reserved = r.Position + 1 }, Overlap},
	} {
		changed := root
		c.change(&changed)
		if _, err := Read(bytes.NewReader(data), int64(len(data)), changed, Limits{}); ReasonOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func FuzzTable(f *testing.F) {
	honest := dir("", dir("d", file("f", 3)), file("g", 4), &node{name: "left out", size: 9})
	_, _ = forge(honest)
	f.Add(honest.appendTable(nil))
	f.Add([]byte{0})
	f.Add([]byte{0x80, 0})
	f.Fuzz(func(t *testing.T, table []byte) {
		root := &node{kind: Dir}
		entries := 0
		if err := root.parseTable(table, DefaultLimits(), &entries); err != nil {
			if ReasonOf(err) == "" {
				t.Fatalf("no reason in %v", err)
			}
			return
		}
		if got := root.appendTable(nil); !bytes.Equal(got, table) || root.tableLength() != int64(len(table)) {
			t.Fatalf("%x was read and written as %x", table, got)
		}
	})
}

// FuzzRead lets the fuzzer choose the whole file behind a root whose hash always fits, which is what a hostile signer can
// do; nothing it finds may give bytes that are not what the tree says.
func FuzzRead(f *testing.F) {
	data, root := forge(dir("", dir("d", file("f", 3)), file("g", 4), &node{name: "left out", size: 9}))
	f.Add(data, uint16(root.Position), uint16(root.Length))
	f.Fuzz(func(t *testing.T, data []byte, position, length uint16) {
		top := &node{kind: Dir}
		entries := 0
		root := Root{Position: int64(position), Length: int64(length), MaxSize: int64(length), Reserved: 64}
		if end := int(position) + int(length); end <= len(data) {
			if top.parseTable(data[position:end], DefaultLimits(), &entries) == nil {
				root.Sighash = top.sighash()
			}
		}
		a, err := Read(bytes.NewReader(data), int64(len(data)), root, Limits{})
		if err != nil {
			if ReasonOf(err) == "" {
				t.Fatalf("no reason in %v", err)
			}
			return
		}
		for e := range a.All() {
			if e.Kind != File {
				continue
			}
			if content, err := a.ReadFile(e.Path, e.Size); err == nil && (Sum(content) != e.Hash || int64(len(content)) != e.Size) {
				t.Fatalf("%q gave other bytes than signed", e.Path)
			}
		}
	})
}
