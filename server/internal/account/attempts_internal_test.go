package account

import (
	"fmt"
	"testing"
	"time"
)

// Whoever has more sources than are remembered makes no room for his guesses: what is forgotten first are sources that have
// the least to be remembered of.
func TestManySourcesDoNotMakeAGuesserForgotten(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	a := newAttempts()
	guess := func(source, account string) bool {
		_, err := a.begin(now, source, account)
		return err == nil
	}
	for range perAccount {
		guess("203.0.113.7", "alex")
	}
	for i := range perSource {
		guess("203.0.113.8", fmt.Sprint("account", i))
	}
	for i := range maxBuckets/2 + 100 { // each has two buckets
		if !guess(fmt.Sprintf("2001:db8:%x::/64", i), "alex") {
			t.Fatalf("source %d is refused at its first guess", i)
		}
	}
	if len(a.buckets) > maxBuckets {
		t.Errorf("%d buckets are kept", len(a.buckets))
	}
	if guess("203.0.113.7", "alex") {
		t.Error("who guessed one account too often may go on, since others came")
	}
	if guess("203.0.113.8", "one more") {
		t.Error("who guessed too many accounts may go on, since others came")
	}
	if !guess("192.0.2.1", "alex") {
		t.Error("the owner is kept out")
	}
}
