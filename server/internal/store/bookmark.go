package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// EncodeBookmark answers the text by which a client comes back to a revision with the same rights. It is opaque to
// clients and valid across restarts.
func (s *Store) EncodeBookmark(revision uint64, rights Rights) string {
	return bookmark{s.id, revision, rights, s.epochs.current()}.encode()
}

// DecodeBookmark is the inverse for bookmarks of this store; others, and damaged ones, are refused with
// REASON_BOOKMARK_FOREIGN. With REASON_BOOKMARK_EXPIRED is refused one of a time that the store has lost, as when a copy
// was restored: other changes may have the same revisions now. So is one that was made with other rights: rows that are
// older than it may have become readable since, and would never be told.
func (s *Store) DecodeBookmark(text string, rights Rights) (uint64, error) {
	b, ok := decodeBookmark(s.id, text)
	if !ok {
		return 0, fault.New(metav1.Reason_REASON_BOOKMARK_FOREIGN, "the bookmark was not made by this store")
	}
	if last, known := s.epochs.last(b.epoch, s.published.Load()); !known || b.revision > last {
		return 0, fault.New(metav1.Reason_REASON_BOOKMARK_EXPIRED, "the bookmark is of a time that this state does not know").With("revision", b.revision)
	}
	if b.rights != rights {
		return 0, fault.New(metav1.Reason_REASON_BOOKMARK_EXPIRED, "the bookmark was made with other rights").With("revision", b.revision)
	}
	return b.revision, nil
}

// Rights is a digest of what a watcher may read.
type Rights string

// RightsOf digests names of what may be read; their order matters.
func RightsOf(names ...string) Rights {
	h := sha256.New()
	for _, name := range names {
		fmt.Fprintf(h, "%d %s", len(name), name)
	}
	return Rights(hex.EncodeToString(h.Sum(nil)[:6]))
}

// bookmark is a place in the feed of a store.
type bookmark struct {
	store    string
	revision uint64
	rights   Rights
	epoch    string // it was given out in; empty: a store of before epochs did
}

func (b bookmark) encode() string {
	parts := []string{b.store, strconv.FormatUint(b.revision, 36), string(b.rights)}
	if b.epoch != "" {
		parts = append(parts, b.epoch)
	}
	body := strings.Join(parts, ".")
	return body + "." + bookmarkSum(body)
}

func decodeBookmark(storeID, text string) (b bookmark, ok bool) {
	parts := strings.Split(text, ".")
	if len(text) > 128 || len(parts) != 4 && len(parts) != 5 || parts[0] != storeID {
		return b, false
	}
	revision, err := strconv.ParseUint(parts[1], 36, 64)
	b = bookmark{storeID, revision, Rights(parts[2]), ""}
	if len(parts) == 5 {
		b.epoch = parts[3]
	}
	return b, err == nil && revision > 0 && b.encode() == text
}

// bookmarkSum finds slips of copying; it is no protection against forgery, of which nobody has an advantage.
func bookmarkSum(body string) string {
	sum := sha256.Sum256([]byte("bookmark " + body))
	return hex.EncodeToString(sum[:4])
}

func tagOf(storeID string) string {
	sum := sha256.Sum256([]byte("tag " + storeID))
	return hex.EncodeToString(sum[:2])
}
