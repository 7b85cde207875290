package door

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"google.golang.org/protobuf/proto"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/atomicfile"
)

// stateMagic begins the file; its digit is the format.
const stateMagic = "hearth-door-table 1\n"

// saveState keeps the table. The file holds keys, so nobody else may read it.
func saveState(path string, t *doorv1.Table) error {
	if path == "" {
		return nil
	}
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte(stateMagic), t)
	if err != nil {
		return fmt.Errorf("cannot keep the table: %w", err)
	}
	if err := atomicfile.Write(path, b, 0o600); err != nil {
		return fmt.Errorf("cannot keep the table: %w", err)
	}
	return nil
}

// loadState returns the table that was kept, or nil when there is none.
func loadState(path string) (*doorv1.Table, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the table of the last time: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxTableBytes+int64(len(stateMagic))+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the table of the last time: %w", err)
	}
	return decodeState(b)
}

func decodeState(b []byte) (*doorv1.Table, error) {
	b, ok := bytes.CutPrefix(b, []byte(stateMagic))
	if !ok || len(b) > MaxTableBytes {
		return nil, errors.New("cannot read the table of the last time: not a table of this format")
	}
	t := new(doorv1.Table)
	if err := proto.Unmarshal(b, t); err != nil {
		return nil, fmt.Errorf("cannot read the table of the last time: %w", err)
	}
	return t, nil
}
