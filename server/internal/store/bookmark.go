package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// EncodeBookmark answers the text by which a client comes back to a revision. It is opaque to clients, holds no more
// than the store's id and the revision, and is valid across restarts.
func EncodeBookmark(storeID string, revision uint64) string {
	body := storeID + "." + strconv.FormatUint(revision, 36)
	return body + "." + bookmarkSum(body)
}

// DecodeBookmark is the inverse for bookmarks of this store; others, and damaged ones, are refused with
// REASON_BOOKMARK_FOREIGN.
func (s *Store) DecodeBookmark(bookmark string) (uint64, error) {
	return decodeBookmark(s.id, bookmark)
}

func decodeBookmark(storeID, bookmark string) (uint64, error) {
	if parts := strings.Split(bookmark, "."); len(bookmark) <= 128 && len(parts) == 3 && parts[0] == storeID {
		revision, err := strconv.ParseUint(parts[1], 36, 64)
		if err == nil && revision > 0 && EncodeBookmark(storeID, revision) == bookmark {
			return revision, nil
		}
	}
	return 0, fault.New(metav1.Reason_REASON_BOOKMARK_FOREIGN, "the bookmark was not made by this store")
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
