package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/artifact"
)

func TestAnUploadIsLookedAtBeforeItIsInstalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := sample(t)
	ticket := w.upload(len(file), file)
	for range 2 { // looking changes nothing
		art, icon, err := w.InspectUpload(ticket)
		if err != nil {
			t.Fatal(err)
		}
		if art.GetSpec().GetPackageId() == "" || art.GetSpec().GetSize() != uint64(len(file)) || art.GetSpec().GetSigner() == "" || len(art.GetSpec().GetManifest()) == 0 {
			t.Errorf("the upload is told as %v", art)
		}
		if icon.GetKind() != packagesv1.Document_KIND_ICON || icon.GetMediaType() == "" || len(icon.GetContent()) == 0 {
			t.Errorf("its icon is %v", icon)
		}
	}
	if err := w.Claim(ticket, claimant(ticket)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.InspectUpload(ticket); !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
		t.Errorf("what an operation has claimed is told: %v", err)
	}
}

func TestWhatIsNoWholePackageIsNotToldAsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := sample(t)
	if _, _, err := w.InspectUpload(w.upload(len(file), file[:len(file)/2])); !fault.Is(err, metav1.Reason_REASON_TRANSFER_INCOMPLETE) {
		t.Errorf("half a file: %v", err)
	}
	if _, _, err := w.InspectUpload(w.upload(6, []byte("hello!"))); !fault.Is(err, metav1.Reason_REASON_PACKAGE_FILE_FOREIGN) {
		t.Errorf("another file: %v", err)
	}
	for _, ticket := range []string{"", "../x", "0123456789abcdef0123456789abcdef"} {
		if _, _, err := w.InspectUpload(ticket); !fault.Is(err, metav1.Reason_REASON_TRANSFER_NOT_FOUND) {
			t.Errorf("ticket %q: %v", ticket, err)
		}
	}
	late := sampleFor(t, "9.0.0")
	if _, _, err := w.InspectUpload(w.upload(len(late), late)); err == nil {
		t.Error("a package for a later system is told as one that can be installed")
	}
}

func TestAPackageShowsItsDocuments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := sample(t)
	art, err := w.Take(t.Context(), w.claim(w.upload(len(file), file)), quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []packagesv1.Document_Kind{packagesv1.Document_KIND_ICON, packagesv1.Document_KIND_LICENSE} {
		doc, large, err := w.Document(t.Context(), art.GetMeta().GetId(), kind)
		if sum := merkle.Sum(doc.GetContent()); err != nil || large != nil || doc.GetKind() != kind || len(doc.GetContent()) == 0 || !bytes.Equal(doc.GetDigest(), sum[:]) {
			t.Errorf("%s: %v, %v", kind, doc, err)
		}
	}
	for _, id := range []string{"", "../../etc/passwd", art.GetMeta().GetId()[1:] + "a"} {
		if _, _, err := w.Document(t.Context(), id, packagesv1.Document_KIND_ICON); !fault.Is(err, metav1.Reason_REASON_NOT_FOUND) {
			t.Errorf("file %q: %v", id, err)
		}
	}
}

// Assets are of every size, and are read where they lie: only of a file that still is what was signed.
func TestLargeAssetsAreComparedBeforeTheyAreRead(t *testing.T) {
	t.Parallel()
	assets := bytes.Repeat([]byte("0123456789abcdef"), artifact.MaxDocument/16+1)
	file := sampleWith(t, "0.4.0-beta.9", map[string][]byte{"assets.squashfs": assets})
	const kind = packagesv1.Document_KIND_ASSETS
	w := newWorld(t)
	art, err := w.Take(t.Context(), w.claim(w.upload(len(file), file)), quiet)
	if err != nil {
		t.Fatal(err)
	}
	id := art.GetMeta().GetId()
	damage := func(b byte) {
		t.Helper()
		f, err := os.OpenFile(w.Path(id), os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte{b}, int64(bytes.Index(file, assets)+len(assets)-1))
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	damage('!')
	if _, _, err := w.Document(t.Context(), id, kind); !fault.Is(err, metav1.Reason_REASON_PACKAGE_FILE_DAMAGED) {
		t.Errorf("a damaged file: %v", err)
	}
	damage('f')
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := w.Document(gone, id, kind); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who has gone: %v", err)
	}
	doc, large, err := w.Document(t.Context(), id, kind)
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	got, err := io.ReadAll(large)
	if sum := merkle.Sum(assets); err != nil || !bytes.Equal(got, assets) || !bytes.Equal(doc.GetDigest(), sum[:]) || len(doc.GetContent()) != 0 {
		t.Errorf("%d bytes with the digest %x: %v", len(got), doc.GetDigest(), err)
	}

	// Of a file that lies elsewhere nothing is believed, and only so much is read.
	f, err := s9pk.Open(bytes.NewReader(file), int64(len(file)), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	there := func(raw []byte) (*packagesv1.Document, error) {
		return w.DocumentIn(bytes.NewReader(raw), int64(len(raw)), f.Commitment(), kind)
	}
	if doc, err := there(file); err != nil || !bytes.Equal(doc.GetContent(), assets) {
		t.Errorf("elsewhere: %d bytes, %v", len(doc.GetContent()), err)
	}
	changed := bytes.Clone(file)
	changed[bytes.Index(file, assets)] = '!'
	if _, err := there(changed); !fault.Is(err, metav1.Reason_REASON_PACKAGE_FILE_DAMAGED) {
		t.Errorf("damaged elsewhere: %v", err)
	}
	if _, err := there(sample(t)); err == nil {
		t.Error("another file is read")
	}
	most := sampleWith(t, "0.4.0-beta.9", map[string][]byte{"assets.squashfs": make([]byte, 16<<20+1)})
	if f, err = s9pk.Open(bytes.NewReader(most), int64(len(most)), s9pk.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := there(most); !fault.Is(err, metav1.Reason_REASON_DOCUMENT_TOO_LARGE) {
		t.Errorf("too large: %v", err)
	}
}
