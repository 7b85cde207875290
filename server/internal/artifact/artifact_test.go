package artifact_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/artifact"
	"github.com/hearthos/hearth/server/internal/store"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

type world struct {
	*artifact.Keeper
	t     *testing.T
	dir   string
	store *store.Store
	now   time.Time
	// converts plays the program that converts files.
	converts artifact.Converter
}

func (w *world) convert(ctx context.Context, from, to, architecture, key string) error {
	return w.converts(ctx, from, to, architecture, key)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "artifacts"), store: st, now: time.Now()}
	w.boot()
	return w
}

// boot makes the keeper anew, as a daemon that starts does.
func (w *world) boot() {
	w.t.Helper()
	var err error
	if w.Keeper, err = artifact.New(w.dir, "x86_64", w.store, w.convert, slog.New(slog.DiscardHandler), func() time.Time { return w.now }); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Sweep(); err != nil {
		w.t.Fatal(err)
	}
}

// sampleFor is a whole package file for x86_64, made for the system version given.
func sampleFor(t testing.TB, system string) []byte { return sampleWith(t, system, nil) }

// sampleWith is one in which files, by their paths, stand in place of those of the sample.
func sampleWith(t testing.TB, system string, files map[string][]byte) []byte {
	t.Helper()
	raw, err := os.ReadFile("../../../api/s9pk/testdata/packed-order.s9pk")
	if err != nil {
		t.Fatal(err)
	}
	file, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]merkle.Source{}
	for e := range file.All() {
		if e.Kind == merkle.File {
			content, err := file.ReadFile(e.Path, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			members[e.Path] = s9pk.FromBytes(content)
		}
	}
	for path, content := range files {
		members[path] = s9pk.FromBytes(content)
	}
	var manifest map[string]any
	if err := json.Unmarshal(file.ManifestJSON(), &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["osVersion"] = system
	changed, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, err = s9pk.Build(t.Context(), &out, s9pk.BuildInput{Manifest: changed, Members: members, Key: sign.FromSeed([32]byte{7})})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func sample(t testing.TB) []byte { return sampleFor(t, "0.4.0-beta.9") }

// upload uploads what arrives of a file of that size.
func (w *world) upload(size int, arrives []byte) string {
	w.t.Helper()
	ticket, err := w.Uploads().Create(uint64(size))
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := w.Uploads().Open(ticket)
	if err != nil {
		w.t.Fatal(err)
	}
	defer u.Close()
	if n, err := u.Append(bytes.NewReader(arrives)); err != nil || n != int64(min(len(arrives), size)) {
		w.t.Fatalf("%d bytes taken: %v", n, err)
	}
	return ticket
}

func quiet(uint64, uint64) {}

// claimant is the id of the operation for which the tests claim an upload.
func claimant(ticket string) string { return "01" + ticket[:24] }

// claim claims an upload and answers the operation it is for.
func (w *world) claim(ticket string) string {
	w.t.Helper()
	if err := w.Claim(ticket, claimant(ticket)); err != nil {
		w.t.Fatal(err)
	}
	return claimant(ticket)
}

func (w *world) take(ticket string) *packagesv1.Artifact {
	w.t.Helper()
	row, err := w.Take(w.t.Context(), claimant(ticket), quiet)
	if err != nil {
		w.t.Fatal(err)
	}
	return row
}

// files lists what is on disk.
func (w *world) files() []string {
	w.t.Helper()
	var names []string
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, w.dir+"/"))
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

func (w *world) rows() []string {
	w.t.Helper()
	var ids []string
	err := w.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Artifact](tx, "")
		for _, r := range rows {
			ids = append(ids, r.GetMeta().GetId())
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}

func (w *world) holds(rows, files []string) {
	w.t.Helper()
	if diff := cmp.Diff(rows, w.rows()); diff != "" {
		w.t.Errorf("rows:\n%s", diff)
	}
	if diff := cmp.Diff(files, w.files()); diff != "" {
		w.t.Errorf("files:\n%s", diff)
	}
}

func TestTakenFileIsKeptUnderItsContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := sample(t)
	ticket := w.upload(len(raw), raw)
	said, err := w.Inspect(t.Context(), w.claim(ticket))
	if err != nil {
		t.Fatal(err)
	}
	row := w.take(ticket)
	id := row.GetMeta().GetId()
	if said.GetMeta().GetId() != id || row.GetSpec().GetSize() != uint64(len(raw)) || row.GetSpec().GetSigner() == "" {
		t.Errorf("it said %v and is %v", said, row)
	}
	kept, err := os.ReadFile(w.Path(id))
	if err != nil || !bytes.Equal(kept, raw) {
		t.Errorf("what is kept is something else: %v", err)
	}
	again := w.take(ticket)
	if again.GetMeta().GetId() != id {
		t.Errorf("taken again it is %v", again)
	}
	w.holds([]string{id}, []string{id + ".s9pk"})
	if _, err := w.Inspect(t.Context(), claimant(ticket)); !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
		t.Errorf("the upload is still there: %v", err)
	}
	for range 2 {
		if err := w.Remove(t.Context(), noon, id); err != nil {
			t.Fatal(err)
		}
	}
	w.holds(nil, nil)
}

func TestRefusedUploadIsNotKept(t *testing.T) {
	t.Parallel()
	raw := sample(t)
	flipped := bytes.Clone(raw)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		size    int
		content []byte
		reason  metav1.Reason
	}{
		"some bytes are missing":   {len(raw), raw[:len(raw)-1], metav1.Reason_REASON_TRANSFER_INCOMPLETE},
		"nothing arrived":          {len(raw), nil, metav1.Reason_REASON_TRANSFER_INCOMPLETE},
		"announced as shorter":     {len(raw) / 2, raw, metav1.Reason_REASON_PACKAGE_FILE_DAMAGED},
		"a byte is wrong":          {len(raw), flipped, metav1.Reason_REASON_PACKAGE_FILE_DAMAGED},
		"bytes that nobody signed": {len(raw) + 1, append(bytes.Clone(raw), 'x'), metav1.Reason_REASON_PACKAGE_FILE_DAMAGED},
		"empty":                    {0, nil, metav1.Reason_REASON_PACKAGE_FILE_FOREIGN},
		"no package":               {4096, bytes.Repeat([]byte("x"), 4096), metav1.Reason_REASON_PACKAGE_FILE_FOREIGN},
	} {
		w := newWorld(t)
		ticket := w.upload(c.size, c.content)
		err := w.Claim(ticket, claimant(ticket))
		if err == nil {
			_, err = w.Take(t.Context(), claimant(ticket), quiet)
		}
		if !fault.Is(err, c.reason) {
			t.Errorf("%s: %v", name, err)
		}
		if c.reason == metav1.Reason_REASON_TRANSFER_INCOMPLETE {
			continue // it may go on
		}
		for range 2 {
			if err := w.Discard(claimant(ticket)); err != nil {
				t.Fatal(err)
			}
		}
		w.holds(nil, nil)
	}
}

func TestFileForALaterSystemIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	later := sampleFor(t, "9.0.0")
	if _, err := w.Inspect(t.Context(), w.claim(w.upload(len(later), later))); !fault.Is(err, metav1.Reason_REASON_PACKAGE_OS_TOO_NEW) {
		t.Errorf("%v", err)
	}
}

// A daemon may die after the row is committed and before the file is moved: the next one goes on from there, or back.
func TestTakeGoesOnAfterACrashBetweenRowAndMove(t *testing.T) {
	t.Parallel()
	crash := func(t *testing.T) (*world, string, string) {
		w := newWorld(t)
		ticket := w.upload(len(sample(t)), sample(t))
		w.claim(ticket)
		w.begin(ticket)
		id := w.take(ticket).GetMeta().GetId()
		// Back to where the crash was: what Take moved is claimed again.
		upload := filepath.Join(w.dir, "claimed", claimant(ticket)+"."+strconv.Itoa(len(sample(t))))
		if err := os.Rename(w.Path(id), upload); err != nil {
			t.Fatal(err)
		}
		w.boot()
		return w, ticket, id
	}
	t.Run("on", func(t *testing.T) {
		t.Parallel()
		w, ticket, id := crash(t)
		if got := w.take(ticket).GetMeta().GetId(); got != id {
			t.Errorf("it is %s now, and was %s", got, id)
		}
		w.holds([]string{id}, []string{id + ".s9pk"})
	})
	t.Run("back", func(t *testing.T) {
		t.Parallel()
		w, ticket, id := crash(t)
		if got, err := w.Taken(claimant(ticket)); got != id || err != nil {
			t.Fatalf("the row of the upload is not found: %q, %v", got, err)
		}
		if err := w.Discard(claimant(ticket)); err != nil {
			t.Fatal(err)
		}
		if err := w.Remove(t.Context(), noon, id); err != nil {
			t.Fatal(err)
		}
		w.holds(nil, nil)
	})
}

func TestSecondUploadOfAFileTakesThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := sample(t)
	first, second := w.upload(len(raw), raw), w.upload(len(raw), raw)
	w.claim(first)
	w.claim(second)
	id := w.take(first).GetMeta().GetId()
	if w.take(second).GetMeta().GetId() != id {
		t.Error("the same content has two names")
	}
	w.holds([]string{id}, []string{id + ".s9pk"})
}

func TestSweepRemovesFilesWithoutARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := sample(t)
	ticket := w.upload(len(raw), raw)
	w.claim(ticket)
	id := w.take(ticket).GetMeta().GetId()
	stray := strings.Repeat("a", 52)
	if err := os.WriteFile(w.Path(stray), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	w.boot()
	w.holds([]string{id}, []string{id + ".s9pk"})
}

func TestUploadGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := sample(t)
	ticket := w.upload(len(raw), raw[:1000])
	w.boot()
	u, err := w.Uploads().Open(ticket)
	if err != nil {
		t.Fatal(err)
	}
	if have, err := u.Received(); have != 1000 || u.Size() != int64(len(raw)) || err != nil {
		t.Fatalf("%d of %d: %v", have, u.Size(), err)
	}
	if _, err := w.Uploads().Open(ticket); !fault.Is(err, metav1.Reason_REASON_CONFLICT) {
		t.Errorf("a second writer: %v", err)
	}
	if err := w.Claim(ticket, claimant(ticket)); !fault.Is(err, metav1.Reason_REASON_CONFLICT) {
		t.Errorf("claimed while somebody writes: %v", err)
	}
	// More than was announced is not taken.
	if n, err := u.Append(io.MultiReader(bytes.NewReader(raw[1000:]), strings.NewReader("more"))); err != nil || n != int64(len(raw)-1000) {
		t.Fatalf("%d: %v", n, err)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	w.claim(ticket)
	w.take(ticket)
}

// A ticket is a credential: once an operation has the upload, it is good for nothing, and it is written nowhere.
func TestClaimedUploadIsOutOfReachOfItsTicket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := sample(t)
	ticket := w.upload(len(raw), raw)
	for range 2 {
		w.claim(ticket)
	}
	if _, err := w.Uploads().Open(ticket); !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
		t.Errorf("the ticket opens it still: %v", err)
	}
	if _, err := w.Uploads().Open(claimant(ticket)); !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
		t.Errorf("the id of the operation, which is no secret, opens it: %v", err)
	}
	if err := w.Claim(ticket, "01arz3ndektsv4rrffq69g5fav"); !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
		t.Errorf("another operation claimed it too: %v", err)
	}
	for range 2 {
		if err := w.Unclaim(ticket, claimant(ticket)); err != nil {
			t.Fatal(err)
		}
	}
	w.claim(ticket)
	if row := w.take(ticket); strings.Contains(row.String(), ticket) {
		t.Errorf("the row tells the ticket: %v", row)
	}
}

// begin records the operation that claimed an upload.
func (w *world) begin(ticket string) {
	w.t.Helper()
	if _, err := w.store.Update(w.t.Context(), w.now, func(tx *store.Tx) error {
		return store.Put(tx, &operationsv1.Operation{Meta: &metav1.Meta{Id: claimant(ticket)}})
	}); err != nil {
		w.t.Fatal(err)
	}
}

// What an operation waits for outlasts a server that was off for a while; what nobody waits for goes with the server that
// claimed it.
func TestClaimLastsAsLongAsItsOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	used, stray := w.upload(10, []byte("0123456789")), w.upload(10, []byte("0123456789"))
	w.claim(used)
	w.claim(stray)
	w.begin(used)
	w.boot()
	w.holds(nil, []string{"claimed/" + claimant(used) + ".10"})
	w.now = w.now.Add(2 * time.Hour)
	w.boot()
	w.holds(nil, []string{"claimed/" + claimant(used) + ".10"})
}

func TestUnusedUploadsExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.upload(10, nil)
	held := w.upload(10, nil)
	u, err := w.Uploads().Open(held)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	w.now = w.now.Add(2 * time.Hour)
	fresh, err := w.Uploads().Create(10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Uploads().Open(old); !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
		t.Errorf("an upload nobody used: %v", err)
	}
	if len(w.files()) != 2 {
		t.Errorf("left: %v, want %s and %s", w.files(), held, fresh)
	}
}

func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Uploads().Create(1 << 41); !fault.Is(err, metav1.Reason_REASON_PACKAGE_FILE_LIMIT) {
		t.Errorf("an upload of 2 TiB: %v", err)
	}
	if _, err := w.Uploads().Create(1 << 40); !fault.Is(err, metav1.Reason_REASON_DISK_FULL) {
		t.Errorf("an upload larger than the disk: %v", err)
	}
	for i := 0; ; i++ {
		_, err := w.Uploads().Create(1)
		if err == nil && i < 100 {
			continue
		}
		if !fault.Is(err, metav1.Reason_REASON_RATE_LIMITED) {
			t.Errorf("after %d uploads: %v", i, err)
		}
		break
	}
}

func TestForeignTicketsAreUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, ticket := range []string{"", "*", "../x", strings.Repeat("a", 32), strings.Repeat("?", 32)} {
		if _, err := w.Uploads().Open(ticket); !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
			t.Errorf("%q: %v", ticket, err)
		}
		if err := w.Discard(ticket); err != nil {
			t.Errorf("%q: %v", ticket, err)
		}
	}
	for _, id := range []string{"", "..", "../../x", strings.Repeat("A", 52)} {
		if err := w.Remove(t.Context(), noon, id); !fault.Is(err, metav1.Reason_REASON_NOT_FOUND) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestTakeEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := sample(t)
	ticket := w.upload(len(raw), raw)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.claim(ticket)
	if _, err := w.Take(ctx, claimant(ticket), quiet); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	w.take(ticket)
}

// A download is verified while it arrives, and not once more when it is taken. What has arrived goes on after a restart while its
// operation is under way, and goes where that is not.
func TestDownloadsAreVerifiedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, operation := sample(t), claimant(strings.Repeat("1", 32))
	broken := errors.New("it broke off")
	half := func(f *os.File) error {
		_, err := f.WriteAt(file[:len(file)/2], 0)
		return errors.Join(err, broken)
	}
	if err := w.Receive(operation, half); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if _, err := w.Take(t.Context(), operation, quiet); !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
		t.Errorf("half of a download is taken: %v", err)
	}
	rest := func(f *os.File) error {
		if info, err := f.Stat(); err != nil || info.Size() != int64(len(file)/2) {
			t.Errorf("%d bytes had arrived, %v", info.Size(), err)
		}
		_, err := f.WriteAt(file[len(file)/2:], int64(len(file)/2))
		return err
	}
	if err := w.Receive(operation, rest); err != nil {
		t.Fatal(err)
	}
	if err := w.Receive(operation, func(*os.File) error { t.Error("it is fetched again"); return nil }); err != nil {
		t.Error(err)
	}
	row, err := w.Take(t.Context(), operation, func(done, _ uint64) { t.Errorf("%d bytes are verified again", done) })
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(w.Path(row.GetMeta().GetId())); err != nil || !bytes.Equal(kept, file) {
		t.Errorf("kept are %d bytes, %v", len(kept), err)
	}
	if err := w.Receive(claimant(strings.Repeat("2", 32)), half); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	w.boot()
	if left, _ := filepath.Glob(filepath.Join(w.dir, "fetching", "*")); len(left) > 0 {
		t.Errorf("after a restart there is %v of an operation that was never begun", left)
	}
}
