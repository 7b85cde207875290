package fair_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/fair"
)

func request(proto int, length int64, header int) *http.Request {
	return &http.Request{ProtoMajor: proto, ContentLength: length, Header: http.Header{"A": {strings.Repeat("a", header)}}}
}

// One source has a quarter, all together have the whole, and what ends makes room.
func TestASourceHasAQuarter(t *testing.T) {
	t.Parallel()
	s := fair.NewShare[string](4 << 20)
	var ends []func()
	count := map[string]int{}
	for range 100 {
		for _, from := range []string{"a", "b", "c", "d", "e"} {
			if end, ok := s.Take(from, request(1, 0, 100<<10)); ok {
				ends = append(ends, end)
				count[from]++
			}
		}
	}
	if len(ends) != 31 || count["a"] > 7 {
		t.Errorf("%d requests are under way: %v", len(ends), count)
	}
	for _, end := range ends {
		end()
	}
	if _, ok := s.Take("e", request(1, 0, 900<<10)); !ok {
		t.Error("what has ended counts still")
	}
}

// A body weighs as much as may have come of it.
func TestBodiesWeighWhatMayHaveCome(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		request *http.Request
		many    int // within a MiB
	}{
		"none":                      {request(2, 0, 0), 31},
		"of unknown length":         {request(2, -1, 0), 1},
		"large":                     {request(2, 1<<40, 0), 1},
		"small":                     {request(2, 16<<10, 0), 21},
		"of a length over HTTP/1.1": {request(1, 1<<40, 0), 31},
	} {
		s := fair.NewShare[int](4 << 20)
		n := 0
		for range 100 {
			if _, ok := s.Take(1, k.request); ok {
				n++
			}
		}
		if n != k.many {
			t.Errorf("%s: %d requests weigh a MiB, want %d", name, n, k.many)
		}
	}
}
