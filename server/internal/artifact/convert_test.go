package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/legacy"
	"github.com/hearthos/hearth/api/s9pk/legacy/legacytest"
	"github.com/hearthos/hearth/api/sign"
)

// early is a package file of the first format.
func early(change func(m legacytest.Object)) []byte {
	return legacytest.Write(legacytest.Sections(legacytest.Manifest(change)), nil)
}

// converting plays the program that converts: a package of today's format with what the old one's manifest becomes, signed
// with the key it is given.
func converting(t *testing.T, from, to, architecture, key string) error {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	old, err := legacy.Open(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return err
	}
	if err := old.Verify(t.Context(), nil); err != nil {
		return err
	}
	m, err := old.Manifest().Convert([]string{architecture})
	if err != nil {
		return err
	}
	manifest, err := m.Encode()
	if err != nil {
		return err
	}
	signer, err := sign.LoadKey(key)
	if err != nil {
		return err
	}
	whole, err := s9pk.Open(bytes.NewReader(sample(t)), int64(len(sample(t))), s9pk.Options{})
	if err != nil {
		return err
	}
	code, err := whole.ReadFile(s9pk.PathJavaScript, 1<<20)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	_, err = s9pk.Build(t.Context(), &out, s9pk.BuildInput{Manifest: manifest, Key: signer, Members: map[string]merkle.Source{
		s9pk.PathLicense: s9pk.FromBytes([]byte("free")), s9pk.PathInstructions: s9pk.FromBytes([]byte("how")), old.Manifest().IconName(): s9pk.FromBytes([]byte("<svg xmlns=\"http://www.w3.org/2000/svg\"/>")), s9pk.PathJavaScript: s9pk.FromBytes(code),
	}})
	return errors.Join(err, os.WriteFile(to, out.Bytes(), 0o644))
}

func TestAFileOfTheFirstFormatIsConvertedInItsPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runs := 0
	w.converts = func(_ context.Context, from, to, architecture, key string) error {
		runs++
		return converting(t, from, to, architecture, key)
	}
	raw := early(nil)
	ticket := w.upload(len(raw), raw)
	looked, icon, err := w.InspectUpload(ticket)
	if err != nil || looked.GetSpec().GetTitle() != "Ghost (Legacy)" || looked.GetSpec().GetPackageId() != "ghost-legacy" || looked.GetSpec().GetVersion() != "5.79.1:2" {
		t.Fatalf("%v, %v", looked, err)
	}
	if icon.GetMediaType() != "image/svg+xml" || len(icon.GetContent()) == 0 || !w.NeedsConversion(looked) {
		t.Errorf("its icon is %v, and that it has to be converted is %v", icon, w.NeedsConversion(looked))
	}
	operation := w.claim(ticket)
	for range 2 { // repeating is harmless
		if err := w.Convert(t.Context(), operation); err != nil {
			t.Fatal(err)
		}
	}
	row := w.take(ticket)
	if err := w.Convert(t.Context(), operation); err != nil {
		t.Errorf("once it is in keeping: %v", err)
	}
	if runs != 1 || row.GetSpec().GetSigner() != looked.GetSpec().GetSigner() || row.GetSpec().GetVersion() != looked.GetSpec().GetVersion() || w.NeedsConversion(row) {
		t.Errorf("it was converted %d times, and is %v", runs, row)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "fetching", "*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestAFileOfTodayIsNotConverted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.converts = func(context.Context, string, string, string, string) error {
		t.Error("it is converted")
		return nil
	}
	operation := w.claim(w.upload(len(sample(t)), sample(t)))
	if err := w.Convert(t.Context(), operation); err != nil {
		t.Error(err)
	}
}

// Who signed the old file is who signed the new one, for the server: the same key for the same, another for others.
func TestWhatIsConvertedIsToldApartBySigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signer := func(raw []byte) string {
		art, _, err := w.InspectUpload(w.upload(len(raw), raw))
		if err != nil {
			t.Fatal(err)
		}
		return art.GetSpec().GetSigner()
	}
	first := signer(early(nil))
	w.boot()
	if again := signer(early(func(m legacytest.Object) { m["version"] = "6.0.0" })); again != first {
		t.Errorf("another version by the same signer is signed by %s and not %s", again, first)
	}
	other := early(nil)
	public := sign.FromSeed([32]byte{2}).Public()
	copy(other[3:], public[:])
	if signer(other) == first {
		t.Error("a file of another signer is signed with the same key")
	}
	if signer := newWorld(t); signer != nil {
		art, _, err := signer.InspectUpload(signer.upload(len(early(nil)), early(nil)))
		if err != nil || art.GetSpec().GetSigner() == first {
			t.Errorf("another server signs with the same key, %v", err)
		}
	}
}

func TestWhatCannotBeConvertedIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.converts = func(context.Context, string, string, string, string) error {
		return fault.New(metav1.Reason_REASON_PACKAGE_CONVERSION, "it is broken")
	}
	inspect := func(raw []byte) error {
		_, _, err := w.InspectUpload(w.upload(len(raw), raw))
		return err
	}
	images := early(func(m legacytest.Object) { m["main"] = legacytest.Object{"type": "docker", "image": "main"} })
	if err := inspect(images); !fault.Is(err, metav1.Reason_REASON_PACKAGE_FILE_INVALID) {
		t.Errorf("without its images: %v", err)
	}
	system := early(func(m legacytest.Object) {
		m["properties"] = legacytest.Object{"type": "docker", "image": "compat", "system": true}
	})
	if err := inspect(system); err != nil {
		t.Errorf("without an image of StartOS 0.3: %v", err)
	}
	if err := inspect(early(nil)[:200]); err == nil {
		t.Error("a part of a file is told as one")
	}
	raw := early(nil)
	operation := w.claim(w.upload(len(raw), raw))
	if err := w.Convert(t.Context(), operation); !fault.Is(err, metav1.Reason_REASON_PACKAGE_CONVERSION) {
		t.Errorf("what the program refuses: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "fetching", "*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if err := w.Discard(operation); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "claimed", "*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// The server may end between any two of its steps.
func TestAConversionGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]func(w *world, operation string){
		"while it was made": func(w *world, operation string) {
			dir := filepath.Join(w.dir, "fetching", operation+".converting")
			if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "converted.s9pk"), []byte("half"), 0o600)); err != nil {
				t.Fatal(err)
			}
		},
		"when it was whole": func(w *world, operation string) { w.whole(operation) },
		"when the old one was gone": func(w *world, operation string) {
			w.whole(operation)
			for _, old := range w.claimedFiles() {
				if err := os.Remove(old); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		w := newWorld(t)
		w.converts = func(_ context.Context, from, to, architecture, key string) error {
			return converting(t, from, to, architecture, key)
		}
		raw := early(nil)
		ticket := w.upload(len(raw), raw)
		operation := w.claim(ticket)
		crash(w, operation)
		if err := w.Convert(t.Context(), operation); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if row := w.take(ticket); row.GetSpec().GetPackageId() != "ghost-legacy" {
			t.Errorf("%s: %v", name, row)
		}
	}
}

// whole has the converted file made, as if the server had ended right after.
func (w *world) whole(operation string) {
	w.t.Helper()
	other := newWorld(w.t)
	other.converts = w.converts
	raw := early(nil)
	ticket := other.upload(len(raw), raw)
	other.claim(ticket)
	if err := other.Convert(w.t.Context(), claimant(ticket)); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(other.claimedFiles()[0], filepath.Join(w.dir, "fetching", operation+".converted")); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) claimedFiles() []string {
	list, err := filepath.Glob(filepath.Join(w.dir, "claimed", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}
