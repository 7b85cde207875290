package registry_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	wire "github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/server/internal/registry"
)

// Somebody who has just made a registry looks for the first package that is put into it.
func TestARegistryThatHadNothingIsAskedAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	w, _ := serve(t, false, rpc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":0,"result":{}}`)
	}))
	for turn := int32(1); turn <= 2; turn++ {
		found, _, failures, err := w.Search(t.Context(), registry.Search{Limit: 10})
		if err != nil || len(found)+len(failures) > 0 || asked.Load() != turn {
			t.Errorf("turn %d: %v, %v, %v; asked %d times", turn, found, failures, err, asked.Load())
		}
	}
}

// Several registries lie on one host, each under a path of its own.
func TestRegistriesOfOneHostHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	answers := rpc(http.NotFound)
	w, _ := serve(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = wire.Path
		answers.ServeHTTP(w, r)
	}))
	add := func(path, id string) (string, error) {
		row, err := w.Add(t.Context(), time.Now(), registry.Addition{Address: "http://" + host + path, ID: id, Local: true})
		return row.GetMeta().GetId(), err
	}
	for _, c := range []struct{ path, id, want string }{{"/stable", "", "example"}, {"/beta", "", "example-2"}, {"/old", "", "example-3"}} {
		if got, err := add(c.path, c.id); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", c.path, got, err)
		}
	}
	for _, c := range []struct{ path, id string }{{"/beta", ""}, {"", ""}, {"/other", "example"}} {
		_, err := add(c.path, c.id)
		w.refuses(c.path+" "+c.id, err, metav1.Reason_REASON_ALREADY_EXISTS)
	}
}
