package operationtest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// spell writes a row as its deterministic bytes do, but readable enough to see what differs.
func spell(row store.Row) string {
	row = proto.Clone(row).(store.Row)
	m := row.ProtoReflect()
	m.Set(m.Descriptor().Fields().ByName("meta"), protoreflect.ValueOfMessage(timeless(row.GetMeta()).ProtoReflect()))
	if op, ok := row.(*operationsv1.Operation); ok {
		op.Status.EndTime = nil
		for _, s := range op.GetStatus().GetSteps() {
			s.StartTime, s.EndTime = nil, nil
		}
	}
	// The text form changes its spacing from build to build, not within one.
	return strings.Join(strings.Fields(fmt.Sprint(row)), " ")
}

// files writes names, modes and digests of all files below dir but those of the store.
func files(t testing.TB, b *strings.Builder, dir string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if name == "store" {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case name == ".":
		case d.IsDir():
			fmt.Fprintf(b, "folder %s %v\n", name, info.Mode())
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(b, "link %s -> %s\n", name, to)
		default:
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(b, "file %s %v %d bytes %x\n", name, info.Mode(), len(raw), sha256.Sum256(raw))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
