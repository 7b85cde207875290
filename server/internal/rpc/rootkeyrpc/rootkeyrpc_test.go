package rootkeyrpc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/server/internal/custody"
	"github.com/hearthos/hearth/server/internal/rpc/rootkeyrpc"
	"github.com/hearthos/hearth/server/internal/seal"
)

func TestARecoveryCodeThatCouldNotBeKeptIsNotGivenOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring, err := seal.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := rootkeyrpc.New(custody.New(ring), nil, time.Now)
	// A folder where the copy is to be: it can be prepared and not put in its place.
	in := filepath.Join(dir, "escrow", "recovery.json")
	if err := os.MkdirAll(filepath.Join(in, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	resp, err := s.CreateRecoveryCode(t.Context(), &systemv1.CreateRecoveryCodeRequest{})
	if err == nil || resp.GetRecoveryCode() != "" || !strings.Contains(err.Error(), "make another") {
		t.Fatalf("answered %v, %v", resp, err)
	}
	if err := os.RemoveAll(in); err != nil {
		t.Fatal(err)
	}
	if resp, err = s.CreateRecoveryCode(t.Context(), &systemv1.CreateRecoveryCodeRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	if name, err := seal.Recover(dir, resp.GetRecoveryCode()); err != nil || name != seal.RecoverySlot {
		t.Errorf("the next code opens %q, %v", name, err)
	}
}
