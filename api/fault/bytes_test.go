package fault_test

import (
	"fmt"
	"testing"

	"github.com/hearthos/hearth/api/fault"
)

func TestSizesAreForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[fault.Bytes]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 512 << 20: "512.0 MiB", 72503873536: "67.5 GiB", 1100048498688: "1.0 TiB", 1 << 60: "1048576.0 TiB",
	} {
		if got := fmt.Sprintf("%s", n); got != want {
			t.Errorf("%d is %q, want %q", uint64(n), got, want)
		}
	}
}
