package staterpc_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/accountsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/staterpc"
	"github.com/hearthos/hearth/server/internal/store"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// people knows tokens of the form "<account>:<role>", or "<account>:<role>:<package>" for those that are for one package.
type people struct{}

func (people) Authenticate(_ context.Context, shown access.Credential, _ string) (access.Identity, error) {
	name, role, _ := strings.Cut(shown.Bearer, ":")
	role, pkg, scoped := strings.Cut(role, ":")
	id := access.Identity{ID: name, Role: optionsv1.Role(optionsv1.Role_value["ROLE_"+strings.ToUpper(role)])}
	if scoped {
		id.Scope = &access.Scope{Packages: []string{pkg}}
	}
	return id, nil
}

// world is a store with its feed on a socket.
type world struct {
	store  *store.Store
	socket string
	conn   *grpc.ClientConn
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := rpc.New(rpc.Config{Logger: slog.New(slog.DiscardHandler), Authenticator: people{}, Revision: st.Revision})
	if err != nil {
		t.Fatal(err)
	}
	statev1.RegisterStateServiceServer(hub, staterpc.New(st))
	accountsv1.RegisterPreferencesServiceServer(hub, accountsrpc.NewPreferences(account.NewPreferences(st), func() time.Time { return noon }))
	hub.REST(rpc.NewGateway(statev1.RegisterStateServiceHandlerClient, statev1.NewStateServiceClient))
	if err := hub.Build(); err != nil {
		t.Fatal(err)
	}
	w := &world{store: st, socket: filepath.Join(t.TempDir(), "s")}
	var served sync.WaitGroup
	served.Go(func() {
		if err := hub.ServeUnix(w.socket, 0o600); err != nil {
			t.Error(err)
		}
	})
	if w.conn, err = grpc.NewClient("unix:"+w.socket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := errors.Join(hub.Shutdown(ctx), st.Close()); err != nil {
			t.Error(err)
		}
		served.Wait()
	})
	return w
}

func (w *world) put(t *testing.T, rows ...store.Row) {
	t.Helper()
	_, err := w.store.Update(t.Context(), noon, func(tx *store.Tx) error {
		var errs []error
		for _, r := range rows {
			switch r := r.(type) {
			case *operationsv1.Operation:
				errs = append(errs, store.Put(tx, r))
			case *accountsv1.Preferences:
				errs = append(errs, store.Put(tx, r))
			case *packagesv1.Package:
				errs = append(errs, store.Put(tx, r))
			}
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func operation(id string) *operationsv1.Operation {
	return &operationsv1.Operation{Meta: &metav1.Meta{Id: id}, Spec: &operationsv1.OperationSpec{Target: "t"}}
}

func preferences(account, language string) *accountsv1.Preferences {
	return &accountsv1.Preferences{Meta: &metav1.Meta{Id: account}, Spec: &accountsv1.PreferencesSpec{Values: map[string]string{"language": language}}}
}

func as(ctx context.Context, who string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+who)
}

// follow watches as somebody and returns the updates one by one.
func (w *world) follow(t *testing.T, who string, targets ...*statev1.Target) func() (*statev1.Update, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(as(t.Context(), who))
	t.Cleanup(cancel)
	stream, err := statev1.NewStateServiceClient(w.conn).Watch(ctx, &statev1.WatchRequest{Targets: targets})
	if err != nil {
		t.Fatal(err)
	}
	var waiting []*statev1.Update
	return func() (*statev1.Update, error) {
		for len(waiting) == 0 {
			resp, err := stream.Recv()
			if err != nil {
				return nil, fault.FromStatus(err)
			}
			waiting = resp.GetUpdates()
		}
		u := waiting[0]
		waiting = waiting[1:]
		return u, nil
	}
}

func must(t *testing.T, next func() (*statev1.Update, error)) *statev1.Update {
	t.Helper()
	u, err := next()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func names(u *statev1.Update) []string {
	var all []string
	for _, c := range u.GetChanges() {
		all = append(all, c.GetKind()+" "+c.GetId())
	}
	return all
}

// What is the same for several targets comes once, with a bookmark that is good for each of them.
func TestManyTargetsShareOneStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, operation("a"))
	const many = 300
	var targets []*statev1.Target
	for i := range many {
		sel := []*statev1.Selector{{Kind: "operation"}}
		if i%2 == 1 {
			sel = append(sel, &statev1.Selector{Kind: "package"}) // whose bookmark is bound to other rights
		}
		targets = append(targets, &statev1.Target{Id: fmt.Sprint(i), Selectors: sel})
	}
	next := w.follow(t, "alice:admin", targets...)
	for range many {
		if u := must(t, next); u.GetPhase() != statev1.Update_PHASE_SNAPSHOT || u.GetBookmark() == "" || len(u.GetChanges()) != 1 || len(u.GetTargets()) != 1 {
			t.Fatalf("%v", u)
		}
	}
	w.put(t, operation("b"), operation("c"))
	bookmarks := map[string]string{} // of targets
	for range 2 {
		u := must(t, next)
		for _, name := range u.GetTargets() {
			bookmarks[name] = u.GetBookmark()
		}
		if diff := cmp.Diff([]string{"operation b", "operation c"}, names(u)); diff != "" || u.GetRevision() != w.store.Revision() {
			t.Fatalf("%s %v", diff, u)
		}
		if op := u.GetChanges()[1].GetResource().GetOperation(); op.GetMeta().GetId() != "c" || op.GetSpec().GetTarget() != "t" || op.GetMeta().GetRevision() != w.store.Revision() {
			t.Fatalf("the row is %v", op)
		}
	}
	if len(bookmarks) != many {
		t.Errorf("%d targets were told", len(bookmarks))
	}
	for _, target := range targets {
		target.Bookmark = bookmarks[target.GetId()]
	}
	next = w.follow(t, "alice:admin", targets...)
	w.put(t, operation("d"))
	for left := many; left > 0; {
		u := must(t, next)
		if diff := cmp.Diff([]string{"operation d"}, names(u)); diff != "" {
			t.Fatalf("%s %v", diff, u)
		}
		left -= len(u.GetTargets())
	}
}

// Preferences are read and watched by the account they belong to, whatever the role of others.
func TestRowsOfAnAccountAreShownToItAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, operation("a"), preferences("alice", "de"), preferences("bob", "fr"))
	all := w.follow(t, "alice:admin", &statev1.Target{})
	own := w.follow(t, "bob:viewer", &statev1.Target{Selectors: []*statev1.Selector{{Kind: "preferences"}}})
	other := w.follow(t, "bob:admin", &statev1.Target{Selectors: []*statev1.Selector{{Kind: "preferences", Id: "alice"}}})
	if diff := cmp.Diff([]string{"operation a", "preferences alice"}, names(must(t, all))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"preferences bob"}, names(must(t, own))); diff != "" {
		t.Error(diff)
	}
	if u := must(t, other); len(u.GetChanges()) > 0 {
		t.Errorf("bob is shown %v", u)
	}
	_, err := accountsv1.NewPreferencesServiceClient(w.conn).UpdatePreferences(as(t.Context(), "alice:viewer"),
		&accountsv1.UpdatePreferencesRequest{Set: map[string]string{"language": "es"}})
	if err != nil {
		t.Fatal(err)
	}
	w.put(t, preferences("bob", "pl"))
	for name, next := range map[string]func() (*statev1.Update, error){"alice": all, "bob": own} {
		u := must(t, next)
		if diff := cmp.Diff([]string{"preferences " + name}, names(u)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	got, err := accountsv1.NewPreferencesServiceClient(w.conn).GetPreferences(as(t.Context(), "bob:admin"), &accountsv1.GetPreferencesRequest{})
	if err != nil || got.GetPreferences().GetSpec().GetValues()["language"] != "pl" {
		t.Errorf("bob reads %v, %v", got, err)
	}
}

// With other rights rows from before the bookmark may be readable, which would never be told.
// Who is let see one package sees its rows alone, in what is there and in every change, whatever his role and whatever he
// asks for; and no bookmark gets him more.
func TestAWatchShowsWhatIsWithinTheScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pkg := func(id, title string) *packagesv1.Package {
		return &packagesv1.Package{Meta: &metav1.Meta{Id: id}, Spec: &packagesv1.PackageSpec{Title: title}}
	}
	w.put(t, operation("a"), preferences("alice", "de"), pkg("blog", ""), pkg("blog-2", ""), pkg("shop", ""))
	all := w.follow(t, "alice:owner:blog", &statev1.Target{})
	asked := w.follow(t, "alice:owner:blog", &statev1.Target{Selectors: []*statev1.Selector{{Kind: "package"}}})
	other := w.follow(t, "alice:owner:blog", &statev1.Target{Selectors: []*statev1.Selector{{Kind: "package", Id: "shop"}}})
	var mark string
	for _, next := range []func() (*statev1.Update, error){all, asked} {
		u := must(t, next)
		if diff := cmp.Diff([]string{"package blog"}, names(u)); diff != "" {
			t.Error(diff)
		}
		mark = u.GetBookmark()
	}
	if u := must(t, other); len(u.GetChanges()) > 0 {
		t.Errorf("another's package is shown: %v", u)
	}
	w.put(t, pkg("shop", "new"), operation("b"))
	w.put(t, pkg("blog", "new"), pkg("shop", "newer"))
	for _, next := range []func() (*statev1.Update, error){all, asked} {
		for u := must(t, next); ; u = must(t, next) {
			if got := names(u); len(got) > 0 {
				if diff := cmp.Diff([]string{"package blog"}, got); diff != "" {
					t.Error(diff)
				}
				break
			}
		}
	}
	for _, who := range []string{"alice:owner:shop", "alice:owner"} {
		u, err := w.follow(t, who, &statev1.Target{Selectors: []*statev1.Selector{{Kind: "package"}}, Bookmark: mark})()
		if !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
			t.Errorf("%s goes on from a bookmark of other rights: %v, %v", who, u, err)
		}
	}
}

func TestBookmarkIsGoodForTheRightsItWasMadeWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, operation("a"))
	operations := []*statev1.Selector{{Kind: "operation"}}
	all := must(t, w.follow(t, "alice:admin", &statev1.Target{})).GetBookmark()
	some := must(t, w.follow(t, "alice:operator", &statev1.Target{Selectors: operations})).GetBookmark()
	w.put(t, operation("b"))
	for _, c := range []struct {
		name, who, bookmark string
		selectors           []*statev1.Selector
		good                bool
	}{
		{"the same", "alice:admin", all, nil, true},
		{"another account and its rows", "bob:admin", all, nil, false},
		{"another account, rows of nobody", "bob:operator", some, operations, true},
		{"a role that reads the same kinds", "alice:viewer", some, operations, true},
		{"more selectors than before", "alice:operator", some, nil, false},
	} {
		u, err := w.follow(t, c.who, &statev1.Target{Selectors: c.selectors, Bookmark: c.bookmark})()
		if !c.good && !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) || c.good && !slices.Equal(names(u), []string{"operation b"}) {
			t.Errorf("%s: %v, %v", c.name, u, err)
		}
	}
}

func TestBootIDBeginsWhatIsEphemeral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, operation("a"))
	store.SetEphemeral(w.store, &operationsv1.Progress{Meta: &metav1.Meta{Id: "p"}})
	first := must(t, w.follow(t, "alice:admin", &statev1.Target{}))
	if first.GetBootId() != w.store.BootID() || first.GetBootId() == "" || len(names(first)) != 2 {
		t.Errorf("%v", first)
	}
	store.DropEphemeral[*operationsv1.Progress](w.store, "p")
	if again := must(t, w.follow(t, "alice:admin", &statev1.Target{Bookmark: first.GetBookmark()})); again.GetBootId() == "" || len(names(again)) != 0 {
		t.Errorf("one that comes back must hear that what it holds is void: %v", again)
	}
	if u := must(t, w.follow(t, "alice:admin", &statev1.Target{Selectors: []*statev1.Selector{{Kind: "operation"}}})); u.GetBootId() != "" {
		t.Errorf("nothing ephemeral can match: %v", u)
	}
}

// What is encoded once for all native streams reads the same by the wires that decode it.
func TestOtherWiresTellTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, operation("a"), operation("b"))
	want := must(t, w.follow(t, "alice:admin", &statev1.Target{Id: "x"}))
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", w.socket)
	}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://hearth/api/v1/state:watch", bytes.NewReader([]byte(`{"targets":[{"id":"x"}]}`)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer alice:admin")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), `{"result":`), "}")
	got := &statev1.WatchResponse{}
	if err := protojson.Unmarshal([]byte(line), got); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(got.GetUpdates()[0])); diff != "" {
		t.Error(diff)
	}
}
