package page_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/servertest"
)

func serviceID(i int) string { return fmt.Sprintf("service-%02d", i) }

// fill has so many services run, on a server that somebody owns.
func (w *world) fill(t testing.TB, count int) {
	t.Helper()
	if _, err := w.local.Accounts.ClaimServer(t.Context(), &accountsv1.ClaimServerRequest{Account: "alex", Password: "correct horse battery"}); err != nil {
		t.Fatal(err)
	}
	for i := range count {
		w.install(t, servertest.Package(t, serviceID(i), nil))
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for have := 0; have < count; <-tick.C {
		resp, err := w.local.Packages.ListPackages(t.Context(), &packagesv1.ListPackagesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		have = 0
		for _, p := range resp.GetPackages() {
			if p.GetStatus().GetState() == packagesv1.PackageStatus_STATE_RUNNING {
				have++
			}
		}
	}
}

// Many services: those that nobody sees yet are built when they come near, and are found until then.
func TestManyServicesInThePage(t *testing.T) {
	t.Parallel()
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const many = 40
			w := newWorld(t)
			w.fill(t, many)
			values := maps.Clone(look)
			values["services"] = many
			w.play(t, "many.mjs", values)
		})
	}
}
