package proxy_test

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/server/internal/door"
	"github.com/hearthos/hearth/server/internal/proxy"
)

// What a start shows first is the page, for those alone who may reach it, and nothing of services and keys.
func TestTheFirstTableIsTheServersOwnPartOfTheLast(t *testing.T) {
	t.Parallel()
	in := house()
	last := render(t, in)
	in.Server.Root = chain
	own := proxy.Own(last, in.Server)
	kept, err := proto.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	if len(own.GetCertificates()) > 0 || bytes.Contains(kept, key) || bytes.Contains(kept, chain) {
		t.Error("keys or certificates are kept")
	}
	first := proxy.First(own, in.Server)
	if err := door.Check(first); err != nil {
		t.Fatalf("the door refuses it: %v", err)
	}
	if len(first.GetListeners()) == 0 || len(first.GetRedirects()) != len(last.GetRedirects()) {
		t.Fatalf("it is %s", text(first))
	}
	for _, l := range first.GetListeners() {
		for _, r := range l.GetRoutes() {
			if r.GetUpstream() != in.Server.WebUpstream {
				t.Errorf("%s leads to %s", l.GetAddress(), r.GetUpstream())
			}
		}
	}
	for i, r := range first.GetRedirects() {
		if !proto.Equal(r, last.GetRedirects()[i]) {
			t.Errorf("plain HTTP at %s is not answered as before", r.GetAddress())
		}
	}

	moved := in.Server
	moved.Web = []string{"0.0.0.0:443"}
	if shown := proxy.First(own, moved); len(shown.GetListeners()) > 0 {
		t.Errorf("at ports that are no longer the server's: %s", text(shown))
	}
	moved = in.Server
	moved.WebUpstream = "unix:/run/hearth/ffff/web.sock"
	if shown := proxy.First(own, moved); len(shown.GetListeners()) > 0 {
		t.Errorf("for another server: %s", text(shown))
	}
}

// The sources that may reach the page are part of what is kept: a network where it was switched off does not find it during a start.
func TestTheFirstTableOpensThePageToNobodyElse(t *testing.T) {
	t.Parallel()
	in := house()
	last := render(t, in)
	sources := map[string]int{}
	for _, l := range last.GetListeners() {
		for _, r := range l.GetRoutes() {
			if r.GetUpstream() == in.Server.WebUpstream {
				sources[l.GetAddress()] += 1 + len(r.GetAllowedSources())
			}
		}
	}
	for _, l := range proxy.First(proxy.Own(last, in.Server), in.Server).GetListeners() {
		for _, r := range l.GetRoutes() {
			sources[l.GetAddress()] -= 1 + len(r.GetAllowedSources())
		}
	}
	for address, n := range sources {
		if n != 0 {
			t.Errorf("%s has other routes or sources than before", address)
		}
	}
}
