package image_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/clients/cli/internal/image"
)

// packed names the file that this program, run again as somebody else, packs instead of running tests.
const packed = "IMAGE_TEST_PACKED"

func TestMain(m *testing.M) {
	if in := os.Getenv(packed); in != "" {
		if _, _, err := (image.Source{Kind: image.Tar, Name: in}).Make(context.Background(), "x86_64", in+".squashfs", image.Options{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestRootFolderHasItsOwnerWhoeverPacks(t *testing.T) {
	t.Parallel()
	for name, uid := range map[string]int{"root's": 0, "another's": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := makeTar(t, entry{name: "./", kind: tar.TypeDir, mode: 0o750, uid: uid}, entry{name: "a", kind: tar.TypeReg, mode: 0o4755, uid: 12, text: "a"})
			out, _ := made(t, source(t, "tar:"+write(t, filepath.Join(t.TempDir(), "a.tar"), raw)))
			if diff := cmp.Diff([]string{fmt.Sprintf("drwxr-x--- %d/%[1]d ", uid), "-rwsr-xr-x 12/12 /a"}, names(t, out)); diff != "" {
				t.Error(diff)
			}
			if os.Geteuid() == 0 {
				if diff := cmp.Diff(sum(t, out), sum(t, packedByNobody(t, raw))); diff != "" {
					t.Errorf("an ordinary user gets other bytes than root: %s", diff)
				}
			}
		})
	}
}

// packedByNobody packs a tar as an ordinary user does.
func packedByNobody(t *testing.T, raw []byte) string {
	t.Helper()
	const nobody = 65534
	in := write(t, filepath.Join(t.TempDir(), "a.tar"), raw)
	dir := filepath.Dir(in)
	if err := errors.Join(os.Chown(dir, nobody, nobody), os.Chmod(filepath.Dir(dir), 0o711)); err != nil {
		t.Fatal(err)
	}
	// The folder in which go test put this program is closed to others; the program itself is not.
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), packed+"="+in)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return in + ".squashfs"
}

func sum(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha(raw)
}

func TestRootFolderOfNobodyPossibleIsRefused(t *testing.T) {
	t.Parallel()
	raw := makeTar(t, entry{name: "./", kind: tar.TypeDir, mode: 0o755, uid: 1 << 40})
	in := write(t, filepath.Join(t.TempDir(), "a.tar"), raw)
	if _, _, err := source(t, "tar:"+in).Make(t.Context(), "x86_64", in+".squashfs", image.Options{}); err == nil {
		t.Error("a user that cannot be owns the root folder")
	}
}
