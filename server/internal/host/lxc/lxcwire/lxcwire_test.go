package lxcwire_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/server/internal/host/lxc/lxcwire"
)

func good() lxcwire.Request {
	return lxcwire.Request{
		Name: "vault", Path: "/run/lxc", LogFile: "/run/log", Cgroup: "/sys/fs/cgroup/x/cgroup.procs",
		Items: []lxcwire.Item{{Key: "lxc.uts.name", Value: "vault = \"x\""}}, Argv: []string{"/init", "two words", "line\nbreak"},
	}
}

func TestRequestSurvivesTheWire(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	got, err := lxcwire.Read(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(good(), got); diff != "" {
		t.Error(diff)
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*lxcwire.Request){
		"no name":       func(q *lxcwire.Request) { q.Name = "" },
		"name as path":  func(q *lxcwire.Request) { q.Name = "../x" },
		"hidden name":   func(q *lxcwire.Request) { q.Name = ".." },
		"relative path": func(q *lxcwire.Request) { q.Path = "run" },
		"no log":        func(q *lxcwire.Request) { q.LogFile = "" },
		"no cgroup":     func(q *lxcwire.Request) { q.Cgroup = "" },
		"no init":       func(q *lxcwire.Request) { q.Argv = nil },
		"zero byte":     func(q *lxcwire.Request) { q.Argv[0] = "a\x00b" },
		"second line":   func(q *lxcwire.Request) { q.Items[0].Value = "a\nlxc.rootfs.path = dir:/" },
		"foreign key":   func(q *lxcwire.Request) { q.Items[0].Key = "include" },
		"key with text": func(q *lxcwire.Request) { q.Items[0].Key = "lxc.a = b" },
	} {
		q := good()
		change(&q)
		b, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lxcwire.Read(strings.NewReader(string(b))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "no json": "hello", "unknown member": `{"name":"a","more":1}`, "two": `{} {}`,
		"endless": `{"name":"` + strings.Repeat("a", lxcwire.MaxRequest+10) + `"}`,
	} {
		if _, err := lxcwire.Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReplyTellsSuccessOrFailure(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		`{"init_pid":7}`: true, `{"error":"no","log":["a"]}`: true,
		`{}`: false, `{"init_pid":7,"error":"no"}`: false, `{"init_pid":-1}`: false, `nonsense`: false, ``: false,
	} {
		if _, err := lxcwire.ReadReply(strings.NewReader(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	b, err := json.Marshal(good())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Add(`{"init_pid":3}`)
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := lxcwire.Read(strings.NewReader(text)); err == nil {
			if err := q.Check(); err != nil {
				t.Fatalf("accepted what it refuses: %v", err)
			}
		}
		if p, err := lxcwire.ReadReply(strings.NewReader(text)); err == nil && p.InitPID <= 0 && p.Error == "" {
			t.Fatal("accepted an empty reply")
		}
	})
}
