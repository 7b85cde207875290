package servertest_test

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/servertest"
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

// What a package reaches is told before it is installed and afterwards, comes to the firewall with the version that runs, and goes back with it.
func TestWhatAPackageReachesIsPlannedShownAndInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := func(version string, network ...string) string {
		return servertest.Package(t, pkg, func(m map[string]any) {
			m["version"] = version
			if network != nil {
				m["hearth"] = map[string]any{"network": network}
			}
		})
	}
	planned := func(path string) (added, removed []string) {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		ticket, err := w.Upload(t.Context(), f, info.Size(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.Packages.InstallPackage(t.Context(), &packagesv1.InstallPackageRequest{Ticket: ticket, ValidateOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		return networkOf(resp.GetPlan().GetPermissionsAdded()), networkOf(resp.GetPlan().GetPermissionsRemoved())
	}
	inForce := func(version string, want *nft.Reach, shown ...string) {
		t.Helper()
		w.until("version "+version, func(ctx context.Context) (bool, error) {
			got, err := w.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: pkg})
			p := got.GetPackage()
			if p.GetSpec().GetVersion() != version || p.GetSpec().GetOperation() != "" || p.GetStatus().GetState() != running {
				return false, err
			}
			if d := cmp.Diff(shown, networkOf(got.GetPermissions())); d != "" {
				t.Errorf("version %s shows (-want +got):\n%s", version, d)
			}
			return true, nil
		})
		rules := w.Host.Firewall.Rules()
		if len(rules.Services) != 1 || !cmp.Equal(rules.Services[0].Reach, want, cmpopts.EquateComparable(netip.Prefix{})) || len(rules.Near) == 0 {
			t.Errorf("version %s: the firewall has %+v", version, rules)
		}
	}
	one, two, three := file("1.0.0:0", "192.0.2.0/24", "lan"), file("2.0.0:0", "internet", "lan"), file("3.0.0:0")
	if added, removed := planned(one); !slices.Equal(added, []string{"lan", "192.0.2.0/24"}) || removed != nil {
		t.Errorf("the first plan adds %v and removes %v", added, removed)
	}
	w.install(one)
	inForce("1.0.0:0", &nft.Reach{Near: true, Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, "lan", "192.0.2.0/24")
	if added, removed := planned(two); !slices.Equal(added, []string{"internet"}) || removed != nil {
		t.Errorf("the second plan adds %v and removes %v", added, removed)
	}
	w.install(two)
	inForce("2.0.0:0", nil, "internet", "lan")
	if added, removed := planned(three); added != nil || removed != nil {
		t.Errorf("the third plan adds %v and removes %v", added, removed)
	}
	if added, removed := planned(file("3.0.0:0", "10.1.0.0/16")); added != nil || !slices.Equal(removed, []string{"internet", "lan"}) {
		t.Errorf("a narrower one adds %v and removes %v", added, removed)
	}
	if _, err := w.Packages.RollbackPackage(t.Context(), &packagesv1.RollbackPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	inForce("1.0.0:0", &nft.Reach{Near: true, Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, "lan", "192.0.2.0/24")
}

// networkOf are the targets of permissions that are of the network.
func networkOf(permissions []*packagesv1.Permission) (targets []string) {
	for _, p := range permissions {
		if p.GetKind() == packagesv1.Permission_KIND_NETWORK {
			targets = append(targets, p.GetTarget())
		}
	}
	return targets
}
