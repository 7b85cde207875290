package hosts_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

const gated = `{"preferredExternalPort":443,"auth":{"type":"basic","credentials":[{"username":"lovelace","password":"open sesame"}],"realm":null}}`

// bindGated binds as the effect does.
func (f fixture) bindGated(pkg, host string, port uint32, addSSL string) *hostsv1.GateCredentials {
	f.t.Helper()
	row, known, err := abi.ParseAddSSL([]byte(addSSL))
	if err != nil {
		f.t.Fatal(err)
	}
	f.must(func(tx *store.Tx) error {
		if err := f.Bind(tx, pkg, host, port, 80, row, nil); err != nil || known == nil {
			return err
		}
		return f.KeepSecrets(tx, pkg, host, port, known)
	})
	return known
}

func (f fixture) gates(host string) (known map[uint32]*hostsv1.GateCredentials, sealed map[uint32][]byte) {
	f.t.Helper()
	f.must(func(tx *store.Tx) (err error) {
		row, _, lookup := store.Lookup[*hostsv1.HostGates](tx, host)
		sealed = row.GetSpec().GetSealed()
		known, err = f.Gates(tx, host)
		return errors.Join(err, lookup)
	})
	return known, sealed
}

func TestSecretsOfAGateAreSealedAndSeenNowhereElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	want := f.bindGated("forge", "main", 80, gated)
	f.bindGated("forge", "main", 81, `{"preferredExternalPort":443}`)
	known, sealed := f.gates("forge/main")
	if len(known) != 1 || !proto.Equal(known[80], want) {
		t.Errorf("the gate lets pass %v", known)
	}
	digest := want.GetCredentials()[0].GetDigest()
	var shown []byte
	f.must(func(tx *store.Tx) (err error) { shown, err = f.HostJSON(tx, "forge", "main"); return err })
	var host *hostsv1.Host
	f.must(func(tx *store.Tx) (err error) { host, err = store.Get[*hostsv1.Host](tx, "forge/main"); return err })
	row, err := proto.Marshal(host)
	if err != nil {
		t.Fatal(err)
	}
	for what, seen := range map[string][]byte{"the JSON": shown, "the row": row, "what is sealed": sealed[80]} {
		for _, secret := range [][]byte{[]byte("sesame"), []byte("lovelace"), digest} {
			if bytes.Contains(seen, secret) {
				t.Errorf("%s tells %q", what, secret)
			}
		}
	}
	if !strings.Contains(string(shown), `"auth":{"type":"basic","credentials":[],"realm":null}`) {
		t.Errorf("the host is %s", shown)
	}
}

func TestSecretsOfAGateGoWithIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bindGated("forge", "main", 80, gated)
	_, before := f.gates("forge/main")
	f.bindGated("forge", "main", 80, gated)
	if _, again := f.gates("forge/main"); !bytes.Equal(before[80], again[80]) {
		t.Error("the same secrets were written anew")
	}
	other := f.bindGated("forge", "main", 80, strings.Replace(gated, "sesame", "barley", 1))
	if known, _ := f.gates("forge/main"); !proto.Equal(known[80], other) {
		t.Errorf("after a change it lets pass %v", known)
	}
	f.bindGated("forge", "main", 80, `{"preferredExternalPort":443,"auth":null}`)
	if known, sealed := f.gates("forge/main"); len(known)+len(sealed) != 0 {
		t.Errorf("without a gate there is %v", sealed)
	}
	for what, leave := range map[string]func(tx *store.Tx) error{
		"kept":      func(tx *store.Tx) error { return f.Keep(tx, "forge") },
		"forgotten": func(tx *store.Tx) error { return f.Forget(tx, "forge", store.NewRoom()) },
	} {
		f.bindGated("forge", "main", 80, gated)
		f.must(leave)
		if _, sealed := f.gates("forge/main"); len(sealed) != 0 {
			t.Errorf("%s: the secrets are still there", what)
		}
	}
}

func TestSecretsOfAGateFollowTheRootKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	want := f.bindGated("forge", "main", 80, gated)
	_, before := f.gates("forge/main")
	if err := f.ring.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Rewrap(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	known, after := f.gates("forge/main")
	if bytes.Equal(before[80], after[80]) || !proto.Equal(known[80], want) {
		t.Errorf("after a change of the key the gate lets pass %v", known)
	}
	f.must(func(tx *store.Tx) error {
		row, _, err := store.Lookup[*hostsv1.HostGates](tx, "forge/main")
		if err != nil {
			return err
		}
		row.Spec.Sealed[80] = append([]byte{0}, row.Spec.Sealed[80]...)
		return store.Put(tx, row)
	})
	f.must(func(tx *store.Tx) error {
		if known, err := f.Gates(tx, "forge/main"); err == nil || len(known) != 0 {
			t.Errorf("what is damaged lets pass %v, %v", known, err)
		}
		return nil
	})
}
