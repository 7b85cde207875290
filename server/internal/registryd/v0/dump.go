package v0

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hearthos/hearth/api/registry"
)

// dump tells everything there is, or what a JSON pointer leads to in it; null where it leads nowhere. The id is the number of
// the last change.
func (h *Handler) dump(c call) (any, error) {
	p, err := into[struct {
		Pointer string `json:"pointer"`
	}](c)
	if err != nil || p.Pointer != "" && p.Pointer[0] != '/' {
		return nil, errParams
	}
	index, err := h.index(c)
	if err != nil {
		return nil, err
	}
	admins, err := h.signerList(true)(c)
	if err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	whole, names := bufio.NewWriter(&raw), slices.Sorted(maps.Keys(admins.(map[string]registry.Signer)))
	err = encode(whole, object(func(yield func(string, any) bool) {
		_ = yield("migrations", []string{}) && yield("admins", names) && yield("index", index)
	}))
	if err = errors.Join(err, whole.Flush()); err != nil {
		return nil, err
	}
	var value any
	numbers := json.NewDecoder(&raw)
	numbers.UseNumber()
	if err := numbers.Decode(&value); err != nil {
		return nil, err
	}
	return struct {
		ID    uint64 `json:"id"`
		Value any    `json:"value"`
	}{h.service.Revision(), at(value, p.Pointer)}, nil
}

// at is what a JSON pointer (RFC 6901) leads to; nil where it leads nowhere.
func at(value any, pointer string) any {
	if pointer == "" {
		return value
	}
	for part := range strings.SplitSeq(pointer[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch v := value.(type) {
		case map[string]any:
			value = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}
