package journal_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/journal"
)

func TestLevelAndFormatAreHeeded(t *testing.T) {
	t.Parallel()
	for _, format := range []journal.Format{journal.Text, journal.JSON} {
		var out bytes.Buffer
		log, err := journal.New(&out, "Warn", format)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("not this")
		log.Warn("this", "error", fault.New(metav1.Reason_REASON_DISK_FULL, "no room").With("free", 3))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 1 || !strings.Contains(lines[0], "REASON_DISK_FULL") || !strings.Contains(lines[0], "this") {
			t.Errorf("%s: %q", format, lines)
		}
		if json.Valid([]byte(lines[0])) != (format == journal.JSON) {
			t.Errorf("%s: %q", format, lines[0])
		}
	}
}

func TestMisspeltNamesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"loud", "text"}, {"", "text"}, {"info", "xml"}, {"info", ""}} {
		if _, err := journal.New(&bytes.Buffer{}, c[0], journal.Format(c[1])); err == nil {
			t.Errorf("%q was accepted", c)
		}
	}
}
