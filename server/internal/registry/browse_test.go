package registry_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

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
