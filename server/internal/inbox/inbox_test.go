package inbox_test

import (
	"strings"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/inbox"
)

// Nobody keeps others from sending by announcing what never comes.
func TestUploadsThatNeverComeMakeRoom(t *testing.T) {
	t.Parallel()
	now := time.Now()
	box, err := inbox.Open(t.TempDir(), 0, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	send := func() string {
		t.Helper()
		ticket, err := box.Create(10)
		if err != nil {
			t.Fatal(err)
		}
		return ticket
	}
	begun := send()
	up, err := box.Open(begun)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.Append(strings.NewReader("01234")); err != nil {
		t.Fatal(err)
	}
	if err := up.Close(); err != nil {
		t.Fatal(err)
	}
	var announced []string
	for range 63 {
		announced = append(announced, send())
	}
	if _, err := box.Create(10); !fault.Is(err, metav1.Reason_REASON_RATE_LIMITED) {
		t.Fatalf("one too many: %v", err)
	}
	now = now.Add(time.Minute + time.Second)
	send()
	if _, _, err := box.Find(begun); err != nil {
		t.Errorf("the one of which something has arrived goes before those of which nothing has: %v", err)
	}
	gone := 0
	for _, ticket := range announced {
		if _, _, err := box.Find(ticket); err != nil {
			gone++
		}
	}
	if gone != 1 {
		t.Errorf("%d of the announced ones are gone", gone)
	}
}
