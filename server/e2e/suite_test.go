package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"google.golang.org/protobuf/proto"
)

const (
	probe  = "effect-probe"
	friend = "effect-friend"
)

// suite is a server with the two packages of the compatibility suite, and what was seen of them.
type suite struct {
	*machine
	effects map[string]string // by effect
	traps   map[int]string    // by number
}

// effectAnswer is what an effect gave the package, or how it was refused.
type effectAnswer struct {
	Result json.RawMessage
	Error  string
	Reason string
}

// effectCall is a row of the table: an effect, its parameters, and what the package gets.
type effectCall struct {
	effect, params string
	// want is in the JSON of the result; "null" is null itself. reason is why it is refused, where it is.
	want, reason string
}

// effectTable calls every effect in an order in which each finds what it needs. "$1" is in what the one before gave.
var effectTable = []effectCall{
	{"get-data-version", `{"eventId":"x","later":{}}`, `"1.0.0:0"`, ""},
	{"set-data-version", `{"version":">=1.0.0:0 <2.0.0:0"}`, `null`, ""},
	{"get-data-version", `{}`, `">=1.0.0:0 <2.0.0:0"`, ""},
	{"set-data-version", `{"version":"1.0.0:0"}`, `null`, ""},
	{"set-dependencies", `{"dependencies":[{"kind":"exists","id":"effect-stranger","versionRange":"*"}]}`, "", "EFFECT_DENIED"},
	{"set-dependencies", `{"dependencies":[{"kind":"running","id":"effect-friend","healthChecks":["web"],"versionRange":">=1.0.0:0"}]}`, `null`, ""},
	{"get-dependencies", `{}`, `"kind":"running","id":"effect-friend","healthChecks":["web"]`, ""},
	{"check-dependencies", `{}`, `"packageId":"effect-friend","title":"Effect friend","installedVersion":"1.0.0:0","satisfies":[],"isRunning":true`, ""},
	{"check-dependencies", `{"packageIds":["effect-stranger"]}`, `[]`, ""},
	{"action.export", `{"id":"passing","metadata":{"name":"Passing","description":"","warning":null,"visibility":{"disabled":"not now"},"allowedStatuses":"only-running","hasInput":false,"group":null}}`, `null`, ""},
	{"action.run", `{"actionId":"passing","input":null}`, "", "ACTION_"},
	{"action.clear", `{"except":["calls","say","events","look","traps"]}`, `null`, ""},
	{"action.get-input", `{"actionId":"say","prefill":null}`, `"value":{"words":"before"}`, ""},
	{"action.run", `{"actionId":"say","input":{"words":"hey"}}`, `hey`, ""},
	{"action.run", `{"packageId":"effect-friend","actionId":"open","input":null}`, `open to all`, ""},
	{"action.run", `{"packageId":"effect-friend","actionId":"close","input":null}`, "", "EFFECT_DENIED"},
	{"action.create-task", `{"replayId":"for-friend","packageId":"effect-friend","actionId":"expose","severity":"optional","reason":"please"}`, `null`, ""},
	{"action.create-task", `{"replayId":"for-stranger","packageId":"effect-stranger","actionId":"expose"}`, "", "EFFECT_DENIED"},
	{"check-dependencies", `{}`, `"for-friend":{"task":{"packageId":"effect-friend","actionId":"expose"`, ""},
	{"action.clear-tasks", `{"only":["for-friend"]}`, `null`, ""},
	{"bind", `{"id":"extra","internalPort":7000,"preferredExternalPort":7000,"addSsl":null,"secure":null,"stack":"dropped"}`, `null`, ""},
	{"get-service-port-forward", `{"hostId":"extra","internalPort":7000}`, `"assignedPort":7000`, ""},
	{"bind-range", `{"id":"extra","internalStartPort":7100,"externalStartPort":47100,"numberOfPorts":10,"stack":"dropped"}`, `null`, ""},
	{"bind-range", `{"id":"extra","internalStartPort":7200,"externalStartPort":47105,"numberOfPorts":10}`, "", "PORT_RANGE_TAKEN"},
	{"export-range-service-interface", `{"hostId":"extra","internalStartPort":7100,"id":"relay","name":"Relay","description":"","scheme":null}`, `null`, ""},
	{"get-host-info", `{"hostId":"extra"}`, `"externalStartPort":47100,"numberOfPorts":10`, ""},
	{"plugin.url.register", `{"tableAction":"look"}`, `null`, ""},
	{"plugin.url.export-url", `{"hostnameInfo":{"packageId":"effect-friend","hostId":"ui","internalPort":8080,"ssl":false,"public":true,"hostname":"abc.onion","port":80,"info":null},"removeAction":"look","overflowActions":[]}`, `null`, ""},
	{"get-host-info", `{"hostId":"ui","packageId":"effect-friend"}`, `"kind":"plugin","packageId":"effect-probe","removeAction":"look"`, ""},
	{"plugin.url.export-url", `{"hostnameInfo":{"packageId":"effect-friend","hostId":"absent","internalPort":80,"ssl":false,"public":true,"hostname":"abc.onion","port":80,"info":null},"removeAction":null,"overflowActions":[]}`, "", "HOST_NOT_FOUND"},
	{"plugin.url.clear-urls", `{"except":[]}`, `null`, ""},
	{"export-service-interface", `{"id":"extra","name":"Extra","description":"","masked":false,"type":"api","addressInfo":{"username":null,"hostId":"extra","internalPort":7000,"scheme":"http","sslScheme":null,"suffix":""}}`, `null`, ""},
	{"get-service-interface", `{"serviceInterfaceId":"extra"}`, `"id":"extra","name":"Extra"`, ""},
	{"list-service-interfaces", `{"packageId":null}`, `"ui":{"id":"ui"`, ""},
	{"clear-service-interfaces", `{"except":["ui"]}`, `null`, ""},
	{"get-service-interface", `{"serviceInterfaceId":"extra"}`, `null`, ""},
	{"clear-bindings", `{"except":[{"id":"ui","internalPort":80}]}`, `null`, ""},
	{"get-service-port-forward", `{"hostId":"extra","internalPort":7000}`, `"assignedPort":7000`, ""},
	{"get-host-info", `{"hostId":"ui"}`, `"hostname":"10.0.3.1"`, ""},
	{"get-host-info", `{"hostId":"ui","packageId":"effect-friend"}`, `"gateway":"lxcbr0"`, ""},
	{"get-host-info", `{"hostId":"absent"}`, `null`, ""},
	{"get-container-ip", `{}`, `"10.0.3.`, ""},
	{"get-os-ip", `{}`, `"10.0.3.1"`, ""},
	{"get-status", `{"packageId":"effect-friend"}`, `"desired":{"main":"running"}`, ""},
	{"get-status", `{"packageId":"effect-stranger"}`, "", "EFFECT_DENIED"},
	{"get-installed-packages", `{}`, `["effect-friend","effect-probe"]`, ""},
	{"get-service-manifest", `{"packageId":"effect-friend"}`, `"title":"Effect friend"`, ""},
	{"get-outbound-gateway", `{}`, "", "NO_OUTBOUND_GATEWAY"},
	{"get-system-smtp", `{}`, `null`, ""},
	{"get-ssl-certificate", `{"hostnames":["effect-probe.startos"]}`, `-----BEGIN CERTIFICATE-----`, ""},
	{"get-ssl-key", `{"hostnames":["effect-probe.startos"],"algorithm":"ed25519"}`, `-----BEGIN PRIVATE KEY-----`, ""},
	{"get-ssl-key", `{"hostnames":["effect-friend.startos"]}`, "", "EFFECT_DENIED"},
	{"set-health", `{"id":"made-up","name":"Made up","result":"waiting","message":null,"later":[1]}`, `null`, ""},
	{"set-metrics", `{"metrics":[{"id":"visits","name":"Visits","unit":null,"value":12.5},{"id":"age","name":"Age","unit":"s","value":3}]}`, `null`, ""},
	{"set-metrics", `{"metrics":[{"id":"No Id","name":"x","value":1}]}`, "", "EFFECT_INVALID"},
	{"set-init-progress", `{"progress":{"overall":{"done":1,"total":null,"units":"steps"},"phases":[]}}`, `null`, ""},
	{"set-backup-progress", `{"progress":false}`, `null`, ""},
	{"notification.create", `{"level":"warning","title":"From the probe","message":"It calls every effect","data":"**all**"}`, `null`, ""},
	{"notification.create", `{"level":"shout","title":"","message":""}`, "", "EFFECT_INVALID"},
	{"set-main-status", `{"status":"running"}`, `null`, ""},
	{"subcontainer.create-fs", `{"imageId":"main","name":null}`, `/media/startos/subcontainers/`, ""},
	{"subcontainer.destroy-fs", `{"guid":"$1"}`, `null`, ""},
	{"subcontainer.create-fs", `{"imageId":"absent","name":null}`, "", "IMAGE_"},
	{"mount", `{"location":"/mnt","target":{"packageId":"effect-stranger","volumeId":"main","subpath":null,"readonly":true,"idmap":[]}}`, "", "EFFECT_DENIED"},
	{"mount", `{"location":"/mnt","target":{"packageId":"effect-friend","volumeId":"main","subpath":null,"readonly":true,"idmap":[],"filetype":"directory"}}`, `null`, ""},
}

// Two packages written with the SDK call every effect of the contract and walk into every trap that an unmodified package
// can meet. The tables at the end say what was seen; an effect or a trap that is in no row fails the test.
func TestCompatibilitySuite(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, pkg := range []string{friend, probe} {
		if _, err := os.Stat(filepath.Join(m.bin, pkg+".s9pk")); err != nil {
			t.Fatalf("%v: run 'make sample' first", err)
		}
	}
	m.start()
	s := &suite{machine: m, effects: map[string]string{}, traps: map[int]string{}}
	for _, pkg := range []string{friend, probe} {
		m.hearth("package", "install", filepath.Join(m.bin, pkg+".s9pk"))
		m.healthy(pkg)
	}
	s.init()
	s.table()
	s.walk()
	s.callbacks()
	s.language()
	s.policy()
	s.control()
	s.backup()
	s.removal()
	s.elsewhere()
	s.whole()
}

// backup has the probe, which is stopped, make a backup of its own, which tells how far it is, and which nothing reaches
// afterwards.
func (s *suite) backup() {
	s.t.Helper()
	dir := s.t.TempDir()
	s.hearth("package", "backup", probe, dir)
	if row := s.rows("package", "show", probe)[0]; row["desired"] != "stopped" {
		s.t.Errorf("after the backup of a stopped service it is wanted %v", row["desired"])
	}
	s.hearth("package", "start", probe)
	s.healthy(probe)
	for _, name := range []string{"data/volumes/main", "data/dataVersion.txt", probe + ".s9pk"} {
		if _, err := os.Stat(filepath.Join(dir, probe, name)); err != nil {
			s.t.Errorf("the backup of the probe has no %s: %v", name, err)
		}
	}
	if seen, err := s.inside(probe, "ls", "/media/startos/backup"); err != nil || strings.TrimSpace(seen) != "" {
		s.t.Errorf("the backup can still be reached: %q, %v", seen, err)
	}
}

// told runs an action of a package that tells something, and reads it.
func (s *suite) told(into any, pkg, action string, args ...string) {
	s.t.Helper()
	out := s.hearth(append([]string{"package", "action", "run", pkg, action, "--output", "json"}, args...)...)
	var row struct {
		Result struct{ Value string }
	}
	if err := json.Unmarshal([]byte(out), &row); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(row.Result.Value), into); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
}

// call lets the probe call effects.
func (s *suite) call(calls []effectCall) []effectAnswer {
	s.t.Helper()
	type one struct {
		Effect string          `json:"effect"`
		Params json.RawMessage `json:"params"`
	}
	var list []one
	for _, c := range calls {
		list = append(list, one{c.effect, json.RawMessage(c.params)})
	}
	words, err := json.Marshal(list)
	if err != nil {
		s.t.Fatal(err)
	}
	input, err := json.Marshal(map[string]string{"words": string(words)})
	if err != nil {
		s.t.Fatal(err)
	}
	var answers []effectAnswer
	s.told(&answers, probe, "calls", "--input", string(input))
	if len(answers) != len(calls) {
		s.t.Fatalf("%d answers to %d calls", len(answers), len(calls))
	}
	return answers
}

// effect notes what was seen of an effect, and whether it is as it should be.
func (s *suite) effect(c effectCall, a effectAnswer) {
	s.t.Helper()
	seen := string(a.Result)
	ok := a.Error == "" && (c.want == "null" && seen == "null" || c.want != "null" && c.want != "" && strings.Contains(seen, c.want))
	if c.reason != "" {
		seen, ok = "refused: "+a.Reason, strings.HasPrefix(a.Reason, c.reason)
	}
	if !ok {
		s.t.Errorf("%s %s gives %s %s", c.effect, c.params, a.Result, a.Error)
		return
	}
	if len(seen) > 48 {
		seen = seen[:48] + "…"
	}
	s.effects[c.effect] = strings.TrimPrefix(s.effects[c.effect]+", "+seen, ", ")
}

// trap notes what was seen of a trap, and whether it was avoided.
func (s *suite) trap(number int, avoided bool, format string, args ...any) {
	s.t.Helper()
	s.traps[number] = fmt.Sprintf(format, args...)
	if !avoided {
		s.t.Errorf("trap %d: %s", number, s.traps[number])
	}
}

// sight is what the probe saw by itself.
type sight struct {
	Starts, Forms  int
	Kind           string
	Language, Node string
	Missing        []string
	Bare           string
	Early          struct {
		Out  string
		Code int
	}
}

func (s *suite) look() (seen sight) {
	s.t.Helper()
	s.told(&seen, probe, "look")
	return seen
}

func (s *suite) init() {
	s.t.Helper()
	seen := s.look()
	s.trap(1, len(seen.Missing) == 0 && seen.Bare == "10.0.3.1", "programs missing %v; start-container without an environment says %q", seen.Missing, seen.Bare)
	s.trap(7, seen.Early.Out == "from a friend 0", "an init ran an image with a dependency's volume: %q", seen.Early.Out)
	tasks := s.rows("package", "tasks", probe)
	s.trap(8, len(tasks) == 1 && tasks[0]["actionId"] == "say", "a task on an own action, made in the own init: %d", len(tasks))
	s.trap(25, len(tasks) == 1 && tasks[0]["active"] == true, "its input was in the form of SDKs before 2.0; it is active")
	s.trap(26, strings.HasPrefix(seen.Node, "22.") || strings.HasPrefix(seen.Node, "24."), "node %s", seen.Node)
	if seen.Kind != "install" {
		s.t.Errorf("the first init is of kind %q", seen.Kind)
	}
}

func (s *suite) table() {
	s.t.Helper()
	answers := s.call(effectTable)
	void := 0
	for i, c := range effectTable {
		s.effect(c, answers[i])
		if c.want == "null" && answers[i].Error == "" && string(answers[i].Result) == "null" {
			void++
		}
	}
	s.trap(2, answers[0].Error == "", "unknown members, null for absent and numbers as numbers are taken")
	s.trap(3, void > 10, "%d calls without a result give null", void)
	s.trap(22, s.effects["get-service-port-forward"] != "", "after clear-bindings: %s", s.effects["get-service-port-forward"])
	notes := s.rows("notifications")
	if len(notes) != 1 || notes[0]["title"] != "From the probe" || notes[0]["level"] != "warning" {
		s.t.Errorf("notifications: %v", notes)
	}
}

// walk lets the probe walk into the traps that it meets while it runs.
func (s *suite) walk() {
	s.t.Helper()
	var t struct {
		Spread struct {
			IP   string
			Keys int
		}
		Child struct {
			Inside, After bool
			Left          int
		}
		Event    json.RawMessage
		Exports  json.RawMessage
		DNS      string
		Loopback json.RawMessage
		UIDs     json.RawMessage
		IDMap    struct {
			UID         int
			Text, Write string
		}
		Readonly struct {
			Out  string
			Code int
		}
		Ephemeral struct {
			Out  string
			Code int
		}
		Begins  json.RawMessage
		Inotify json.RawMessage
		Rsync   struct {
			Status int
			Stderr string
			Linked bool
			UID    int
		}
	}
	s.told(&t, probe, "traps")
	s.trap(5, t.Spread.IP == "10.0.3.1" && t.Child.Inside && !t.Child.After && t.Child.Left == 1, "a copy of the effects works; a child is left once: %+v", t.Child)
	s.trap(6, strings.Contains(string(t.Event), "of one event"), "an action with input runs by its effect: %.80s", t.Event)
	var forms int
	s.trap(9, json.Unmarshal(t.Exports, &forms) == nil && forms <= 20, "20 exports ask for %s forms", t.Exports)
	s.trap(10, strings.HasPrefix(t.DNS, "10.0.3."), "effect-friend.startos is %s; lxcbr0 and 10.0.3.1 are in the table of effects", t.DNS)
	s.trap(11, string(t.Loopback) == "200", "node reaches the image's port on loopback: %s", t.Loopback)
	on := func(name string) uint32 {
		var st syscall.Stat_t
		if err := syscall.Stat(filepath.Join(s.state, "volumes", probe, "main", name), &st); err != nil {
			s.t.Error(err)
		}
		return st.Uid
	}
	s.trap(12, string(t.UIDs) == "[0,1000]" && on("of-root") == 0 && on("of-user") == 1000, "inside %s, on disk %d and %d", t.UIDs, on("of-root"), on("of-user"))
	s.trap(13, t.IDMap.UID == 1234 && t.IDMap.Text == "from a friend" && t.IDMap.Write == "EROFS", "a mapped mount: %+v", t.IDMap)
	s.trap(14, t.Readonly.Code == 0, "a write to an own volume mounted read-only ends with %d", t.Readonly.Code)
	s.trap(15, t.Ephemeral.Code == 1, "what was written to a root is gone: test -e ends with %d", t.Ephemeral.Code)
	var ms int
	s.trap(16, json.Unmarshal(t.Begins, &ms) == nil && ms > 0, "a subcontainer from nothing to the end of true: %s ms", t.Begins)
	s.trap(17, string(t.Inotify) == `"told"`, "a change in a subcontainer is told to node: %s", t.Inotify)
	s.trap(18, t.Rsync.Status == 0 && t.Rsync.Linked && t.Rsync.UID == 4321, "rsync -aAXH: %+v", t.Rsync)
}

// callbacks changes what the probe watches, more than once.
func (s *suite) callbacks() {
	s.t.Helper()
	for _, host := range []string{"one.example", "two.example"} {
		s.hearth("system", "smtp", "set", "--server", host, "--from", "home@"+host, "--username", "home", "--no-password")
	}
	s.told(nil, friend, "expose")
	s.hearth("package", "restart", friend)
	want := []string{"getHostInfo", "getServiceInterface", "getStatus", "getSystemSmtp", "listServiceInterfaces"}
	var events []string
	s.eventually(30*time.Second, "the callbacks are called", func() error {
		s.told(&events, probe, "events")
		for _, e := range want {
			if !slices.Contains(events, e) {
				return fmt.Errorf("%s is not among %v", e, events)
			}
		}
		return nil
	})
	slices.Sort(events)
	once := slices.Compact(slices.Clone(events))
	s.trap(4, len(once) == len(events), "each is called once, though its value changed more often: %v", events)
	a := s.call([]effectCall{{"get-system-smtp", `{}`, `"host":"two.example"`, ""}, {"clear-callbacks", `{"except":[]}`, "null", ""}})
	s.effect(effectCall{"get-system-smtp", `{}`, `"host":"two.example"`, ""}, a[0])
	s.healthy(friend)
}

// language gives all services new containers.
func (s *suite) language() {
	s.t.Helper()
	before := s.look().Language
	s.hearth("system", "language", "de_DE")
	var after string
	s.eventually(60*time.Second, "the probe speaks German", func() error {
		out, err := s.tryHearth("package", "action", "run", probe, "look", "--output", "json")
		if err != nil {
			return err
		}
		if !strings.Contains(out, "de_DE.UTF-8") {
			return fmt.Errorf("not yet: %s", out)
		}
		after = "de_DE.UTF-8"
		return nil
	})
	s.trap(24, before == "en_US.UTF-8", "LANG was %s and is %s after the language of the server changed", before, after)
	s.healthy(friend)
	s.healthy(probe)
}

// policy lets the probe reach for what it does not declare: refused and recorded, then let through and recorded.
func (s *suite) policy() {
	s.t.Helper()
	recorded := func(outcome string) (list []string) {
		for _, row := range s.rows("package", "effects", probe) {
			if row["outcome"] == outcome {
				list = append(list, fmt.Sprintf("%v %v", row["effect"], row["target"]))
			}
		}
		return list
	}
	denied := recorded("denied")
	beyond := []effectCall{{"get-status", `{"packageId":"effect-stranger"}`, "null", ""}}
	s.hearth("package", "effects", probe, "--lenient")
	s.effect(beyond[0], s.call(beyond)[0])
	through := recorded("let_through")
	before := s.pkg(probe)["container"]
	s.hearth("package", "effects", probe, "--strict")
	s.eventually(60*time.Second, "what was let through went with its container", func() error {
		if now := s.pkg(probe); now["container"] == before || now["state"] != "running" {
			return fmt.Errorf("%v in %v", now["state"], now["container"])
		}
		return nil
	})
	s.healthy(probe)
	s.trap(28, slices.Contains(denied, "mount effect-stranger") && slices.Contains(through, "get-status effect-stranger"),
		"refused and recorded: %v; let through and recorded: %v", denied, through)
}

// control lets the probe restart and stop itself, and the daemon restart beside it.
func (s *suite) control() {
	s.t.Helper()
	starts := s.look().Starts
	restart := effectCall{"restart", `{}`, "null", ""}
	s.effect(restart, s.call([]effectCall{restart})[0])
	s.eventually(60*time.Second, "it has started again", func() error {
		if now := s.look().Starts; now <= starts {
			return fmt.Errorf("%d starts", now)
		}
		return nil
	})
	s.healthy(probe)
	begun := s.rows("status")[0]["startTime"]
	s.hearth("system", "restart")
	s.eventually(30*time.Second, "the daemon is another program in the same process", func() error {
		out, err := s.tryHearth("status", "--output", "json")
		if err != nil {
			return err
		}
		if s.decoded(out)[0]["startTime"] == begun {
			return errors.New("it is the one from before")
		}
		return nil
	})
	select {
	case <-s.exited:
		s.t.Fatal("the process of the daemon has ended")
	default:
	}
	s.healthy(probe)
	shutdown := effectCall{"shutdown", `{}`, "null", ""}
	s.effect(shutdown, s.call([]effectCall{shutdown})[0])
	s.eventually(60*time.Second, "it has stopped", func() error {
		if state := s.rows("package", "show", probe)[0]["state"]; state != "stopped" {
			return fmt.Errorf("it is %v", state)
		}
		return nil
	})
}

// removal uninstalls the probe, keeps its data, and installs it over them.
func (s *suite) removal() {
	s.t.Helper()
	s.hearth("package", "uninstall", probe, "--keep-data", "--yes")
	raw, err := os.ReadFile(filepath.Join(s.state, "volumes", probe, "main", "farewell"))
	// Where the data stay, the package's clean-up is told the version that they stay at.
	s.trap(19, err == nil && strings.Contains(string(raw), `"upstream":{"number":[1,0,0]`), "uninit of kept data was told the target %s; the version of data may be a range: %s",
		raw, s.effects["get-data-version"])
	s.hearth("package", "install", filepath.Join(s.bin, probe+".s9pk"))
	seen := s.look()
	s.trap(21, seen.Kind == "update", "an installation over kept data is of kind %q", seen.Kind)
	s.trap(23, true, "the manifest of effect-friend has members of earlier SDKs")
}

// elsewhere names the tests that walk into the traps left.
func (s *suite) elsewhere() {
	s.t.Helper()
	for number, in := range map[int]struct{ file, test string }{
		20: {"update_test.go", "TestUpdate"},
		27: {"../bench/memory_test.go", "BenchmarkMemory"},
	} {
		raw, err := os.ReadFile(in.file)
		s.trap(number, err == nil && strings.Contains(string(raw), "func "+in.test), "seen by %s* in %s", in.test, in.file)
	}
}

// whole prints both tables, and fails where an effect of the contract or a trap is in no row.
func (s *suite) whole() {
	s.t.Helper()
	methods := effectsv1.File_hearth_effects_v1_effects_proto.Services().ByName("EffectsService").Methods()
	var table strings.Builder
	for i := range methods.Len() {
		name, _ := proto.GetExtension(methods.Get(i).Options(), optionsv1.E_Effect).(string)
		if name == "" {
			continue
		}
		seen, ok := s.effects[name]
		if !ok {
			s.t.Errorf("the effect %s of the contract is in no row", name)
		}
		fmt.Fprintf(&table, "  %-32s %s\n", name, seen)
	}
	for number := 1; number <= 28; number++ {
		seen, ok := s.traps[number]
		if !ok {
			s.t.Errorf("trap %d is in no row", number)
		}
		fmt.Fprintf(&table, "  trap %-2d %s\n", number, seen)
	}
	s.t.Logf("what was seen:\n%s", table.String())
}
