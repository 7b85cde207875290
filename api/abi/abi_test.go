package abi_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

func TestParseAddSSLReadsWhatPackagesSend(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		want *hostsv1.AddSsl
	}{
		"null":    {`null`, nil},
		"nothing": {``, nil},
		"preset of http": {
			`{"addXForwardedHeaders":true,"preferredExternalPort":443,"scheme":"https","alpn":{"specified":["http/1.1"]},"auth":null}`,
			&hostsv1.AddSsl{PreferredExternalPort: 443, AddXForwardedHeaders: true, Alpn: []string{"http/1.1"}},
		},
		"preset of https": {
			`{"addXForwardedHeaders":true,"preferredExternalPort":443,"scheme":"https","alpn":null,"auth":null}`,
			&hostsv1.AddSsl{PreferredExternalPort: 443, AddXForwardedHeaders: true},
		},
		"reflect":       {`{"preferredExternalPort":8443,"alpn":"reflect"}`, &hostsv1.AddSsl{PreferredExternalPort: 8443, AlpnReflect: true}},
		"bytes as name": {`{"preferredExternalPort":1,"alpn":{"specified":[[104,50],"http/1.1"]}}`, &hostsv1.AddSsl{PreferredExternalPort: 1, Alpn: []string{"h2", "http/1.1"}}},
		"no check":      {`{"preferredExternalPort":1,"upstreamCertValidation":"disable"}`, &hostsv1.AddSsl{PreferredExternalPort: 1, UpstreamUnchecked: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, known, err := abi.ParseAddSSL([]byte(c.in))
			if err != nil || known != nil {
				t.Fatal(err, known)
			}
			if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseAddSSLRefusesWhatItCannotCarryOut(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"a gate of a kind":   `{"auth":{"type":"digest","tokens":["t"],"realm":null}}`,
		"a gate of two":      `{"auth":{"type":"bearer","tokens":["t"],"credentials":[],"realm":null}}`,
		"a gate of none":     `{"auth":{"type":"basic","realm":null}}`,
		"a gate as a word":   `{"auth":"basic"}`,
		"an empty token":     `{"auth":{"type":"bearer","tokens":[""]}}`,
		"a token with space": `{"auth":{"type":"bearer","tokens":["t "]}}`,
		"too many tokens":    `{"auth":{"type":"bearer","tokens":[` + strings.Repeat(`"t",`, 256) + `"t"]}}`,
		"a user's colon":     `{"auth":{"type":"basic","credentials":[{"username":"a:b","password":"c"}]}}`,
		"a user's line":      `{"auth":{"type":"basic","credentials":[{"username":"a\nb","password":"c"}]}}`,
		"a nobody":           `{"auth":{"type":"basic","credentials":[{"username":"","password":"c"}]}}`,
		"a long realm":       `{"auth":{"type":"bearer","tokens":["t"],"realm":"` + strings.Repeat("x", 257) + `"}}`,
		"a pin of nothing":   `{"upstreamCertValidation":{"certificate":"x"}}`,
		"another check":      `{"upstreamCertValidation":"enable"}`,
		"a port too large":   `{"preferredExternalPort":65536}`,
		"a negative port":    `{"preferredExternalPort":-1}`,
		"another word":       `{"alpn":"mirror"}`,
		"a list outside":     `{"alpn":["h2"]}`,
		"a number as name":   `{"alpn":{"specified":[2]}}`,
		"a byte too large":   `{"alpn":{"specified":[[300]]}}`,
		"an empty name":      `{"alpn":{"specified":[""]}}`,
		"bytes but not text": `{"alpn":{"specified":[[255]]}}`,
		"too many names":     `{"alpn":{"specified":[` + strings.Repeat(`"h2",`, 16) + `"h2"]}}`,
		"no JSON":            `{`,
		"a list":             `[]`,
		"too long":           `"` + strings.Repeat("x", 64<<10) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, _, err := abi.ParseAddSSL([]byte(in)); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestParseAddSSLTellsWhomAGateLetsPassByDigestsAlone(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		gate  *hostsv1.Gate
		known []*hostsv1.GateCredential
	}{
		`{"type":"basic","credentials":[{"username":"ada","password":"a:b"}],"realm":"Home"}`: {
			&hostsv1.Gate{Scheme: hostsv1.Gate_SCHEME_BASIC, Realm: "Home"}, []*hostsv1.GateCredential{{User: "ada", Digest: digest("basic ada:a:b")}},
		},
		`{"type":"bearer","tokens":["one","two"],"realm":null}`: {
			&hostsv1.Gate{Scheme: hostsv1.Gate_SCHEME_BEARER}, []*hostsv1.GateCredential{{Digest: digest("bearer one")}, {Digest: digest("bearer two")}},
		},
		`{"type":"bearer","tokens":[],"realm":null}`: {&hostsv1.Gate{Scheme: hostsv1.Gate_SCHEME_BEARER}, nil},
	} {
		row, known, err := abi.ParseAddSSL([]byte(`{"auth":` + in + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.gate, row.GetGate(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
		if diff := cmp.Diff(&hostsv1.GateCredentials{Credentials: want.known}, known, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
}

func digest(secret string) []byte {
	d := sha256.Sum256([]byte(secret))
	return d[:]
}

func TestParseInterface(t *testing.T) {
	t.Parallel()
	good := abi.Exported{
		ID: "ui", Name: "Page", Description: "The page", Type: "ui",
		AddressInfo: []byte(`{"hostId":"main","internalPort":8080,"scheme":"http","sslScheme":"https","suffix":"/a?b=c","username":null}`),
	}
	row, host, port, err := abi.ParseInterface(good)
	if err != nil || host != "main" || port != 8080 {
		t.Fatalf("got %q, %d, %v", host, port, err)
	}
	want := &hostsv1.Interface{Id: "ui", Name: "Page", Description: "The page", Type: hostsv1.Interface_TYPE_UI, Scheme: "http", SslScheme: "https", Suffix: "/a?b=c"}
	if diff := cmp.Diff(want, row, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	for name, change := range map[string]func(*abi.Exported){
		"an id that is none":            func(e *abi.Exported) { e.ID = "Ui" },
		"another type":                  func(e *abi.Exported) { e.Type = "admin" },
		"no address":                    func(e *abi.Exported) { e.AddressInfo = nil },
		"no port":                       func(e *abi.Exported) { e.AddressInfo = []byte(`{"hostId":"main","suffix":""}`) },
		"a long name":                   func(e *abi.Exported) { e.Name = strings.Repeat("x", 257) },
		"a scheme that runs":            func(e *abi.Exported) { e.AddressInfo = address("JavaScript", "", "") },
		"a scheme with a space":         func(e *abi.Exported) { e.AddressInfo = address("ht tp", "", "") },
		"a scheme that is a digit":      func(e *abi.Exported) { e.AddressInfo = address("1http", "", "") },
		"a user name ending the name":   func(e *abi.Exported) { e.AddressInfo = address("http", "a@evil.example", "") },
		"a suffix with a line break":    func(e *abi.Exported) { e.AddressInfo = address("http", "", "/\n") },
		"a description that is no text": func(e *abi.Exported) { e.Description = "\xff" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := good
			change(&e)
			if _, _, _, err := abi.ParseInterface(e); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func address(scheme, username, suffix string) []byte {
	return abi.Encode(abi.AddressInfo{HostID: "main", InternalPort: 1, Scheme: &scheme, Username: &username, Suffix: suffix})
}

func TestParseBindIDs(t *testing.T) {
	t.Parallel()
	got, err := abi.ParseBindIDs([]byte(`[{"id":"main","internalPort":80},{"id":"main","internalPort":22,"stack":"x"}]`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]abi.BindID{{"main", 80}, {"main", 22}}, got); diff != "" {
		t.Error(diff)
	}
	if got, err := abi.ParseBindIDs([]byte("null")); err != nil || len(got) != 0 {
		t.Errorf("null: got %v, %v", got, err)
	}
	if _, err := abi.ParseBindIDs([]byte(`[` + strings.Repeat(`{},`, 1024) + `{}]`)); err == nil {
		t.Error("a list without end was taken")
	}
}

func TestBindingsAreOrderedAsNumbers(t *testing.T) {
	t.Parallel()
	got := string(abi.Encode(abi.Host{Bindings: abi.Bindings{8080: {}, 22: {}, 443: {}}}))
	at := func(port string) int { return strings.Index(got, `"`+port+`":{`) }
	if !(at("22") >= 0 && at("22") < at("443") && at("443") < at("8080")) {
		t.Error(got)
	}
}

func TestEncodeKeepsTextAsItIs(t *testing.T) {
	t.Parallel()
	const text = `<a href="x">&</a>`
	i := abi.Interface("main", 80, &hostsv1.Interface{Id: "ui", Name: text, Type: hostsv1.Interface_TYPE_UI})
	got := string(abi.Encode(abi.Host{Bindings: abi.Bindings{80: {Interfaces: map[string]abi.ServiceInterface{"ui": i}}}}))
	if !strings.Contains(got, `"name":"<a href=\"x\">&</a>"`) {
		t.Error(got)
	}
}

func TestGatewaysAlwaysHoldTheMachineAndTheBridge(t *testing.T) {
	t.Parallel()
	lan := abi.Gateway{ID: "eth0", Type: abi.GatewayTypeEthernet, Subnets: []netip.Prefix{netip.MustParsePrefix("fe80::1/64"), netip.MustParsePrefix("192.0.2.7/24")}}
	bridge := abi.Gateway{ID: abi.GatewayBridge, Type: abi.GatewayTypeBridge, ScopeID: 7, Subnets: []netip.Prefix{netip.MustParsePrefix("fe80::2/64")}}
	got := abi.Gateways([]abi.Gateway{bridge, lan})
	if len(got) != 3 || got[0].ID != "eth0" || got[1].ID != "lo" || got[2].ID != "lxcbr0" {
		t.Fatalf("got %v", got)
	}
	if len(got[0].Subnets) != 2 || !got[1].Has(netip.MustParseAddr("127.0.0.1")) || len(got[2].Subnets) != 1 || !got[2].Has(abi.BridgeAddress) {
		t.Errorf("got %v", got)
	}
	if again := abi.Gateways(got); len(again) != 3 || len(again[2].Subnets) != 1 {
		t.Errorf("a second time: %v", again)
	}
	if len(bridge.Subnets) != 1 {
		t.Error("the caller's gateway was changed")
	}
}

// FuzzParameters holds every parser of this package to its word: a parameter is refused with the one reason, or read
// into something that is written and read again the same.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{
		`null`, `{}`, `[]`, `"reflect"`, `{"ssl":true}`, `[{"id":"main","internalPort":80}]`,
		`{"preferredExternalPort":443,"alpn":{"specified":["h2",[104,50]]},"auth":null}`, `{"alpn":"reflect"}`,
		`{"auth":{"type":"basic","credentials":[{"username":"a","password":"b"}],"realm":"r"}}`, `{"auth":{"type":"bearer","tokens":["t"]}}`,
		`{"upstreamCertValidation":"disable"}`, `{"upstreamCertValidation":{"certificate":"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"}}`,
		`{"packageId":null,"hostId":"","internalPort":80,"ssl":false,"public":true,"hostname":"a.onion","port":null,"info":{"a":1}}`,
		`{"hostId":"main","internalPort":80,"scheme":"http","sslScheme":null,"suffix":"/","username":"u"}`,
	} {
		f.Add([]byte(seed))
	}
	check := func(t *testing.T, err error) bool {
		if err != nil && !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
			t.Errorf("another reason: %v", err)
		}
		return err == nil
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if ssl, _, err := abi.ParseAddSSL(data); check(t, err) && ssl != nil {
			out := abi.Derive(abi.Model{HostID: "main", Spec: &hostsv1.HostSpec{Bindings: map[uint32]*hostsv1.Binding{1: {AddSsl: ssl}}}})
			again, _, err := abi.ParseAddSSL(abi.Encode(out.Bindings[1].Options.AddSSL))
			if err != nil || !proto.Equal(ssl, again) {
				t.Errorf("%v became %v, %v", ssl, again, err)
			}
		}
		_, err := abi.ParseSecure(data)
		check(t, err)
		_, err = abi.ParseBindIDs(data)
		check(t, err)
		if v, err := abi.ParsePluginHostname(data); check(t, err) {
			if _, err := v.Supplied("tor", "remove", nil); err != nil {
				t.Error(err)
			}
		}
		_, err = abi.ParsePluginHostnames(data)
		check(t, err)
		row, host, port, err := abi.ParseInterface(abi.Exported{ID: "ui", Type: "api", AddressInfo: data})
		if check(t, err) {
			v := abi.Interface(host, port, row)
			if !json.Valid(abi.Encode(v)) {
				t.Errorf("no JSON: %s", abi.Encode(v))
			}
			again, _, _, err := abi.ParseInterface(abi.Exported{ID: "ui", Type: v.Type, AddressInfo: abi.Encode(v.AddressInfo)})
			if err != nil || !proto.Equal(row, again) {
				t.Errorf("%v became %v, %v", row, again, err)
			}
		}
	})
}
