package rpc_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

var signingKey = sign.FromSeed([32]byte{7})

// signers accepts requests signed with signingKey, once.
type signers struct {
	mu   sync.Mutex
	seen map[string]*httpsig.Request
}

func (s *signers) Authenticate(_ context.Context, shown access.Credential, _ string) (access.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := shown.Signed
	if r == nil || r.Verify(signingKey.Public()) != nil {
		return access.Identity{}, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "no")
	}
	if before := s.seen[r.Nonce]; before != nil && before != r {
		return access.Identity{}, fault.New(metav1.Reason_REASON_SIGNATURE_REPLAYED, "again")
	}
	s.seen[r.Nonce] = r
	return access.Identity{Kind: access.Key, ID: r.KeyID, Account: "ada", Role: optionsv1.Role_ROLE_ADMIN, Proven: r.Created}, nil
}

func signedServer(t *testing.T) *server {
	return newServer(t, func(c *rpc.Config) {
		c.Authenticator = &signers{seen: map[string]*httpsig.Request{}}
		c.Ours = func(host string) bool { return host == "127.0.0.1" }
	})
}

// signedRequest makes a signed request by HTTP; change bends it after it was signed.
func (s *server) signedRequest(t *testing.T, path, body string, nonce int, change func(*http.Request)) (int, string) {
	t.Helper()
	target := httpsig.Target{Method: "POST", Authority: s.web, Path: path}
	h := must(httpsig.Sign(signingKey, target, httpsig.DigestOf([]byte(body)), time.Now(), "0123456789abcdef"+strconv.Itoa(nonce)))(t)
	req := must(http.NewRequestWithContext(t.Context(), "POST", "https://"+s.web+path, strings.NewReader(body)))(t)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(httpsig.DigestHeader, h.Digest)
	req.Header.Set(httpsig.InputHeader, h.Input)
	req.Header.Set(httpsig.SignatureHeader, h.Signature)
	if change != nil {
		change(req)
	}
	resp := must(s.httpTLS(t).Do(req))(t)
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body))(t))
}

const (
	restStart    = "/api/v1/packages/hello:start"
	connectStart = "/hearth.packages.v1.PackageService/StartPackage"
)

func TestSignedRequestsAreLetInOnEveryWire(t *testing.T) {
	t.Parallel()
	s := signedServer(t)
	batch := `[{"jsonrpc":"2.0","id":1,"method":"package.start","params":{"id":"hello"}},{"jsonrpc":"2.0","id":2,"method":"package.start","params":{"id":"other"}}]`
	for i, c := range []struct{ path, body, want string }{
		{restStart, `{}`, `"ROLE_ADMIN"`},
		{connectStart, `{"id":"hello"}`, `"ROLE_ADMIN"`},
		{"/jsonrpc", batch, `"other"`},
	} {
		if code, answer := s.signedRequest(t, c.path, c.body, i, nil); code != http.StatusOK || !strings.Contains(answer, c.want) || strings.Contains(answer, "REASON") {
			t.Errorf("%s: %d %s", c.path, code, answer)
		}
		if _, answer := s.signedRequest(t, c.path, c.body, i, nil); !strings.Contains(answer, "REASON_SIGNATURE_REPLAYED") {
			t.Errorf("%s again: %s", c.path, answer)
		}
	}
	req := &packagesv1.StartPackageRequest{Id: "hello"}
	for i, conn := range []*grpc.ClientConn{s.dialTLS(t, s.grpc), s.dialTLS(t, s.web)} {
		ctx := s.signedContext(t, strings.TrimPrefix(conn.Target(), "dns:///"), req, 100+i)
		client := packagesv1.NewPackageServiceClient(conn)
		if resp, err := client.StartPackage(ctx, req); err != nil || resp.GetPackage().GetMeta().GetLabels()["role"] != "ROLE_ADMIN" {
			t.Errorf("gRPC %d: %v, %v", i, resp, err)
		}
		if _, err := client.StartPackage(ctx, req); !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_SIGNATURE_REPLAYED) {
			t.Errorf("gRPC %d again: %v", i, err)
		}
		ctx = s.signedContext(t, strings.TrimPrefix(conn.Target(), "dns:///"), req, 200+i)
		if _, err := client.StartPackage(ctx, &packagesv1.StartPackageRequest{Id: "other"}); !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_SIGNATURE_BODY) {
			t.Errorf("gRPC %d with another message: %v", i, err)
		}
		for j, header := range []string{"signature", "signature-input", "content-digest"} {
			ctx := s.signedContext(t, strings.TrimPrefix(conn.Target(), "dns:///"), req, 400+10*i+j)
			md, _ := metadata.FromOutgoingContext(ctx)
			ctx = metadata.AppendToOutgoingContext(ctx, header, md.Get(header)[0])
			if _, err := client.StartPackage(ctx, req); !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
				t.Errorf("gRPC %d with %s twice: %v", i, header, err)
			}
		}
		other := []string{s.web, s.grpc}[i] // the other listener of the same server
		ctx = s.signedContext(t, other, req, 500+i)
		if _, err := client.StartPackage(ctx, req); !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
			t.Errorf("gRPC %d signed for the other listener: %v", i, err)
		}
		ctx = s.signedContext(t, "other.local", req, 300+i)
		if _, err := client.StartPackage(ctx, req); !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
			t.Errorf("gRPC %d signed for another host: %v", i, err)
		}
	}
}

func (s *server) signedContext(t *testing.T, authority string, req proto.Message, nonce int) context.Context {
	t.Helper()
	raw := must(proto.MarshalOptions{Deterministic: true}.Marshal(req))(t)
	target := httpsig.Target{Method: "POST", Authority: authority, Path: connectStart}
	h := must(httpsig.Sign(signingKey, target, httpsig.DigestOfMessage(raw), time.Now(), "0123456789abcdef"+strconv.Itoa(nonce)))(t)
	return metadata.AppendToOutgoingContext(t.Context(), "content-digest", h.Digest, "signature-input", h.Input, "signature", h.Signature)
}

func TestBentSignedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s := signedServer(t)
	body := func(text string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		}
	}
	i := 1000
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"another body":  {body(`{"id":"other"}`), "REASON_SIGNATURE_BODY"},
		"a cut body":    {body(`{"id":"hello"`), "REASON"},
		"a longer body": {body(`{"id":"hello"} `), "REASON_SIGNATURE_BODY"},
		"another path":  {func(r *http.Request) { r.URL.Path = "/hearth.packages.v1.PackageService/StopPackage" }, "REASON_UNAUTHENTICATED"},
		"a query":       {func(r *http.Request) { r.URL.RawQuery = "a=b" }, "REASON_UNAUTHENTICATED"},
		"another host":  {func(r *http.Request) { r.Host = "other.local" }, "REASON_REQUEST_FOREIGN"},
		"another port":  {func(r *http.Request) { r.Host = "127.0.0.1:1" }, "REASON_UNAUTHENTICATED"},
		"no digest":     {func(r *http.Request) { r.Header.Del(httpsig.DigestHeader) }, "REASON_UNAUTHENTICATED"},
		"no signature":  {func(r *http.Request) { r.Header.Del(httpsig.SignatureHeader) }, "REASON_UNAUTHENTICATED"},
		"a cut signature": {func(r *http.Request) {
			r.Header.Set(httpsig.SignatureHeader, r.Header.Get(httpsig.SignatureHeader)[:30])
		}, "REASON_UNAUTHENTICATED"},
		"two inputs":  {func(r *http.Request) { r.Header.Add(httpsig.InputHeader, r.Header.Get(httpsig.InputHeader)) }, "REASON_UNAUTHENTICATED"},
		"two digests": {func(r *http.Request) { r.Header.Add(httpsig.DigestHeader, r.Header.Get(httpsig.DigestHeader)) }, "REASON_UNAUTHENTICATED"},
		"another label besides": {func(r *http.Request) {
			input := r.Header.Get(httpsig.InputHeader)
			r.Header.Set(httpsig.InputHeader, input+", other"+strings.TrimPrefix(input, "hearth"))
		}, "REASON_UNAUTHENTICATED"},
		"the label twice": {func(r *http.Request) {
			r.Header.Set(httpsig.InputHeader, r.Header.Get(httpsig.InputHeader)+`, hearth=("@method")`)
		}, "REASON_UNAUTHENTICATED"},
		"another digest beside": {func(r *http.Request) {
			r.Header.Set(httpsig.DigestHeader, r.Header.Get(httpsig.DigestHeader)+", sha-256=:AAAA:")
		}, "REASON_UNAUTHENTICATED"},
		"two signatures":   {func(r *http.Request) { r.Header.Add(httpsig.SignatureHeader, "x") }, "REASON_UNAUTHENTICATED"},
		"a token besides":  {func(r *http.Request) { r.Header.Set("Authorization", "Bearer admin") }, "REASON_UNAUTHENTICATED"},
		"a session beside": {func(r *http.Request) { r.Header.Set(access.HalfHeader, "x") }, "REASON_UNAUTHENTICATED"},
	} {
		i++
		code, answer := s.signedRequest(t, connectStart, `{"id":"hello"}`, i, c.change)
		if code == http.StatusOK || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s", name, code, answer)
		}
	}
}

func TestMethodsThatWantAFreshProof(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id      access.Identity
		refused bool
	}{
		"local root":          {access.Identity{Kind: access.Local, ID: access.LocalID, Role: optionsv1.Role_ROLE_OWNER}, false},
		"a key":               {access.Identity{Kind: access.Key, ID: "k", Role: optionsv1.Role_ROLE_OWNER}, false},
		"a session, fresh":    {access.Identity{Kind: access.Session, ID: "s", Role: optionsv1.Role_ROLE_OWNER, Proven: time.Now().Add(-9 * time.Minute)}, false},
		"a session, older":    {access.Identity{Kind: access.Session, ID: "s", Role: optionsv1.Role_ROLE_OWNER, Proven: time.Now().Add(-11 * time.Minute)}, true},
		"a token of an owner": {access.Identity{Kind: access.Token, ID: "t", Role: optionsv1.Role_ROLE_OWNER}, true},
	} {
		err := rpc.StepUp(t.Context(), "hearth.system.v1.RootKeyService.RotateRootKey", c.id)
		if fault.Is(err, metav1.Reason_REASON_STEP_UP_REQUIRED) != c.refused || err != nil && !c.refused {
			t.Errorf("%s: %v", name, err)
		}
		if err := rpc.StepUp(t.Context(), "hearth.system.v1.RootKeyService.GetRootKey", c.id); err != nil {
			t.Errorf("%s, a method that wants none: %v", name, err)
		}
	}
}

// What cannot be read as a signature is refused on every wire, with no credential and beside one, and the connection of
// others lives.
func TestMalformedSignaturesAreRefusedOnEveryWire(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	other := packagesv1.NewPackageServiceClient(s.dialTLS(t, s.grpc))
	lives := func(after string) {
		t.Helper()
		if _, err := other.ListPackages(bearer(t.Context(), "viewer"), &packagesv1.ListPackagesRequest{}); err != nil {
			t.Fatalf("after %s: another caller gets %v", after, err)
		}
	}
	lives("the start")
	for _, input := range []string{"a=@", "a=(", "a=();created=@", `a=("@method";`, "a=();keyid=:", "=", ",", "\"", strings.Repeat("a=(),", 200)} {
		for path, body := range map[string]string{
			restStart: `{}`, connectStart: `{"id":"hello"}`, "/jsonrpc": `{"jsonrpc":"2.0","id":1,"method":"package.start","params":{"id":"hello"}}`,
		} {
			req := must(http.NewRequestWithContext(t.Context(), "POST", "https://"+s.web+path, strings.NewReader(body)))(t)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set(httpsig.InputHeader, input)
			resp := must(s.httpTLS(t).Do(req))(t)
			answer := string(must(io.ReadAll(resp.Body))(t))
			resp.Body.Close()
			if !strings.Contains(answer, "REASON_UNAUTHENTICATED") {
				t.Errorf("%q on %s: %d %s", input, path, resp.StatusCode, answer)
			}
		}
		for where, conn := range map[string]*grpc.ClientConn{"grpc": s.dialTLS(t, s.grpc), "web": s.dialTLS(t, s.web)} {
			for _, token := range []string{"", "admin"} {
				ctx := metadata.AppendToOutgoingContext(bearer(t.Context(), token), "signature-input", input)
				_, err := packagesv1.NewPackageServiceClient(conn).StartPackage(ctx, &packagesv1.StartPackageRequest{Id: "hello"})
				if !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
					t.Errorf("%q on %s by %q: %v", input, where, token, err)
				}
			}
		}
		lives(input)
	}
}
