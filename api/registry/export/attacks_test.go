package export_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/registry/export"
)

// replace puts other bytes in place of a file.
func (f folder) replace(name string, change func(text string) string) {
	f[name] = &fstest.MapFile{Data: []byte(change(string(f[name].Data))), Mode: 0o644}
}

// describe has a timestamp or snapshot describe a file as it is now, unsigned.
func (f folder) describe(t testing.TB, name, entry, of string) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(f[name].Data, &doc); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(f[of].Data)
	meta := doc["signed"].(map[string]any)["meta"].(map[string]any)[entry].(map[string]any)
	meta["length"], meta["hashes"] = len(f[of].Data), map[string]string{"sha256": hex.EncodeToString(sum[:])}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	f[name] = &fstest.MapFile{Data: raw, Mode: 0o644}
}

// What TUF names as attacks on those who fetch software, each against somebody who has seen the first of two exports and
// holds the place of the second.
func TestAttacks(t *testing.T) {
	t.Parallel()
	e := newExporter(t)
	first, second := folder{}, folder{}
	made := e.write(first, start, source(t, map[string][]string{"hello": {"1.0.0:0"}, "needed": {"1.0.0:0"}}))
	maps.Copy(second, first)
	later := start.Add(24 * time.Hour)
	e.write(second, later, source(t, map[string][]string{"hello": {"1.0.0:0", "2.0.0:0"}, "needed": {"1.0.0:0"}}))
	for name, c := range map[string]struct {
		seen   folder // what was seen last; the first when nil
		attack func(t *testing.T, f folder)
		now    time.Time
		want   export.Kind
	}{
		"arbitrary software: a list that the attacker signs": {attack: func(t *testing.T, f folder) {
			stranger, theirs := newExporter(t), folder{}
			stranger.write(theirs, later.Add(time.Hour), source(t, map[string][]string{"hello": {"6.6.6:0"}}))
			root := f["1.root.json"]
			maps.Copy(f, theirs)
			f["1.root.json"] = root
		}, want: export.Signature},
		"arbitrary software: a root that the attacker signs": {attack: func(t *testing.T, f folder) {
			stranger, theirs := newExporter(t), folder{}
			stranger.write(theirs, later, source(t, nil))
			stranger.write(theirs, later, source(t, nil), "timestamp")
			f["2.root.json"] = theirs["2.root.json"]
		}, want: export.Signature},
		"rollback: the export before": {seen: second, attack: func(_ *testing.T, f folder) {
			clear(f)
			maps.Copy(f, first)
		}, want: export.Rollback},
		"indefinite freeze: the same export for ever": {now: later.Add(31 * 24 * time.Hour), attack: func(*testing.T, folder) {}, want: export.Expired},
		"endless data: a timestamp without end": {attack: func(_ *testing.T, f folder) {
			f.replace("timestamp.json", func(text string) string { return text + strings.Repeat(" ", 1<<20) })
		}, want: export.Endless},
		"endless data: a list longer than signed": {attack: func(_ *testing.T, f folder) {
			f.replace(f.newest("targets"), func(text string) string { return text + " " })
		}, want: export.Endless},
		"endless data: a document longer than signed": {attack: func(t *testing.T, f folder) {
			f.replace(f.newestTarget(t, "packages.json"), func(text string) string { return text + strings.Repeat(" ", 1<<20) })
		}, want: export.Endless},
		"extraneous dependencies: a package that is said to need another": {attack: func(t *testing.T, f folder) {
			f.replace(f.newestTarget(t, "hello.json"), func(text string) string {
				return strings.Replace(text, `"dependencyMetadata":{}`, `"dependencyMetadata":{"evil":{}}`, 1)[:len(text)]
			})
		}, want: export.Content},
		"mix-and-match: the list of the export before": {attack: func(_ *testing.T, f folder) {
			f[f.newest("targets")] = first[first.newest("targets")]
		}, want: export.Mixed},
		"mix-and-match: the snapshot of the export before": {attack: func(_ *testing.T, f folder) {
			f[f.newest("snapshot")] = first[first.newest("snapshot")]
		}, want: export.Mixed},
		"wrong software: another package's words under its name": {attack: func(t *testing.T, f folder) {
			f[f.newestTarget(t, "hello.json")] = f[f.newestTarget(t, "needed.json")]
		}, want: export.Content},
		"malicious mirror: a file is withheld": {attack: func(t *testing.T, f folder) {
			delete(f, f.newestTarget(t, "hello.json"))
		}, want: export.Incomplete},
		"malicious mirror: the list is withheld": {attack: func(_ *testing.T, f folder) { delete(f, f.newest("targets")) }, want: export.Incomplete},
		"malicious mirror: what is not JSON": {attack: func(_ *testing.T, f folder) {
			f.replace("timestamp.json", func(string) string { return "<!doctype html>" })
		}, want: export.Invalid},
		"wrong software: a file of a package that the list does not have": {attack: func(t *testing.T, f folder) { e.unlist(t, f) }, want: export.Unlisted},
		"key compromise: of the timestamp alone, for a list of the attacker's": {attack: func(t *testing.T, f folder) {
			e.forge(t, f, "timestamp", func() {
				f.replace(f.newest("targets"), func(text string) string { return strings.Replace(text, "packages.json", "packages.jsom", 1) })
				f.describe(t, f.newest("snapshot"), "targets.json", f.newest("targets"))
				f.describe(t, "timestamp.json", "snapshot.json", f.newest("snapshot"))
			})
		}, want: export.Signature},
		"key compromise: signed with a key that was replaced": {attack: func(t *testing.T, f folder) {
			forged := f.clone()
			e.write(f, later.Add(time.Hour), source(t, map[string][]string{"hello": {"1.0.0:0"}}), "timestamp")
			e.forge(t, forged, "timestamp", func() {
				forged.replace("timestamp.json", func(text string) string { return raised(t, text, 1<<52) })
			})
			f["timestamp.json"] = forged["timestamp.json"]
		}, want: export.Signature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := c.seen
			if seen == nil {
				seen = first
			}
			trust, f, now := trusted(t, seen, made.Fingerprint, later), second.clone(), c.now
			c.attack(t, f)
			if now.IsZero() {
				now = later
			}
			refuses(t, look(t.Context(), f.place(), trust, now), c.want)
		})
	}
}

// look reads everything of an export.
func look(ctx context.Context, p *export.Place, trust export.Trust, now time.Time) error {
	x, _, err := export.Refresh(ctx, p, trust, now, nil)
	if err != nil {
		return err
	}
	_, err = x.Info(ctx)
	ids := []string{"hello", "needed"}
	err = errors.Join(err, x.All(ctx, nil, func(string, registry.Listing) error { return nil }))
	for _, id := range ids {
		_, one := x.Get(ctx, registry.GetParams{ID: &id}, nil)
		err = errors.Join(err, one)
	}
	return err
}

// newestTarget is where a listed file of the newest export lies.
func (f folder) newestTarget(t testing.TB, base string) string {
	t.Helper()
	var doc struct {
		Signed struct {
			Targets map[string]struct{ Hashes map[string]string }
		}
	}
	if err := json.Unmarshal(f[f.newest("targets")].Data, &doc); err != nil {
		t.Fatal(err)
	}
	for name, entry := range doc.Signed.Targets {
		if name == base || strings.HasSuffix(name, "/"+base) {
			dir := strings.TrimSuffix(name, base)
			return "targets/" + dir + entry.Hashes["sha256"] + "." + base
		}
	}
	t.Fatalf("nothing is called %s", base)
	return ""
}

// raised is a document with another version.
func raised(t testing.TB, text string, version int64) string {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	doc["signed"].(map[string]any)["version"] = version
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// forge has change change an export, and signs its timestamp anew as who has stolen that key would.
func (e *exporter) forge(t testing.TB, f folder, role string, change func()) {
	t.Helper()
	change()
	e.resign(t, f, role, f.keyOf(t, role), "timestamp.json")
}

// resign signs a document anew, as it is now.
func (e *exporter) resign(t testing.TB, f folder, role, id, name string) {
	t.Helper()
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(f[name].Data, &doc); err != nil {
		t.Fatal(err)
	}
	var canonical any // the members are plain: sorted, and without spaces, is their canonical form
	decoder := json.NewDecoder(strings.NewReader(string(doc["signed"])))
	decoder.UseNumber()
	if err := decoder.Decode(&canonical); err != nil {
		t.Fatal(err)
	}
	message, err := json.Marshal(canonical)
	if err != nil {
		t.Fatal(err)
	}
	signature := e.signPlain(t, role, id, message)
	doc["signed"] = message
	doc["signatures"], err = json.Marshal([]map[string]string{{"keyid": id, "sig": hex.EncodeToString(signature)}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	f[name] = &fstest.MapFile{Data: raw, Mode: 0o644}
}

// keyOf is the id of the key of a role.
func (f folder) keyOf(t testing.TB, role string) string {
	t.Helper()
	var root struct {
		Signed struct {
			Roles map[string]struct{ KeyIDs []string }
		}
	}
	if err := json.Unmarshal(f[f.newest("root")].Data, &root); err != nil {
		t.Fatal(err)
	}
	return root.Signed.Roles[role].KeyIDs[0]
}

// unlist takes the files of packages out of the signed list, as who has all keys but the root's can.
func (e *exporter) unlist(t testing.TB, f folder) {
	t.Helper()
	list, snapshot := f.newest("targets"), f.newest("snapshot")
	var doc map[string]any
	if err := json.Unmarshal(f[list].Data, &doc); err != nil {
		t.Fatal(err)
	}
	targets, gone := doc["signed"].(map[string]any)["targets"].(map[string]any), 0
	for name := range targets {
		if strings.HasSuffix(name, ".s9pk") {
			delete(targets, name)
			gone++
		}
	}
	if gone == 0 {
		t.Fatal("the list has no files of packages")
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	f[list] = &fstest.MapFile{Data: raw, Mode: 0o644}
	e.resign(t, f, "targets", f.keyOf(t, "targets"), list)
	f.describe(t, snapshot, "targets.json", list)
	e.resign(t, f, "snapshot", f.keyOf(t, "snapshot"), snapshot)
	f.describe(t, "timestamp.json", "snapshot.json", snapshot)
	e.resign(t, f, "timestamp", f.keyOf(t, "timestamp"), "timestamp.json")
}

// A thief of the timestamp's key raises its number to the end of numbers; when the key is replaced, the genuine export is
// believed again.
func TestFastForward(t *testing.T) {
	t.Parallel()
	f, e := folder{}, newExporter(t)
	src := source(t, map[string][]string{"hello": {"1.0.0:0"}, "needed": {"1.0.0:0"}})
	made := e.write(f, start, src)
	stolen := f.clone()
	e.forge(t, stolen, "timestamp", func() {
		stolen.replace("timestamp.json", func(text string) string { return raised(t, text, 1<<52) })
	})
	trust := trusted(t, stolen, made.Fingerprint, start) // nothing tells the thief from the owner
	later := start.Add(time.Hour)
	e.write(f, later, src)
	refuses(t, look(t.Context(), f.place(), trust, later), export.Rollback)
	renewed := e.write(f, later, src, "timestamp", "root")
	if renewed.Fingerprint == made.Fingerprint {
		t.Error("the root is the same")
	}
	if err := look(t.Context(), f.place(), trust, later); err != nil {
		t.Errorf("with the key replaced: %v", err)
	}
	for _, fingerprint := range []string{made.Fingerprint, renewed.Fingerprint} {
		if trust, err := export.Begin(t.Context(), f.place(), fingerprint); err != nil {
			t.Errorf("who has confirmed a root of the row: %v", err)
		} else if err := look(t.Context(), f.place(), trust, later); err != nil {
			t.Error(err)
		}
	}
	_, err := export.Begin(t.Context(), f.place(), strings.Repeat("00:", 31)+"00")
	refuses(t, err, export.OtherRoot)
}

// trickle sends a byte now and then.
type trickle struct{}

func (trickle) RoundTrip(req *http.Request) (*http.Response, error) {
	from, to := io.Pipe()
	go func() {
		for req.Context().Err() == nil {
			select {
			case <-time.After(time.Second):
				_, _ = to.Write([]byte(" "))
			case <-req.Context().Done():
			}
		}
		to.CloseWithError(req.Context().Err())
	}()
	return &http.Response{StatusCode: http.StatusOK, Body: from, ContentLength: -1, Request: req}, nil
}

// Slow retrieval: who is kept waiting for ever gives up.
func TestSlowRetrieval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := export.Begin(t.Context(), export.At("http://slow.example", trickle{}), "")
		refuses(t, err, export.Slow)
		if waited := time.Since(began); waited > time.Minute {
			t.Errorf("it waited for %s", waited)
		}
	})
}

// The trust is what was seen last, also where the look failed in the end.
func TestWhatWasSeenCounts(t *testing.T) {
	t.Parallel()
	f, e := folder{}, newExporter(t)
	src := source(t, map[string][]string{"hello": {"1.0.0:0"}})
	made := e.write(f, start, src)
	first, trust := f.clone(), trusted(t, f, made.Fingerprint, start)
	later := start.Add(time.Hour)
	e.write(f, later, src)
	delete(f, f.newest("targets"))
	_, trust, err := export.Refresh(t.Context(), f.place(), trust, later, nil)
	refuses(t, err, export.Incomplete)
	_, _, err = export.Refresh(t.Context(), first.place(), trust, later, nil)
	refuses(t, err, export.Rollback)
}

func (e *exporter) signPlain(t testing.TB, role, id string, message []byte) []byte {
	t.Helper()
	k, err := e.keys.Load(role, id)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := k.SignMessage(strings.NewReader(string(message)))
	if err != nil || len(raw) != ed25519.SignatureSize {
		t.Fatal(err)
	}
	return raw
}
