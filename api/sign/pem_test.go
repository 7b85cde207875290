package sign_test

import (
	"encoding/pem"
	"testing"

	"github.com/hearthos/hearth/api/sign"
)

func TestPEMIsWrittenAsTheStandardLibraryWritesIt(t *testing.T) {
	t.Parallel()
	for i := range byte(50) {
		key := sign.FromSeed([32]byte{i})
		signature, err := key.Sign(sign.ContextPackage, []byte{i})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{key.Public().PEM(), signature.PEM()} {
			block, rest := pem.Decode([]byte(text))
			if block == nil || len(rest) > 0 || string(pem.EncodeToMemory(block)) != text {
				t.Fatalf("it is not: %q", text)
			}
		}
	}
}
