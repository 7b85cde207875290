package hosts_test

import (
	"testing"

	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

func TestNamesLeadToOtherMachinesAndToNoneOfTheServersOwn(t *testing.T) {
	t.Parallel()
	f := street(t)
	add := func(spec *hostsv1.PassthroughSpec) (*hostsv1.Passthrough, error) {
		return f.AddPassthrough(t.Context(), today, spec)
	}
	if _, err := f.AddPrivateDomain(t.Context(), today, forge, "git.lan", nil, 80); err != nil {
		t.Fatal(err)
	}
	made, err := add(&hostsv1.PassthroughSpec{Hostname: "NAS.example.", Backend: "192.168.1.20:5001"})
	if err != nil {
		t.Fatal(err)
	}
	if made.GetMeta().GetId() != "nas.example:443" || made.GetSpec().GetAccess() != hostsv1.Access_ACCESS_LAN {
		t.Errorf("made is %v", made)
	}
	again, err := add(&hostsv1.PassthroughSpec{Hostname: "nas.example", Port: 443, Backend: "192.168.1.21:5001", Access: hostsv1.Access_ACCESS_INTERNET, Gateways: []string{"eth0"}})
	if err != nil || again.GetMeta().GetCreateRevision() == 0 || again.GetSpec().GetBackend() != "192.168.1.21:5001" {
		t.Errorf("said again it is %v (%v)", again, err)
	}
	if _, err := add(&hostsv1.PassthroughSpec{Hostname: "nas.example", Port: 5001, Backend: "[fd00::20]:5001"}); err != nil {
		t.Errorf("at a port of its own: %v", err)
	}
	if _, err := add(&hostsv1.PassthroughSpec{Hostname: "cam.example", Port: 5001, Backend: "192.168.1.22:443"}); err != nil {
		t.Errorf("at a port that only passthroughs have: %v", err)
	}
	plain := f.ports("forge", "main", 22).GetAssignedPort()
	for what, c := range map[string]struct {
		spec *hostsv1.PassthroughSpec
		want metav1.Reason
	}{
		"a name of a host":          {&hostsv1.PassthroughSpec{Hostname: "git.lan", Backend: "192.168.1.20:443"}, metav1.Reason_REASON_DOMAIN_TAKEN},
		"a name that is none":       {&hostsv1.PassthroughSpec{Hostname: "nas", Backend: "192.168.1.20:443"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"a name in .local":          {&hostsv1.PassthroughSpec{Hostname: "nas.local", Backend: "192.168.1.20:443"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"this server":               {&hostsv1.PassthroughSpec{Hostname: "a.example", Backend: "192.168.1.5:443"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"a machine of the Internet": {&hostsv1.PassthroughSpec{Hostname: "a.example", Backend: "198.51.100.1:443"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"the machine itself":        {&hostsv1.PassthroughSpec{Hostname: "a.example", Backend: "127.0.0.1:443"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"a service":                 {&hostsv1.PassthroughSpec{Hostname: "a.example", Backend: "10.0.3.8:443"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"no port":                   {&hostsv1.PassthroughSpec{Hostname: "a.example", Backend: "192.168.1.20"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"a port of a service":       {&hostsv1.PassthroughSpec{Hostname: "a.example", Port: plain, Backend: "192.168.1.20:443"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"a port of the system":      {&hostsv1.PassthroughSpec{Hostname: "a.example", Port: 22, Backend: "192.168.1.20:443"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"an unknown gateway":        {&hostsv1.PassthroughSpec{Hostname: "a.example", Gateways: []string{"eth9"}, Backend: "192.168.1.20:443"}, metav1.Reason_REASON_GATEWAY_NOT_FOUND},
	} {
		if _, err := add(c.spec); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := f.AddPrivateDomain(t.Context(), today, forge, "nas.example", nil, 80); !fault.Is(err, metav1.Reason_REASON_DOMAIN_TAKEN) {
		t.Errorf("a host gets the name: %v", err)
	}
	if p := f.bind("forge", "main", 90, 5001, nil, &hostsv1.Secure{}); p.GetAssignedPort() == 5001 {
		t.Error("a service gets the port")
	}
	f.must(func(tx *store.Tx) error { return f.ClearBindings(tx, "forge", nil) })
	if _, err := add(&hostsv1.PassthroughSpec{Hostname: "git.lan", Backend: "192.168.1.20:443"}); err != nil {
		t.Errorf("a name of a host that nobody uses: %v", err)
	}
	if left := f.row("forge/main").GetSpec().GetPrivateDomains(); len(left) != 0 {
		t.Errorf("the host still has it: %v", left)
	}
	if err := f.DeletePassthrough(t.Context(), today, "git.lan:443"); err != nil {
		t.Error(err)
	}
	for range 2 {
		err = f.DeletePassthrough(t.Context(), today, "nas.example:443")
	}
	if rows, listed := f.Passthroughs(); len(rows) != 2 || listed != nil || !fault.Is(err, metav1.Reason_REASON_PASSTHROUGH_NOT_FOUND) {
		t.Errorf("left are %v, %v; deleted twice: %v", rows, listed, err)
	}
}
