package hostsrpc_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/hosts"
	"github.com/hearthos/hearth/server/internal/rpc/hostsrpc"
	"github.com/hearthos/hearth/server/internal/store"
)

func TestListHostsOfOnePackageOrAll(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	area := hosts.New(st, nil, 443, nil)
	_, err = st.Update(t.Context(), time.Unix(1, 0), func(tx *store.Tx) error {
		for _, pkg := range []string{"forge", "forge-two"} {
			if err := store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}}); err != nil {
				return err
			}
		}
		for _, id := range [][2]string{{"forge", "main"}, {"forge", "api"}, {"forge-two", "main"}} {
			if err := area.Bind(tx, id[0], id[1], 80, 0, nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, want := range map[string][]string{
		"":      {"forge-two/main", "forge/api", "forge/main"},
		"forge": {"forge/api", "forge/main"},
	} {
		response, err := hostsrpc.New(area, nil, nil, time.Now).ListHosts(t.Context(), &hostsv1.ListHostsRequest{PackageId: pkg})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range response.GetHosts() {
			got = append(got, h.GetMeta().GetId())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", pkg, diff)
		}
	}
	_, err = hostsrpc.New(area, nil, nil, time.Now).ListHosts(t.Context(), &hostsv1.ListHostsRequest{PackageId: "other"})
	if !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		t.Errorf("hosts of a package that is not installed: %v", err)
	}
}
