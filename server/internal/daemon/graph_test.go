package daemon_test

import (
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/server/internal/daemon"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

var update = flag.Bool("update", false, "write docs/controllers.md anew")

const graphHead = `# Controllers

What the server keeps true continuously: which rows wake which controller, at which times of the day it looks anyway, what
it reads and writes, and what it drives outside of the store.

This page is made from the program by 'make graph'; do not edit it.

`

func TestGraphOfControllersIsCurrent(t *testing.T) {
	t.Parallel()
	const path = "../../../docs/controllers.md"
	cs := daemon.Controllers()
	page := graphHead + reconcile.Table(cs) + "\n```mermaid\n" + reconcile.Mermaid(cs) + "```\n"
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if diff := cmp.Diff(page, string(have)); diff != "" || err != nil {
		t.Errorf("docs/controllers.md is not what the controllers say of themselves: run 'make graph' (%v)\n%s", err, diff)
	}
}

// What a controller says that it writes is held against the writers that the contract names for each kind.
func TestControllersWriteWhatTheContractLetsThem(t *testing.T) {
	t.Parallel()
	known := map[string]*optionsv1.Kind{}
	for _, k := range store.Kinds() {
		known[k.ID], _ = proto.GetExtension(k.New().ProtoReflect().Descriptor().Options(), optionsv1.E_Kind).(*optionsv1.Kind)
	}
	for _, c := range daemon.Controllers() {
		wakes, reads := c.Inputs()
		for _, id := range slices.Concat(wakes, reads, c.Writes) {
			if known[id] == nil {
				t.Errorf("the controller %q names the kind %q, which there is not", c.Name, id)
			}
		}
		area := c.Area
		if area == "" {
			area = c.Name
		}
		for _, id := range c.Writes {
			if k := known[id]; k != nil && k.GetSpecWriter() != area && k.GetStatusWriter() != area {
				t.Errorf("the controller %q of %q writes %q, whose writers are %s and %s", c.Name, area, id, k.GetSpecWriter(), k.GetStatusWriter())
			}
		}
		if len(c.Writes)+len(c.Drives) == 0 {
			t.Errorf("the controller %q does not say what it writes or drives", c.Name)
		}
	}
}
