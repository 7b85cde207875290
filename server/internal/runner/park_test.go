package runner

import (
	"log/slog"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// What is asked of the code of a package that has no container, as while that is being made, is refused, and the package is not
// counted as used from then on.
func TestWhatHasNoContainerIsRefused(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	s := New(t.Context(), Config{}, st, slog.New(slog.DiscardHandler), time.Now, nil, nil, nil, nil, nil)
	if _, err := st.Update(t.Context(), time.Unix(1e9, 0), func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "starting"}})
	}); err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"starting", "nowhere"} {
		if _, err := s.Execute(t.Context(), pkg, "", "/actions/a/getInput", nil); fault.Reason(err) != metav1.Reason_REASON_SERVICE_NOT_READY {
			t.Errorf("%s is told %v", pkg, err)
		}
	}
	if len(s.uses) != 0 {
		t.Errorf("there are uses of %v", s.uses)
	}
}
