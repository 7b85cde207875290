package rpc_test

import (
	"encoding/base64"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
)

func TestPagesGoOnWhereTheOneBeforeEndedAndNowhereElse(t *testing.T) {
	t.Parallel()
	var rows []*packagesv1.Package
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		rows = append(rows, &packagesv1.Package{Meta: &metav1.Meta{Id: id}})
	}
	var got, token string
	for pages := 0; pages == 0 || token != ""; pages++ {
		page, next, err := rpc.Page(rows, 2, 50, token)
		if err != nil || pages > 3 {
			t.Fatal(pages, err)
		}
		for _, r := range page {
			got += r.GetMeta().GetId()
		}
		token = next
	}
	if got != "abcde" {
		t.Errorf("the pages together are %q", got)
	}
	for _, garbage := range []string{"?", "AAAA", base64.RawURLEncoding.EncodeToString([]byte("a//b")), base64.StdEncoding.EncodeToString([]byte("abcd/?"))} {
		if _, _, err := rpc.Page(rows, 2, 50, garbage); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("%q: %v", garbage, err)
		}
	}
}
