package accountsrpc_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/custody"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/accountsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/staterpc"
	"github.com/hearthos/hearth/server/internal/seal"
	"github.com/hearthos/hearth/server/internal/store"
)

const (
	cookieName = "__Host-hearth-test"
	password   = "correct horse battery"
)

// root is the server's own user on the local socket.
var root = account.Actor{Role: optionsv1.Role_ROLE_OWNER, Local: true, Source: "uid=0"}

// server is a claimed server, whose owner is alex, on a web port and a port of gRPC.
type server struct {
	t        testing.TB
	accounts *account.Service
	web      string
	client   *http.Client
	conn     *grpc.ClientConn
}

func newServer(t testing.TB, change ...func(*rpc.Config)) *server {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{MinFree: 1})
	check(t, err)
	ring, err := seal.Load(t.TempDir())
	check(t, err)
	s := &server{t: t, accounts: account.New(st, custody.New(ring), slog.New(slog.DiscardHandler))}
	// Nothing but the feed of accounts has open streams checked again.
	cfg := rpc.Config{
		Logger: slog.New(slog.DiscardHandler), Authenticator: accountsrpc.NewAuthenticator(s.accounts, time.Now),
		Cookie: func() string { return cookieName }, Ours: func(string) bool { return false }, Revision: st.Revision, RecheckEvery: time.Hour,
	}
	for _, c := range change {
		c(&cfg)
	}
	hub, err := rpc.New(cfg)
	check(t, err)
	accountsv1.RegisterAccountServiceServer(hub, accountsrpc.New(s.accounts, cookieName, time.Now))
	statev1.RegisterStateServiceServer(hub, staterpc.New(st))
	hub.REST(
		rpc.NewGateway(accountsv1.RegisterAccountServiceHandlerClient, accountsv1.NewAccountServiceClient),
		rpc.NewGateway(statev1.RegisterStateServiceHandlerClient, statev1.NewStateServiceClient),
	)
	check(t, hub.Build())

	lent := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer lent.Close()
	served, roots := &tls.Config{Certificates: lent.TLS.Certificates}, x509.NewCertPool()
	roots.AddCert(lent.Certificate())
	web, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	native, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s.web = web.Addr().String()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	s.client = &http.Client{Transport: transport}
	s.conn, err = grpc.NewClient(native.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots})))
	check(t, err)

	ctx, stop := context.WithCancel(context.Background()) // ended with the test
	var running sync.WaitGroup
	run := func(fn func() error) {
		running.Go(func() {
			if err := fn(); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	run(func() error { return hub.ServeWeb(web, served) })
	run(func() error { return hub.ServeGRPC(native, served) })
	run(func() error { return s.accounts.FollowRights(ctx, hub.Recheck) })
	t.Cleanup(func() {
		stop()
		transport.CloseIdleConnections()
		bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := errors.Join(s.conn.Close(), hub.Shutdown(bounded)); err != nil {
			t.Error(err)
		}
		running.Wait()
		check(t, st.Close())
	})
	_, _, err = s.accounts.Claim(t.Context(), time.Now(), root, &accountsv1.ClaimServerRequest{Account: "alex", Password: password})
	check(t, err)
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *server) addAccount(id string, role optionsv1.Role) {
	s.t.Helper()
	_, err := s.accounts.Create(s.t.Context(), time.Now(), root, &accountsv1.CreateAccountRequest{Id: id, Role: role, Password: password})
	check(s.t, err)
}

// page is a browser on the server's own page: it keeps the cookie, and the other half in its storage.
type page struct {
	s            *server
	cookie, half string
	set          *http.Cookie // as the last answer set it
}

// send sends a request as the page does, changed by change: a POST of JSON, or a GET without a body.
func (p *page) send(path string, body []byte, change func(*http.Request)) *http.Response {
	p.s.t.Helper()
	verb := http.MethodPost
	if body == nil {
		verb = http.MethodGet
	}
	req, err := http.NewRequestWithContext(p.s.t.Context(), verb, "https://"+p.s.web+path, bytes.NewReader(body))
	check(p.s.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Origin", "https://"+p.s.web)
	if p.cookie != "" {
		req.Header.Set("Cookie", cookieName+"="+p.cookie)
	}
	if p.half != "" {
		req.Header.Set(access.HalfHeader, p.half)
	}
	if change != nil {
		change(req)
	}
	resp, err := p.s.client.Do(req)
	check(p.s.t, err)
	for _, c := range resp.Cookies() {
		p.set = c
	}
	return resp
}

// call makes a unary call with Connect's JSON; what the server refused is a fault.
func (p *page) call(method string, in, out proto.Message, change func(*http.Request)) error {
	p.s.t.Helper()
	body, err := protojson.Marshal(in)
	check(p.s.t, err)
	resp := p.send("/hearth.accounts.v1.AccountService/"+method, body, change)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	check(p.s.t, err)
	if resp.StatusCode != http.StatusOK {
		return refusal(data)
	}
	return protojson.Unmarshal(data, out)
}

// refusal reads a fault as Connect or as plain HTTP tells it.
func refusal(data []byte) error {
	var told struct {
		Details []struct{ Debug json.RawMessage }
		Reason  string
	}
	if err := json.Unmarshal(data, &told); err != nil {
		return errors.Join(err, errors.New(string(data)))
	}
	f := &metav1.Fault{}
	for _, d := range told.Details {
		if err := protojson.Unmarshal(d.Debug, f); err == nil && f.GetReason() != 0 {
			return fault.FromProto(f)
		}
	}
	if reason, ok := metav1.Reason_value[told.Reason]; ok {
		return fault.New(metav1.Reason(reason), "refused")
	}
	return errors.New(string(data))
}

// login logs the page in.
func (p *page) login(name string) {
	p.s.t.Helper()
	out := &accountsv1.LoginResponse{}
	err := p.call("Login", &accountsv1.LoginRequest{Account: name, Password: password, Client: accountsv1.Session_CLIENT_BROWSER}, out, nil)
	check(p.s.t, err)
	if p.set == nil {
		p.s.t.Fatal("the login sets no cookie")
	}
	p.cookie, p.half = p.set.Value, out.GetSecret()
}

// who asks who calls.
func (p *page) who(change func(*http.Request)) (string, error) {
	p.s.t.Helper()
	out := &accountsv1.GetCallerResponse{}
	err := p.call("GetCaller", &accountsv1.GetCallerRequest{}, out, change)
	return out.GetAccount(), err
}

// as is a call over native gRPC with a bearer secret.
func as(ctx context.Context, secret string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+secret)
}

// program logs a program in and answers its session.
func (s *server) program(name string) (id, secret string) {
	s.t.Helper()
	resp, err := accountsv1.NewAccountServiceClient(s.conn).Login(s.t.Context(), &accountsv1.LoginRequest{Account: name, Password: password})
	check(s.t, err)
	return resp.GetSession().GetId(), resp.GetSecret()
}

// text answers what a request is answered with.
func (p *page) text(path string, body []byte, change func(*http.Request)) string {
	p.s.t.Helper()
	resp := p.send(path, body, change)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	check(p.s.t, err)
	return string(data)
}
