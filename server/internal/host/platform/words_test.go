package platform_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/platform"
)

// What a machine may offer has a name for people in the catalogue, for the page.
func TestWhatAMachineOffersHasWords(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../../api/text/en.json")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]string
	if err := json.Unmarshal(raw, &texts); err != nil {
		t.Fatal(err)
	}
	found := platform.Here(t.TempDir(), t.TempDir()).Capabilities(t.Context())
	if len(found) == 0 {
		t.Fatal("a machine offers nothing")
	}
	for _, c := range found {
		if key := "page.capability." + c.Name; texts[key] == "" {
			t.Errorf("%s is missing: write it in api/text/en.json", key)
		}
	}
}
