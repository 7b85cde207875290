package artifact

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Left lists the files that are not in keeping: uploads, and what operations have taken in, with who uses them.
func (k *Keeper) Left() ([]*packagesv1.StoredItem, error) {
	var list []*packagesv1.StoredItem
	uploads, err := k.uploads.List()
	if err != nil {
		return nil, err
	}
	for _, u := range uploads {
		item := &packagesv1.StoredItem{Kind: packagesv1.StoredItem_KIND_UPLOAD, Bytes: uint64(u.Bytes), CreateTime: timestamppb.New(u.Used)}
		if u.Live {
			item.UsedBy = []string{"upload"}
		}
		list = append(list, item)
	}
	for _, dir := range []string{k.claimed(), k.fetching()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			operation, _, _ := strings.Cut(e.Name(), ".")
			item := &packagesv1.StoredItem{Kind: packagesv1.StoredItem_KIND_DOWNLOAD, Id: operation, Bytes: uint64(info.Size()), CreateTime: timestamppb.New(info.ModTime())}
			if k.isUnderWay(operation) {
				item.UsedBy = []string{"operation " + operation}
			}
			list = append(list, item)
		}
	}
	return list, nil
}

// Tidy removes uploads that nobody uses any more, and what operations left that have ended. Nobody may be between a claim and the
// record of its operation.
func (k *Keeper) Tidy() error {
	return errors.Join(k.uploads.Expire(), k.abandon(k.claimed()), k.abandon(k.fetching()))
}
