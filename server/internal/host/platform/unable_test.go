package platform_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hearthos/hearth/server/internal/host/platform"
)

// What the system says itself is no part of the words: nobody could translate it.
func TestWhyAMachineCannotIsInWordsBesideWhichTheSystemIsQuoted(t *testing.T) {
	t.Parallel()
	answer := platform.Answer{Name: "limit.example", Text: "the disk {{.Disk}} cannot"}
	got := platform.Cannot(answer, errors.New("permission denied"), "Disk", "sda")
	want := &platform.Unable{Words: "limit.example", Values: map[string]string{"Disk": "sda"}, Quote: "permission denied"}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(platform.Unable{})); diff != "" {
		t.Error(diff)
	}
	if got.Error() != "the disk sda cannot: permission denied" {
		t.Errorf("it is %q", got)
	}
	if got := platform.Cannot(answer, nil, "Disk", "sda").Error(); got != "the disk sda cannot" {
		t.Errorf("without a word of the system it is %q", got)
	}
}
