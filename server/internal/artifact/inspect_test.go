package artifact_test

import (
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
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
		doc, err := w.Document(art.GetMeta().GetId(), kind)
		if err != nil || doc.GetKind() != kind || len(doc.GetContent()) == 0 {
			t.Errorf("%s: %v, %v", kind, doc, err)
		}
	}
	for _, id := range []string{"", "../../etc/passwd", art.GetMeta().GetId()[1:] + "a"} {
		if _, err := w.Document(id, packagesv1.Document_KIND_ICON); !fault.Is(err, metav1.Reason_REASON_NOT_FOUND) {
			t.Errorf("file %q: %v", id, err)
		}
	}
}
