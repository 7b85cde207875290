package rpc_test

import (
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

// scope makes a token of an administrator that is for something.
func (t *tokens) scope(secret string, scope access.Scope) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[secret] = access.Identity{Kind: access.Token, ID: "token-" + secret, Role: optionsv1.Role_ROLE_ADMIN, Scope: &scope}
}

// What a token is for holds on every wire, whatever its role.
func TestScopesHoldOnEveryWire(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.tokens.scope("of hello", access.Scope{Packages: []string{"hello"}})
	s.tokens.scope("of lists", access.Scope{Methods: []string{"hearth.packages.v1.PackageService.ListPackages"}})
	s.tokens.scope("of logs", access.Scope{Methods: []string{"hearth.logs.v1.LogService"}})
	s.tokens.scope("of starting hello", access.Scope{Methods: []string{"hearth.packages.v1.PackageService.StartPackage"}, Packages: []string{"hello"}})
	list, upload := &packagesv1.ListPackagesRequest{}, &packagesv1.CreateUploadRequest{Size: 1}
	start := func(id string) proto.Message { return &packagesv1.StartPackageRequest{Id: id} }
	const let, out = metav1.Reason_REASON_UNSPECIFIED, metav1.Reason_REASON_OUT_OF_SCOPE
	for _, c := range []struct {
		token, method string
		in            proto.Message
		want          metav1.Reason
	}{
		{"of hello", "StartPackage", start("hello"), let},
		{"of hello", "StartPackage", start("other"), out},
		{"of hello", "ListPackages", list, let},
		{"of hello", "CreateUpload", upload, out},
		{"of lists", "ListPackages", list, let},
		{"of lists", "StartPackage", start("hello"), out},
		{"of lists", "CreateUpload", upload, out},
		{"of logs", "ListPackages", list, out},
		{"of starting hello", "StartPackage", start("hello"), let},
		{"of starting hello", "StartPackage", start("other"), out},
		{"of starting hello", "ListPackages", list, out},
		{"admin", "CreateUpload", upload, let},
	} {
		for _, w := range wires() {
			_, err := w.call(t, s, c.token, methodOf(c.method), c.in, empty(methodOf(c.method).Output()))
			if got := fault.Proto(err).GetReason(); got != c.want {
				t.Errorf("%s on %s, %s %v: %v, want %s", c.token, w.name, c.method, c.in, err, c.want)
			}
		}
	}
	for _, c := range []struct {
		token, pkg string
		want       metav1.Reason
	}{
		{"of hello", "hello", let}, {"of hello", "other", out}, {"of logs", "other", let}, {"of lists", "hello", out}, {"of starting hello", "hello", out},
	} {
		for _, w := range streamWires() {
			lines, err := w.read(t, s, c.token, c.pkg)
			if got := fault.Proto(err).GetReason(); got != c.want || (len(lines) > 0) != (c.want == let) {
				t.Errorf("%s on %s, the log of %s: %q, %v, want %s", c.token, w.name, c.pkg, lines, err, c.want)
			}
		}
	}
}
