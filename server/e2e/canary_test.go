package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Secrets go through real calls, also wrong ones; then everything that the server prints, shows or keeps readable is
// searched for them.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start("--log", "debug")
	all := m.stream("watch")
	canaries := map[string]string{"recovery code": strings.TrimSpace(m.hearth("recovery-code", "new"))}
	_, canaries["token"] = m.token("canary", "viewer")
	key := strings.Fields(read(t, filepath.Join(m.state, "keys", "root.key")))
	canaries["root key"] = key[len(key)-1]
	const input, wrong = "canary-in-an-input-77aa", "hearth_canary-of-a-wrong-token-88bb"
	canaries["input of an action"], canaries["wrong token"] = input, wrong
	said := ""
	for _, args := range [][]string{
		{"package", "action", "run", "nothing", "set", "--input", `{"password":"` + input + `"}`},
		{"--token", wrong, "status"},
		{"--token", canaries["token"], "system", "shutdown"},
		{"--token", canaries["token"], "audit"},
	} {
		out, err := m.tryHearth(args...)
		if err == nil {
			t.Errorf("%v was done", args[2:])
			continue
		}
		// What the command line was given is in the error of the test, after its own text.
		_, answer, _ := strings.Cut(err.Error(), "\n")
		said += out + answer
	}
	m.hearth("root-key", "rotate")
	key = strings.Fields(read(t, filepath.Join(m.state, "keys", "root.key")))
	canaries["new root key"] = key[len(key)-1]
	watched, err := json.Marshal(all.end())
	if err != nil || len(watched) < 100 {
		t.Fatalf("the watch has shown %s, %v", watched, err)
	}
	places := map[string]string{
		"answers": said, "watch": string(watched), "audit": m.hearth("audit", "--output", "json"),
		"tokens": m.hearth("tokens", "list", "--output", "json"), "root key": m.hearth("root-key", "show", "--output", "json"),
		"operations": m.hearth("operations", "--output", "json"), "log": read(t, m.log.Name()),
		"process": m.must("sh", "-c", "tr '\\0' '\\n' < /proc/$(pgrep -f 'hearthd --state "+m.state+"' | head -n 1)/cmdline"),
	}
	err = filepath.WalkDir(filepath.Join(m.state), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Base(path) != "root.key" {
			places[path] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range places {
		for what, canary := range canaries {
			if canary == "" || strings.Contains(text, canary) {
				t.Errorf("the %s (%d bytes) is in %s", what, len(canary), place)
			}
		}
	}
}
