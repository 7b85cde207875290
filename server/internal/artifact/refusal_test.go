package artifact

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
)

// A new reason of the file format must be given a meaning here; only a medium that failed is not the file's fault.
func TestEveryReasonOfTheFormatHasAMeaning(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/package-files.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s9pk.Reasons() {
		medium := r == s9pk.Unreadable || r == s9pk.Broken
		got := fault.Reason(refusal(&s9pk.Error{Reason: r, Why: "of a test"}))
		if unknown := got == metav1.Reason_REASON_INTERNAL; unknown != medium {
			t.Errorf("%s becomes %v", r, got)
		}
		row := regexp.MustCompile("(?m)^\\| `" + strings.TrimPrefix(got.String(), "REASON_") + "` \\|.*`" + string(r) + "`")
		if !medium && !row.Match(page) {
			t.Errorf("docs/package-files.md does not say that %s becomes %v", r, got)
		}
	}
	other := errors.New("something else")
	if err := refusal(other); !errors.Is(err, other) {
		t.Errorf("an error that is no refusal becomes %v", err)
	}
}
