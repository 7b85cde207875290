package artifact

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/atomicfile"
)

// Describe reads what a file says it is that lies elsewhere: signature, tables and manifest are checked, and that this
// machine can run it; the content is not. The file must be the one of the commitment.
func (k *Keeper) Describe(r io.ReaderAt, size int64, c s9pk.Commitment) (*packagesv1.Artifact, error) {
	file, err := s9pk.Open(r, size, s9pk.Options{Commitment: &c})
	if err != nil {
		return nil, refusal(err)
	}
	return k.describe(file, size)
}

// verified is in the names of files of which every byte has been.
const verified = ".verified."

func isVerified(path string) bool { return strings.Contains(filepath.Base(path), verified) }

// Receive has the file of an operation written, which is then claimed like an upload. The file that write gets may hold what
// arrived before it failed or before a crash; when it returns without an error, it has verified every byte of it, which
// Take then does not do again: nobody but it writes there. Repeating it is harmless.
func (k *Keeper) Receive(operation string, write func(f *os.File) error) error {
	if _, _, err := k.find(operation); err == nil {
		return nil
	}
	if row, err := k.recorded(operation); row != nil || err != nil {
		return err // taken already
	}
	if !operationPattern.MatchString(operation) {
		return fmt.Errorf("cannot receive a file for an operation with the id %q", operation)
	}
	f, err := os.OpenFile(filepath.Join(k.fetching(), operation), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), os.Rename(f.Name(), filepath.Join(k.claimed(), fmt.Sprintf("%s%s%d", operation, verified, info.Size())))); err != nil {
		return fmt.Errorf("cannot keep what was fetched: %w", err)
	}
	return errors.Join(atomicfile.SyncDir(k.claimed()), atomicfile.SyncDir(k.fetching()))
}
