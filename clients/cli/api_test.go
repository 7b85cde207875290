package main

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/google/go-cmp/cmp"
)

func TestFieldsMakeARequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		fields []string
		want   string
		fault  string
	}{
		{method: "StartPackage", fields: []string{"id=hello"}, want: `{"id":"hello"}`},
		{method: "StartPackage", fields: []string{"id=a=b"}, want: `{"id":"a=b"}`},
		{method: "StartPackage", fields: []string{"id="}, want: `{}`},
		{method: "ReadLogs", fields: []string{"package_id=hello", "tail=-1", "follow=true"}, want: `{"packageId":"hello","tail":-1,"follow":true}`},
		{method: "Watch", fields: []string{`targets={"id":"a"}`, `targets={"id":"b"}`}, want: `{"targets":[{"id":"a"},{"id":"b"}]}`},
		{method: "CreateToken", fields: []string{"expireTime=2026-05-04T12:00:00Z", "role=operator"}, want: `{"role":"ROLE_OPERATOR","expireTime":"2026-05-04T12:00:00Z"}`},
		{method: "CreateToken", fields: []string{"role=ROLE_ADMIN"}, want: `{"role":"ROLE_ADMIN"}`},
		{method: "ReadLogs", fields: []string{"tail=99999999999"}, fault: `cannot use "99999999999" for tail: it is a number (int32)`},
		{method: "CreateToken", fields: []string{"expireTime=soon"}, fault: `cannot use "soon" for expireTime: it is JSON of Timestamp`},
		{method: "Watch", fields: []string{"targets.id=a"}, fault: `targets has no fields of its own`},
		{method: "StartPackage", fields: []string{"id.x=a"}, fault: `id has no fields of its own`},
		{method: "StartPackage", fields: []string{"=a"}, fault: `it is name=value`},
	} {
		m, err := findMethod(c.method)
		if err != nil {
			t.Fatal(err)
		}
		req, err := newTestApp().request(m, []byte("{}"), c.fields)
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) || exitCode(err) != exitUsage {
				t.Errorf("%s %q: %v, want %q", c.method, c.fields, err, c.fault)
			}
			continue
		}
		want := dynamicpb.NewMessage(m.Input())
		if err := protojson.Unmarshal([]byte(c.want), want); err != nil {
			t.Fatal(err)
		}
		if err != nil || !proto.Equal(want, req) {
			t.Errorf("%s %q: %v, %v, want %v", c.method, c.fields, req, err, want)
		}
	}
}

// Messages in messages and maps: by a request that has them.
func TestFieldsReachIntoMessagesAndMaps(t *testing.T) {
	t.Parallel()
	m, err := findMethod("GetOperation")
	if err != nil {
		t.Fatal(err)
	}
	op := dynamicpb.NewMessage(m.Output())
	for _, f := range []string{"operation.meta.id=x", "operation.meta.labels.a.b=c", "operation.spec.parameters.k=v", "operation.status.state=running", "operation.meta.revision=18446744073709551615"} {
		if err := assign(op, f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	want := `{"operation":{"meta":{"id":"x","labels":{"a.b":"c"},"revision":"18446744073709551615"},"spec":{"parameters":{"k":"v"}},"status":{"state":"STATE_RUNNING"}}}`
	other := dynamicpb.NewMessage(m.Output())
	if err := protojson.Unmarshal([]byte(want), other); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(op, other) {
		t.Error(cmp.Diff(protojson.Format(other), protojson.Format(op)))
	}
	if err := assign(op, "operation.meta.labels=x"); err == nil {
		t.Error("a map takes a value without a key")
	}
}

func TestEveryMethodIsFoundByItsShortName(t *testing.T) {
	t.Parallel()
	all := publicMethods()
	if len(all) < 20 {
		t.Fatalf("only %d methods", len(all))
	}
	for _, m := range all {
		for _, name := range []string{shortName(m), string(m.FullName()), "/" + string(m.Parent().FullName()) + "/" + string(m.Name())} {
			if got, err := findMethod(name); err != nil || got.FullName() != m.FullName() {
				t.Errorf("%s finds %v, %v", name, got, err)
			}
		}
	}
}

// Whatever stands after -f, it is refused or becomes a request that can be sent.
func FuzzField(f *testing.F) {
	for _, s := range []string{"id=hello", `targets={"id":"a"}`, "tail=1", "operation.meta.labels.a=b", "expireTime=2026-05-04T12:00:00Z", "a.b.c=", "=", "..=x"} {
		f.Add("Watch", s)
		f.Add("GetOperation", s)
		f.Add("CreateToken", s)
	}
	f.Fuzz(func(t *testing.T, method, field string) {
		m, err := findMethod(method)
		if err != nil {
			return
		}
		for _, md := range []*dynamicpb.Message{dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())} {
			if assign(md, field) != nil {
				continue
			}
			if _, err := protojson.Marshal(md); err != nil && !strings.Contains(err.Error(), "UTF-8") && !strings.Contains(err.Error(), "google.protobuf") {
				t.Errorf("%s %q makes a message that cannot be sent: %v", method, field, err)
			}
		}
	})
}

// Whatever stands in the file of profiles, it is refused or can be used and written again.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{"", "current: home\nprofiles:\n  home:\n    host: https://x\n    token: t\n", "profiles: {a: {host: unix:/x}}", "current: none", "a: &a [*a]", "profiles: {A: {host: x}}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseConfig(raw)
		if err != nil {
			return
		}
		if _, ok := c.Profiles[c.Current]; !ok && c.Current != "" {
			t.Errorf("%q is in use and not there", c.Current)
		}
		for name, p := range c.Profiles {
			if p.Host == "" || !profileName.MatchString(name) {
				t.Errorf("profile %q has host %q", name, p.Host)
			}
		}
	})
}

// Whatever stands in a project file, it is refused, or names only addresses and a key beneath its folder or the person's.
func FuzzProjectFile(f *testing.F) {
	for _, s := range []string{
		"", "hosts: {lab: https://x:8443}\nhost: lab\nregistries: {test: https://r}\nregistry: test\nkey: build.pem\n", "host: unix:/x", "key: ../x",
		"key: ~/../x", "key: /etc/passwd", "key: ~/k.pem", "registry: none", "hosts: {A: {b: c}}", "a: &a [*a]", "key: ~/",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := parseProject(raw)
		if err != nil {
			return
		}
		for _, names := range []map[string]string{p.Hosts, p.Registries, {"host": p.Hosts[p.Host] + p.Host, "registry": p.Registries[p.Registry] + p.Registry}} {
			for name, address := range names {
				if !profileName.MatchString(name) || address != "" && !isAddress(address) {
					t.Errorf("%q is named %q", address, name)
				}
			}
		}
		if p.Key == "" {
			return
		}
		t.Setenv("HOME", "/home/me")
		p.path = "/project/hearth.yaml"
		key, err := p.key()
		if err != nil || !strings.HasPrefix(key, "/project/") && !strings.HasPrefix(key, "/home/me/") {
			t.Errorf("the key %q is at %q: %v", p.Key, key, err)
		}
	})
}
