package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
)

// document has use read a listed document. The error of use counts only when the document is the listed one.
func (e *Export) document(ctx context.Context, name string, most int64, use func(io.Reader) error) error {
	target := e.targets[name]
	if target == nil {
		return wrong(Unlisted, name, "it is not in the list of the export")
	}
	if target.Length > most {
		return endless(name, most)
	}
	file := consistent(name, sumOf(target))
	sum, count := sha256.New(), int64(0)
	var used error
	err := e.place.stream(ctx, file, target.Length, func(r io.Reader) error {
		tee := io.TeeReader(r, counter{sum, &count})
		used = use(tee)
		_, err := io.Copy(io.Discard, tee)
		return err
	})
	switch {
	case err != nil:
		return err
	case count != target.Length || hex.EncodeToString(sum.Sum(nil)) != sumOf(target):
		return wrong(Content, file, "it is another file than the one that was signed")
	}
	return used
}

type counter struct {
	hash.Hash
	n *int64
}

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return c.Hash.Write(p)
}

// parsed reads a listed document into a value.
func (e *Export) parsed(ctx context.Context, name string, most int64, into any) error {
	return e.document(ctx, name, most, func(r io.Reader) error {
		raw, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return &Error{Invalid, name, err}
		}
		return nil
	})
}

// Info tells what the registry is.
func (e *Export) Info(ctx context.Context) (info registry.Info, err error) {
	return info, e.parsed(ctx, infoName, maxInfo, &info)
}

// Get tells of one package what is asked, as a registry does: of a package that it does not have, nothing. Files lie where
// their URLs say.
func (e *Export) Get(ctx context.Context, p registry.GetParams, d *registry.Device) (registry.Listing, error) {
	if p.ID == nil || e.targets[packageName(*p.ID)] == nil {
		return registry.Listing{}, nil
	}
	if _, err := ids.ParsePackage(*p.ID); err != nil {
		return registry.Listing{}, nil
	}
	var l registry.Listing
	if err := e.parsed(ctx, packageName(*p.ID), maxPackage, &l); err != nil {
		return registry.Listing{}, err
	}
	for _, v := range l.Best {
		if v == nil {
			continue
		}
		for i := range v.Files {
			asset := &v.Files[i].Asset
			name := fileName(asset.Commitment.Name())
			target := e.targets[name]
			if target == nil {
				return registry.Listing{}, wrong(Unlisted, packageName(*p.ID), "its file %s is not in the list of the export", name)
			}
			asset.URLs = []string{e.place.URL(consistent(name, sumOf(target)))}
		}
	}
	detail := registry.DetailShort
	if p.OtherVersions != nil {
		detail = *p.OtherVersions
	}
	return chosen(l, registry.Question{Target: p.TargetVersion, Source: p.SourceVersion, Device: d}, detail)
}

// chosen answers of all versions of a package those that will do.
func chosen(l registry.Listing, q registry.Question, detail string) (registry.Listing, error) {
	best, others := registry.Choose(registry.Candidates(l.Best), q)
	return registry.Answer(l.Categories, best, others, detail)
}

// All tells of all packages what a list shows. What it has told counts only when it ends without an error: until then
// nobody knows whether it is what was signed.
func (e *Export) All(ctx context.Context, d *registry.Device, tell func(id string, l registry.Listing) error) error {
	return e.document(ctx, packagesName, maxPackages, func(r io.Reader) error {
		return registry.ReadAll(r, func(id string, l registry.Listing) error {
			shown, err := chosen(l, registry.Question{Device: d}, registry.DetailShort)
			if err != nil || len(shown.Best) == 0 {
				return err
			}
			return tell(id, shown)
		})
	})
}
