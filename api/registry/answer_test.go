package registry

import (
	"errors"
	"strings"
	"testing"
)

// What makes no sense in an answer is told by its name there, and not by that of a type here.
func TestAnAnswerOfAnotherShapeIsNamed(t *testing.T) {
	t.Parallel()
	var result struct {
		Inner struct{ Size uint64 } `json:"inner"`
	}
	for answer, want := range map[string]string{
		`{"result":{"inner":{"Size":99999999999999999999}}}`: "inner.Size cannot be number 99999999999999999999",
		`{"result":[]}`: "the answer cannot be array",
	} {
		err := read([]byte(answer), &result)
		if !errors.Is(err, ErrInvalid) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s is refused with %v", answer, err)
		}
	}
}
