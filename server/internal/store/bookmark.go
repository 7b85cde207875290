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
	return encodeBookmark(s.id, revision, rights)
}

// DecodeBookmark is the inverse for bookmarks of this store; others, and damaged ones, are refused with
// REASON_BOOKMARK_FOREIGN. One that was made with other rights is refused with REASON_BOOKMARK_EXPIRED: rows that are
// older than it may have become readable since, and would never be told.
func (s *Store) DecodeBookmark(bookmark string, rights Rights) (uint64, error) {
	revision, made, ok := decodeBookmark(s.id, bookmark)
	if !ok {
		return 0, fault.New(metav1.Reason_REASON_BOOKMARK_FOREIGN, "the bookmark was not made by this store")
	}
	if made != rights {
		return 0, fault.New(metav1.Reason_REASON_BOOKMARK_EXPIRED, "the bookmark was made with other rights").With("revision", revision)
	}
	return revision, nil
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

func encodeBookmark(storeID string, revision uint64, rights Rights) string {
	body := storeID + "." + strconv.FormatUint(revision, 36) + "." + string(rights)
	return body + "." + bookmarkSum(body)
}

func decodeBookmark(storeID, bookmark string) (revision uint64, rights Rights, ok bool) {
	parts := strings.Split(bookmark, ".")
	if len(bookmark) > 128 || len(parts) != 4 || parts[0] != storeID {
		return 0, "", false
	}
	revision, err := strconv.ParseUint(parts[1], 36, 64)
	rights = Rights(parts[2])
	ok = err == nil && revision > 0 && encodeBookmark(storeID, revision, rights) == bookmark
	return revision, rights, ok
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
