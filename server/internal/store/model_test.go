package store_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// The reference model: all there ever was, in plain maps.
type model struct {
	states  []map[string]store.Row // after each revision; the index is the revision
	changes [][]string             // keys each revision changed
	eph     map[string]store.Row
}

// modelKey names a row as "kind id".
func modelKey(kind, id string) string { return kind + " " + id }

func newModel() *model {
	return &model{states: []map[string]store.Row{nil, {}}, changes: [][]string{nil, nil}, eph: map[string]store.Row{}}
}

func (m *model) revision() uint64 { return uint64(len(m.states) - 1) }

// commit records what a revision changed.
func (m *model) commit(after map[string]store.Row) {
	before := m.states[m.revision()]
	var changed []string
	for k := range allKeys(before, after) {
		if before[k] == nil || after[k] == nil || !proto.Equal(before[k], after[k]) {
			changed = append(changed, k)
		}
	}
	m.states = append(m.states, after)
	m.changes = append(m.changes, changed)
}

func allKeys(a, b map[string]store.Row) map[string]bool {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return keys
}

// want is what a client asked for.
type want struct {
	sels []store.Selector
}

func (w want) match(key string, row store.Row) bool {
	if row == nil {
		return false
	}
	kind, id, _ := strings.Cut(key, " ")
	if len(w.sels) == 0 {
		return true
	}
	for _, s := range w.sels {
		ok := (s.Kind == "" || s.Kind == kind) && (s.ID == "" || s.ID == id) && (s.Parent == "" || strings.HasPrefix(id, s.Parent+"/"))
		for k, v := range s.Labels {
			have, there := row.GetMeta().GetLabels()[k]
			ok = ok && there && have == v
		}
		if ok {
			return true
		}
	}
	return false
}

// expected answers what a revision means to a client: key to row, nil for a deletion.
func (m *model) expected(w want, rev uint64) map[string]store.Row {
	out := map[string]store.Row{}
	for _, k := range m.changes[rev] {
		before, after := m.states[rev-1][k], m.states[rev][k]
		switch {
		case w.match(k, after):
			out[k] = after
		case w.match(k, before):
			out[k] = nil
		}
	}
	return out
}

// client holds a watcher and what it made of it, and checks every promise on every batch.
type client struct {
	m      *model
	want   want
	hidden map[string]bool // kinds that may not be read
	moved  map[string]bool // kinds whose right has changed: what is held of them is from different times
	boot   string          // boot id last told
	told   bool            // it was told since the client connected
	w      *store.Watcher

	has      map[string]store.Row
	eph      map[string]store.Row
	seen     uint64 // everything up to here was handed out
	snapshot bool   // the snapshot is not complete
	marked   uint64 // newest bookmark
	text     string // it, as the store gave it out; empty: the client made up where it begins
	future   uint64 // a revision to come from which the client starts; it will have what is then
}

// arrive gives a client that waits for a revision what is there by then.
func (c *client) arrive() {
	if c.future == 0 || c.future > c.m.revision() {
		return
	}
	for k, r := range c.m.states[c.future] {
		if c.want.match(k, r) {
			c.has[k] = r
		}
	}
	c.has, c.future = c.visible(c.has), 0
}

func (c *client) visible(rows map[string]store.Row) map[string]store.Row {
	out := map[string]store.Row{}
	for k, r := range rows {
		if kind, _, _ := strings.Cut(k, " "); !c.hidden[kind] {
			out[k] = r
		}
	}
	return out
}

// passed is that there is nothing more: the cursor went over all revisions with the rights of now.
func (c *client) passed() error {
	if c.arrive(); c.snapshot || c.future > 0 {
		return nil
	}
	return c.check(nil, max(c.seen, c.m.revision()), store.Batch{})
}

// settled leaves out what is hidden or was for a while.
func (c *client) settled(rows map[string]store.Row) map[string]store.Row {
	out := c.visible(rows)
	maps.DeleteFunc(out, func(k string, _ store.Row) bool {
		kind, _, _ := strings.Cut(k, " ")
		return c.moved[kind]
	})
	return out
}

func (c *client) take(b store.Batch) error {
	c.arrive()
	if b.Boot != "" {
		if c.told {
			return fmt.Errorf("boot id %s twice in one call", b.Boot)
		}
		c.boot, c.told, c.eph = b.Boot, true, map[string]store.Row{}
	}
	if b.Snapshot != c.snapshot {
		return fmt.Errorf("snapshot %v where %v was due", b.Snapshot, c.snapshot)
	}
	got := map[uint64]map[string]store.Row{}
	last := c.seen
	for _, ch := range b.Changes {
		key := modelKey(ch.Kind, ch.ID)
		if c.hidden[ch.Kind] {
			return fmt.Errorf("%s leaked", key)
		}
		if ch.Ephemeral {
			if !c.told {
				return fmt.Errorf("ephemeral %s before the boot id", key)
			}
			if ch.Revision != 0 {
				return fmt.Errorf("ephemeral %s has revision %d", key, ch.Revision)
			}
			c.eph[key] = ch.Row
			if ch.Row == nil {
				delete(c.eph, key)
			}
			continue
		}
		if c.snapshot {
			if _, twice := c.has[key]; twice {
				return fmt.Errorf("%s twice in the snapshot", key)
			}
			c.has[key] = ch.Row
			continue
		}
		if ch.Revision <= c.seen {
			return fmt.Errorf("revision %d after everything up to %d", ch.Revision, c.seen)
		}
		if ch.Revision < last {
			return fmt.Errorf("revision %d after %d", ch.Revision, last)
		}
		last = ch.Revision
		if got[ch.Revision] == nil {
			got[ch.Revision] = map[string]store.Row{}
		}
		if _, twice := got[ch.Revision][key]; twice {
			return fmt.Errorf("%s twice in revision %d", key, ch.Revision)
		}
		got[ch.Revision][key] = ch.Row
		c.has[key] = ch.Row
		if ch.Row == nil {
			delete(c.has, key)
		}
	}
	if c.snapshot {
		return c.endPage(b)
	}
	upto := last
	if b.Bookmark {
		upto = b.Revision
	}
	return c.check(got, upto, b)
}

// endPage checks a page of the snapshot, and with the last one the whole.
func (c *client) endPage(b store.Batch) error {
	if !b.Bookmark {
		return nil
	}
	c.snapshot, c.seen, c.marked = false, b.Revision, b.Revision
	if b.Revision == 0 || b.Revision > c.m.revision() {
		return fmt.Errorf("snapshot of revision %d", b.Revision)
	}
	wanted := map[string]store.Row{}
	for k, r := range c.m.states[b.Revision] {
		if c.want.match(k, r) {
			wanted[k] = r
		}
	}
	return same(c.settled(wanted), c.settled(c.has))
}

// check holds the changes of revisions up to upto against the model: none left out, each whole.
func (c *client) check(got map[uint64]map[string]store.Row, upto uint64, b store.Batch) error {
	if b.Bookmark && b.Revision < c.marked {
		return fmt.Errorf("bookmark %d after %d", b.Revision, c.marked)
	}
	if upto > c.m.revision() && upto > c.seen {
		return fmt.Errorf("told of revision %d, there are %d", upto, c.m.revision())
	}
	for rev := c.seen + 1; rev <= upto; rev++ {
		if err := same(c.visible(c.m.expected(c.want, rev)), got[rev]); err != nil {
			return fmt.Errorf("revision %d: %w", rev, err)
		}
	}
	c.seen = max(c.seen, upto)
	if b.Bookmark {
		c.marked = b.Revision
	}
	return nil
}

func same(want, got map[string]store.Row) error {
	if len(want) != len(got) {
		return fmt.Errorf("%d rows, want %d: %v, want %v", len(got), len(want), slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for k, w := range want {
		g, there := got[k]
		if !there || (w == nil) != (g == nil) || w != nil && !proto.Equal(w, g) {
			return fmt.Errorf("%s is %v, want %v", k, g, w)
		}
	}
	return nil
}

// machine is the store under test beside the model.
type machine struct {
	dir     string
	opt     store.Options
	s       *store.Store
	m       *model
	clients []*client
}

var (
	modelIDs    = rapid.SampledFrom([]string{"a", "a/x", "a/y", "ab", "b", "b/x/deep"})
	modelLabels = rapid.SampledFrom([]map[string]string{nil, {"t": "1"}, {"t": "2"}, {"t": "1", "u": ""}})
	modelSels   = rapid.Custom(func(t *rapid.T) store.Selector {
		return store.Selector{
			Kind:   rapid.SampledFrom([]string{"", "operation", "artifact", "progress"}).Draw(t, "kind"),
			ID:     rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "id"),
			Parent: rapid.SampledFrom([]string{"", "", "a", "b/x"}).Draw(t, "parent"),
			Labels: rapid.SampledFrom([]map[string]string{nil, nil, {"t": "1"}, {"u": ""}}).Draw(t, "labels"),
		}
	})
)

// Commit writes a few rows in one commit and records in the model what the store made of them.
func (x *machine) Commit(t *rapid.T) {
	type call struct {
		del, op    bool
		id, target string
		labels     map[string]string
	}
	calls := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) call {
		return call{
			rapid.IntRange(0, 3).Draw(t, "del") == 0, rapid.Bool().Draw(t, "op"), modelIDs.Draw(t, "id"),
			rapid.SampledFrom([]string{"1", "2"}).Draw(t, "target"), modelLabels.Draw(t, "labels"),
		}
	}), 0, 5).Draw(t, "calls")
	after := map[string]store.Row{}
	rev, err := x.s.Update(t.Context(), noon, func(tx *store.Tx) error {
		for _, c := range calls {
			var err error
			meta := &metav1.Meta{Id: c.id, Labels: c.labels}
			switch {
			case c.del && c.op:
				err = store.Delete[op](tx, c.id)
			case c.del:
				err = store.Delete[*packagesv1.Artifact](tx, c.id)
			case c.op:
				err = store.Put(tx, &operationsv1.Operation{Meta: meta, Spec: &operationsv1.OperationSpec{Target: c.target}})
			default:
				err = store.Put(tx, &packagesv1.Artifact{Meta: meta, Spec: &packagesv1.ArtifactSpec{Title: c.target}})
			}
			if err != nil {
				return err
			}
		}
		return listAll(tx, after)
	})
	if err != nil {
		t.Fatal(err)
	}
	if rev == x.m.revision() {
		if err := same(x.m.states[rev], after); err != nil {
			t.Fatalf("a commit without a revision changed something: %v", err)
		}
		return
	}
	if rev != x.m.revision()+1 {
		t.Fatalf("revision %d after %d", rev, x.m.revision())
	}
	x.m.commit(after)
}

func listAll(tx *store.Tx, into map[string]store.Row) error {
	ops, err := store.List[op](tx, "")
	if err != nil {
		return err
	}
	ids, err := store.IDs[op](tx, "")
	if err != nil {
		return err
	}
	for i, r := range ops {
		into[modelKey("operation", r.GetMeta().GetId())] = r
		if len(ids) != len(ops) || ids[i] != r.GetMeta().GetId() {
			return fmt.Errorf("the ids of %d rows are %v", len(ops), ids)
		}
	}
	arts, err := store.List[*packagesv1.Artifact](tx, "")
	for _, r := range arts {
		into[modelKey("artifact", r.GetMeta().GetId())] = r
	}
	return err
}

// Ephemeral sets or drops a row that takes no revision.
func (x *machine) Ephemeral(t *rapid.T) {
	id := modelIDs.Draw(t, "id")
	key := modelKey("progress", id)
	if rapid.IntRange(0, 2).Draw(t, "drop") == 0 {
		store.DropEphemeral[*operationsv1.Progress](x.s, id)
		delete(x.m.eph, key)
		return
	}
	p := progress(id, rapid.Uint64Range(1, 3).Draw(t, "done"))
	p.Meta.Labels = modelLabels.Draw(t, "labels")
	store.SetEphemeral(x.s, p)
	x.m.eph[key] = p
}

// Connect adds a client: a new one, one at a revision that was or will be, or one that comes back with its bookmark.
func (x *machine) Connect(t *rapid.T) {
	c := &client{m: x.m, has: map[string]store.Row{}, eph: map[string]store.Row{}, snapshot: true, hidden: map[string]bool{}, moved: map[string]bool{}}
	c.want.sels = rapid.SliceOfN(modelSels, 0, 3).Draw(t, "selectors")
	if n := len(x.clients); n > 0 && rapid.Bool().Draw(t, "twin") {
		c.want.sels = x.clients[rapid.IntRange(0, n-1).Draw(t, "of")].want.sels
	}
	if rapid.IntRange(0, 3).Draw(t, "hide") == 0 {
		c.hidden["operation"] = true
	}
	from := uint64(0)
	switch rapid.IntRange(0, 2).Draw(t, "from") {
	case 1:
		from = rapid.Uint64Range(1, x.m.revision()+3).Draw(t, "revision")
		c.seen, c.marked, c.snapshot = from, from, false
		c.future = from
	case 2:
		if len(x.clients) > 0 {
			i := rapid.IntRange(0, len(x.clients)-1).Draw(t, "client")
			if old := x.clients[i]; !old.snapshot {
				*c = *old
				c.eph, c.told = maps.Clone(old.eph), false
				from = x.comeBack(t, c)
				c.seen = from
				c.has, c.hidden, c.moved = maps.Clone(old.has), maps.Clone(old.hidden), maps.Clone(old.moved)
				x.clients = slices.Delete(x.clients, i, i+1)
			}
		}
	}
	w, err := x.s.Watch(store.WatchOptions{
		Selectors: c.want.sels, From: from, PageSize: rapid.IntRange(1, 4).Draw(t, "page"), Readable: c.readable,
		OwnKinds: rapid.Bool().Draw(t, "own"),
	})
	if x.expired(t, from, err) {
		return
	}
	c.w = w
	x.clients = append(x.clients, c)
}

// expired tells whether err is the refusal of a cursor before the compaction point; any other error fails.
func (x *machine) expired(t *rapid.T, at uint64, err error) bool {
	if err == nil {
		return false
	}
	if !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) || at >= x.s.Compacted() {
		t.Fatalf("at %d, compacted %d: %v", at, x.s.Compacted(), err)
	}
	return true
}

// Read lets one client take one batch.
func (x *machine) Read(t *rapid.T) {
	if len(x.clients) == 0 {
		t.Skip("nobody watches")
	}
	i := rapid.IntRange(0, len(x.clients)-1).Draw(t, "client")
	x.read(t, x.clients[i])
}

// read answers false when there was nothing, or the client was cut off and is gone.
func (x *machine) read(t *rapid.T, c *client) bool {
	b, ready, err := c.w.Poll()
	if x.expired(t, c.at(), err) {
		x.clients = slices.DeleteFunc(x.clients, func(other *client) bool { return other == c })
		return false
	}
	if !ready {
		if err := c.passed(); err != nil {
			t.Fatalf("nothing was told: %v", err)
		}
		return false
	}
	if err := c.take(b); err != nil {
		t.Fatalf("%s: %v", told(b), err)
	}
	x.mark(c, b)
	return true
}

// mark gives a client the text of the bookmark it was told.
func (x *machine) mark(c *client, b store.Batch) {
	if b.Bookmark {
		c.text = x.s.EncodeBookmark(b.Revision, "")
	}
}

// comeBack reads a client's bookmark, which is good however often the server was restarted or killed since.
func (x *machine) comeBack(t *rapid.T, c *client) uint64 {
	if c.text == "" {
		return c.marked
	}
	at, err := x.s.DecodeBookmark(c.text, "")
	if x.expired(t, c.marked, err) {
		return c.marked
	}
	if at != c.marked {
		t.Fatalf("the bookmark of %d means %d", c.marked, at)
	}
	return at
}

// ReadTogether lets several clients take what one feed tells them.
func (x *machine) ReadTogether(t *rapid.T) {
	if len(x.clients) < 2 {
		t.Skip("no two watch")
	}
	some := rapid.Permutation(x.clients).Draw(t, "clients")
	some = some[:rapid.IntRange(2, len(some)).Draw(t, "number")]
	watchers := make([]*store.Watcher, len(some))
	for i, c := range some {
		watchers[i] = c.w
	}
	pieces, through, err := x.s.Feed(watchers...).Poll()
	if err != nil { // it ends all of them, and one of them rightly
		oldest := some[0].at()
		for _, c := range some {
			oldest = min(oldest, c.at())
		}
		x.expired(t, oldest, err)
		x.clients = slices.DeleteFunc(x.clients, func(c *client) bool { return slices.Contains(some, c) })
		return
	}
	told := map[*client]bool{}
	for _, p := range pieces {
		for _, i := range p.Watchers {
			c := some[i]
			if told[c] {
				t.Fatalf("client %d is told twice at once", i)
			}
			told[c] = true
			if err := c.take(p.Batch); err != nil {
				t.Fatalf("together with %d others: %v", len(p.Watchers)-1, err)
			}
			x.mark(c, p.Batch)
		}
	}
	for i, c := range some {
		switch {
		case told[c]:
		case !through(i): // it went over some revisions, with the rights of now
			x.read(t, c)
		default:
			if err := c.passed(); err != nil {
				t.Fatalf("nothing was told: %v", err)
			}
		}
	}
}

// at is a revision at or before the cursor, as far as a client can know.
func (c *client) at() uint64 { return c.seen }

// Rights gives or takes from a client the right to a kind while it watches.
func (x *machine) Rights(t *rapid.T) {
	if len(x.clients) == 0 {
		t.Skip("nobody watches")
	}
	c := x.clients[rapid.IntRange(0, len(x.clients)-1).Draw(t, "client")]
	kind := rapid.SampledFrom([]string{"operation", "artifact", "progress"}).Draw(t, "kind")
	c.hidden[kind] = !c.hidden[kind]
	c.moved[kind] = true
}

func (c *client) readable(kind *store.KindInfo, _ string) bool { return !c.hidden[kind.ID] }

// Crash leaves the files as they are when the process is killed, and goes on with a copy of them.
func (x *machine) Crash(t *rapid.T) {
	killed := x.dir
	x.dir = killed + "x"
	// Badger tidies up behind an opening: a copy is what a kill leaves if no file changed meanwhile.
	for again := true; again; {
		before := files(killed)
		err := errors.Join(os.RemoveAll(x.dir), copyTree(killed, x.dir))
		if again = before != files(killed); err != nil && !again {
			t.Fatal(err)
		}
	}
	x.reconnect(t)
	if err := os.RemoveAll(killed); err != nil {
		t.Fatal(err)
	}
}

// files tells which files are below a folder, and how large and old each is.
func files(dir string) string {
	var all strings.Builder
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			if info, err := d.Info(); err == nil {
				fmt.Fprintln(&all, path, info.Size(), info.ModTime().UnixNano())
			}
		}
		return nil
	})
	return all.String()
}

// copyTree copies files with their holes: Badger's are large and mostly empty.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.Mkdir(target, 0o700)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(target)
		if err != nil {
			return err
		}
		defer out.Close()
		info, err := in.Stat()
		if err != nil {
			return err
		}
		if err := out.Truncate(info.Size()); err != nil {
			return err
		}
		for at := int64(0); ; {
			begin, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
			if errors.Is(err, unix.ENXIO) {
				return nil
			}
			if err != nil {
				return err
			}
			if at, err = unix.Seek(int(in.Fd()), begin, unix.SEEK_HOLE); err != nil {
				return err
			}
			part := io.NewSectionReader(in, begin, at-begin)
			if _, err := io.Copy(io.NewOffsetWriter(out, begin), part); err != nil {
				return err
			}
		}
	})
}

// Reopen is a restart of the server.
func (x *machine) Reopen(t *rapid.T) { x.reconnect(t) }

// reconnect opens what is in the folder: clients must connect again, and what is ephemeral is gone.
func (x *machine) reconnect(t *rapid.T) {
	x.close(t)
	x.open(t)
	x.m.eph = map[string]store.Row{}
	for _, c := range slices.Clone(x.clients) {
		if c.snapshot {
			x.clients = slices.DeleteFunc(x.clients, func(other *client) bool { return other == c })
			continue
		}
		w, err := x.s.Watch(store.WatchOptions{Selectors: c.want.sels, From: x.comeBack(t, c), PageSize: 3, Readable: c.readable})
		if x.expired(t, c.marked, err) {
			x.clients = slices.DeleteFunc(x.clients, func(other *client) bool { return other == c })
			continue
		}
		c.w, c.seen, c.told = w, c.marked, false // what is ephemeral it holds until it is told of the new boot
	}
}

func (x *machine) open(t *rapid.T) {
	s, err := store.Open(x.dir, x.opt)
	if err != nil {
		t.Fatal(err)
	}
	x.s = s
}

func (x *machine) close(t *rapid.T) {
	if err := x.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Check lets every client catch up now and then: then it has exactly what is.
func (x *machine) Check(t *rapid.T) {
	if x.s.Revision() != x.m.revision() {
		t.Fatalf("revision %d, want %d", x.s.Revision(), x.m.revision())
	}
	now := map[string]store.Row{}
	if err := x.s.View(func(tx *store.Tx) error { return listAll(tx, now) }); err != nil {
		t.Fatal(err)
	}
	if err := same(x.m.states[x.m.revision()], now); err != nil {
		t.Fatalf("a view: %v", err)
	}
}

func (x *machine) CatchUp(t *rapid.T) {
	for _, c := range slices.Clone(x.clients) {
		for x.read(t, c) {
		}
		if c.arrive(); !slices.Contains(x.clients, c) || c.future > 0 {
			continue
		}
		rows, eph := map[string]store.Row{}, map[string]store.Row{}
		for k, r := range x.m.states[x.m.revision()] {
			if c.want.match(k, r) {
				rows[k] = r
			}
		}
		for k, r := range x.m.eph {
			if c.want.match(k, r) {
				eph[k] = r
			}
		}
		if err := same(c.settled(rows), c.settled(c.has)); err != nil {
			t.Fatalf("caught up: %v", err)
		}
		if err := same(c.settled(eph), c.settled(c.eph)); err != nil {
			t.Fatalf("caught up with what is ephemeral: %v", err)
		}
	}
}

// TestWatchKeepsItsPromises drives store and model with the same random calls. The promises: ordered, no gap, no
// duplicate, whole per revision, nothing older than the bookmark, a bookmark only after what it covers, a future revision
// waits, compaction is reported and never skipped, deletions are never lost; and hidden rows never leak.
func TestWatchKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("/dev/shm", "store")
		if err != nil {
			dir, err = os.MkdirTemp("", "store")
		}
		if err != nil {
			t.Fatal(err)
		}
		x := &machine{dir: dir, m: newModel(), opt: store.Options{
			MinFree:         1,
			RingSize:        rapid.SampledFrom([]int{1, 3, 50}).Draw(t, "ring"),
			RetainRevisions: rapid.SampledFrom([]uint64{4, 1000}).Draw(t, "retain"),
		}}
		defer func() { os.RemoveAll(x.dir) }()
		x.open(t)
		defer x.close(t)
		t.Repeat(map[string]func(*rapid.T){
			"commit": x.Commit, "commit more": x.Commit, "connect": x.Connect, "read": x.Read, "read more": x.Read, "read together": x.ReadTogether,
			"ephemeral": x.Ephemeral, "reopen": x.Reopen, "crash": x.Crash, "rights": x.Rights, "catch up": x.CatchUp, "": x.Check,
		})
		x.CatchUp(t)
	})
}

// The model must notice what it is there to notice.
func TestModelNoticesBrokenPromises(t *testing.T) {
	t.Parallel()
	m := newModel()
	r := func(id string) store.Row { return row(id, "") }
	m.commit(map[string]store.Row{"operation a": r("a"), "operation b": r("b")})
	m.commit(map[string]store.Row{"operation b": r("b")})
	put := func(rev uint64, id string) store.Change {
		return store.Change{Revision: rev, Kind: "operation", ID: id, Row: r(id)}
	}
	gone := store.Change{Revision: 3, Kind: "operation", ID: "a"}
	for name, batches := range map[string][]store.Batch{
		"torn revision":       {{Changes: []store.Change{put(2, "a")}}},
		"gap":                 {{Changes: []store.Change{gone}}},
		"lost deletion":       {{Changes: []store.Change{put(2, "a"), put(2, "b")}, Bookmark: true, Revision: 3}},
		"duplicate":           {{Changes: []store.Change{put(2, "a"), put(2, "b")}}, {Changes: []store.Change{put(2, "a"), put(2, "b")}}},
		"disorder":            {{Changes: []store.Change{gone, put(2, "a"), put(2, "b")}}},
		"early bookmark":      {{Bookmark: true, Revision: 2}},
		"older than bookmark": {{Changes: []store.Change{put(1, "a")}}},
		"snapshot again":      {{Snapshot: true}},
		"future":              {{Changes: []store.Change{put(2, "a"), put(2, "b"), gone}, Bookmark: true, Revision: 4}},
	} {
		c := &client{m: m, has: map[string]store.Row{}, eph: map[string]store.Row{}, seen: 1, marked: 1}
		var err error
		for _, b := range batches {
			if e := c.take(b); e != nil {
				err = e
			}
		}
		if err == nil {
			t.Errorf("%s was not noticed", name)
		}
	}
	c := &client{m: m, has: map[string]store.Row{}, eph: map[string]store.Row{}, seen: 1, marked: 1}
	if err := c.take(store.Batch{Changes: []store.Change{put(2, "a"), put(2, "b"), gone}, Bookmark: true, Revision: 3}); err != nil {
		t.Errorf("a good batch: %v", err)
	}
	if diff := cmp.Diff([]string{"operation b"}, slices.Sorted(maps.Keys(c.has))); diff != "" {
		t.Error(diff)
	}
}
