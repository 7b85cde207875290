package servertest_test

import (
	"os"
	"testing"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/servertest"
)

// Chosen to be updated by itself, a package is, as far as nobody has to decide: once the policy is chosen, and nothing else is done.
func TestAPackageIsUpdatedByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	url, keyFile := servertest.Registry(t)
	key, err := sign.LoadKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	publisher, err := registry.NewClient(url, registry.Options{Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(version string, mayMore bool) {
		t.Helper()
		f, err := os.Open(servertest.Package(t, pkg, func(m map[string]any) { m["version"], m["hardwareAcceleration"] = version, mayMore }))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		file, err := s9pk.Open(f, info.Size(), s9pk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		signature, err := key.Sign(sign.ContextPackage, file.Commitment().Message())
		if err != nil {
			t.Fatal(err)
		}
		if err := publisher.AddUpload(ctx, f, info.Size(), nil, file.Commitment(), signature, func(int64, int64) {}); err != nil {
			t.Fatal(err)
		}
	}
	until := func(kind string, done func(*statev1.Resource) bool) {
		t.Helper()
		targets := []*statev1.Target{{Id: "t", Selectors: []*statev1.Selector{{Kind: kind}}}}
		err := w.Watch(ctx, targets, func(u *statev1.Update) (bool, error) {
			for _, ch := range u.GetChanges() {
				if ch.GetResource() != nil && done(ch.GetResource()) {
					return true, nil
				}
			}
			return false, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	installed := func(version string) {
		t.Helper()
		until("package", func(r *statev1.Resource) bool {
			p := r.GetPackage()
			return p.GetSpec().GetVersion() == version && p.GetSpec().GetOperation() == "" && p.GetStatus().GetState() == packagesv1.PackageStatus_STATE_RUNNING
		})
	}
	publish("1.0.0:0", false)
	if _, err := w.Registries.AddRegistry(ctx, &registriesv1.AddRegistryRequest{Url: url, Id: "mine", Local: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Packages.InstallPackage(ctx, &packagesv1.InstallPackageRequest{FromRegistry: &packagesv1.FromRegistry{PackageId: pkg}, Start: true}); err != nil {
		t.Fatal(err)
	}
	installed("1.0.0:0")
	publish("1.1.0:0", false)
	if _, err := w.Updates.SetUpdatePolicy(ctx, &packagesv1.SetUpdatePolicyRequest{Id: pkg, Mode: packagesv1.UpdatePolicySpec_MODE_AUTOMATIC}); err != nil {
		t.Fatal(err)
	}
	installed("1.1.0:0")

	publish("1.2.0:0", true)
	if _, err := w.Updates.FindUpdates(ctx, &packagesv1.FindUpdatesRequest{}); err != nil { // it may have looked before that was there
		t.Fatal(err)
	}
	until("packageupdate", func(r *statev1.Resource) bool {
		st := r.GetPackageUpdate().GetStatus()
		return st.GetVersion() == "1.2.0:0" && len(st.GetHeldBy()) == 1 && r.GetPackageUpdate().GetSpec().GetWantedVersion() == ""
	})
	resp, err := w.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: pkg})
	if err != nil || resp.GetPackage().GetSpec().GetVersion() != "1.1.0:0" {
		t.Errorf("installed is %v, %v", resp.GetPackage().GetSpec(), err)
	}
}
