package servertest_test

import (
	"testing"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/servertest"
	"google.golang.org/protobuf/proto"
)

// declaring makes a package whose manifest says so of itself.
func declaring(t *testing.T, says map[string]any) string {
	return servertest.Package(t, pkg, func(m map[string]any) { m["hearth"] = says })
}

func TestLimitsThatAPackageDeclaresHoldUntilPeopleChooseOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.install(declaring(t, map[string]any{"limits": map[string]any{"memory": 256 << 20, "cpu": 500, "disk": 1 << 30}}))
	w.state(running, 0)
	effective := func() *packagesv1.PackageLimitsSpec {
		t.Helper()
		got, err := w.Limits.GetPackageLimits(t.Context(), &packagesv1.GetPackageLimitsRequest{Id: pkg})
		if err != nil {
			t.Fatal(err)
		}
		if want := (&packagesv1.PackageLimitsSpec{MemoryBytes: 256 << 20, CpuMillis: 500, DiskBytes: 1 << 30}); !proto.Equal(got.GetDeclared(), want) {
			t.Errorf("declared = %v, want %v", got.GetDeclared(), want)
		}
		return got.GetEffective()
	}
	// The file system of a played machine bounds nothing.
	if got, want := effective(), (&packagesv1.PackageLimitsSpec{MemoryBytes: 256 << 20, CpuMillis: 500}); !proto.Equal(got, want) {
		t.Errorf("effective = %v, want %v", got, want)
	}
	choose := func(memory uint64) {
		t.Helper()
		if _, err := w.Limits.SetPackageLimits(t.Context(), &packagesv1.SetPackageLimitsRequest{Id: pkg, MemoryBytes: &memory}); err != nil {
			t.Fatal(err)
		}
	}
	choose(1 << 30)
	if got := effective(); got.GetMemoryBytes() != 1<<30 || got.GetCpuMillis() != 500 {
		t.Errorf("what was chosen does not come first: %v", got)
	}
	choose(0)
	if got := effective(); got.GetMemoryBytes() != 256<<20 {
		t.Errorf("what was declared does not come back: %v", got)
	}
}
