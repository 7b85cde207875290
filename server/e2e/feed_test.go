package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/google/go-cmp/cmp"
)

const watchMethod = "/hearth.state.v1.StateService/Watch"

// feeds are the wires that carry a stream: each answers what comes of the feed within two seconds.
func (w *wires) feeds() map[string]func(c credential, params string) []*statev1.WatchResponse {
	curl := func(c credential, path, contentType string, body []byte) []byte {
		file := filepath.Join(publicDir(w.t), "body")
		if err := os.WriteFile(file, body, 0o644); err != nil {
			w.t.Fatal(err)
		}
		// It is cut off after its time: that is how a watch ends.
		out, _, _ := w.as(c, "curl", "-sS", "-N", "--http1.1", "--max-time", "2", "--cacert", w.rootPEM, "-H", "Authorization: Bearer "+c.token,
			"-H", "Content-Type: "+contentType, "--data-binary", "@"+file, "https://"+webAddress+path)
		return out
	}
	read := func(raw []byte, unmarshal func([]byte, proto.Message) error) *statev1.WatchResponse {
		resp := &statev1.WatchResponse{}
		if err := unmarshal(raw, resp); err != nil {
			w.t.Fatalf("%v: %.300q", err, raw)
		}
		return resp
	}
	framed := func(out []byte, unmarshal func([]byte, proto.Message) error) (list []*statev1.WatchResponse) {
		for len(out) >= 5 {
			end := 5 + int(binary.BigEndian.Uint32(out[1:5]))
			if end > len(out) {
				break // cut off
			}
			if out[0] == 0 {
				list = append(list, read(out[5:end], unmarshal))
			}
			out = out[end:]
		}
		return list
	}
	frame := func(body []byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	}
	return map[string]func(credential, string) []*statev1.WatchResponse{
		"grpcurl": func(c credential, params string) (list []*statev1.WatchResponse) {
			out, failed, _ := w.as(c, w.grpcurl, "-cacert", w.rootPEM, "-max-time", "2", "-H", "authorization: Bearer "+c.token, "-d", params,
				grpcAddress, strings.TrimPrefix(watchMethod, "/"))
			dec := json.NewDecoder(bytes.NewReader(out))
			for dec.More() {
				var raw json.RawMessage
				if err := dec.Decode(&raw); err != nil {
					w.t.Fatalf("grpcurl: %v: %s%s", err, out, failed)
				}
				list = append(list, read(raw, protojson.Unmarshal))
			}
			return list
		},
		"connect": func(c credential, params string) []*statev1.WatchResponse {
			return framed(curl(c, watchMethod, "application/connect+json", frame([]byte(params))), protojson.Unmarshal)
		},
		"grpc-web": func(c credential, params string) []*statev1.WatchResponse {
			req := &statev1.WatchRequest{}
			if err := protojson.Unmarshal([]byte(params), req); err != nil {
				w.t.Fatal(err)
			}
			raw, err := proto.Marshal(req)
			if err != nil {
				w.t.Fatal(err)
			}
			return framed(curl(c, watchMethod, "application/grpc-web+proto", frame(raw)), proto.Unmarshal)
		},
		"rest": func(c credential, params string) (list []*statev1.WatchResponse) {
			lines := bufio.NewScanner(bytes.NewReader(curl(c, "/api/v1/state:watch", "application/json", []byte(params))))
			lines.Buffer(nil, 8<<20)
			for lines.Scan() {
				var line struct{ Result json.RawMessage }
				if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Result == nil {
					w.t.Fatalf("rest: %v: %.300q", err, lines.Bytes())
				}
				list = append(list, read(line.Result, protojson.Unmarshal))
			}
			return list
		},
	}
}

// told is what a feed told: the changes in order, and its last bookmark.
func told(responses []*statev1.WatchResponse) (changes []string, bookmark string) {
	for _, r := range responses {
		for _, u := range r.GetUpdates() {
			for _, c := range u.GetChanges() {
				changes = append(changes, fmt.Sprintf("%s %d %s %s", u.GetPhase(), c.GetRevision(), c.GetKind(), c.GetId()))
			}
			if u.GetBookmark() != "" {
				bookmark = u.GetBookmark()
			}
		}
	}
	return changes, bookmark
}

// sameFeed watches on every wire, changes something, and goes on from one bookmark on every wire.
func (w *wires) sameFeed(t *testing.T) {
	viewer := credential{token: w.reader}
	request := func(bookmark string) string {
		return `{"targets":[{"id":"t","selectors":[{"kind":"package"}],"bookmark":"` + bookmark + `"}]}`
	}
	feeds := w.feeds()
	compare := func(bookmark string) (last string, first []string) {
		for name, feed := range feeds {
			var changes []string
			changes, last = told(feed(viewer, request(bookmark)))
			if len(changes) == 0 || last == "" {
				t.Fatalf("%s tells %q and bookmark %q", name, changes, last)
			}
			if first == nil {
				first = changes
			}
			if diff := cmp.Diff(first, changes); diff != "" {
				t.Errorf("%s tells another feed from %q:\n%s", name, bookmark, diff)
			}
		}
		return last, first
	}
	bookmark, _ := compare("")
	w.hearth("package", "stop", sample)
	var settled []string
	w.eventually(30*time.Second, "the feed is quiet", func() error {
		now, _ := told(feeds["rest"](viewer, request(bookmark)))
		if len(now) == 0 || !slices.Equal(now, settled) {
			settled = now
			return fmt.Errorf("%d changes", len(now))
		}
		return nil
	})
	_, changes := compare(bookmark)
	if !strings.HasPrefix(changes[0], "PHASE_CHANGES ") {
		t.Errorf("a feed that goes on begins with %s", changes[0])
	}
	_, _, refused := w.curl(false, viewer, "POST", "/jsonrpc", "application/json", []byte(`{"jsonrpc":"2.0","id":1,"method":"hearth.state.v1.StateService.Watch","params":`+request("")+`}`))
	if !bytes.Contains(refused, []byte("REASON_STREAM_UNSUPPORTED")) {
		t.Errorf("JSON-RPC answers a watch with %s", refused)
	}
	w.python(t, bookmark, changes)
}

// python makes a call and goes on from a bookmark with the generated client.
func (w *wires) python(t *testing.T, bookmark string, want []string) {
	program, err := filepath.Abs("../../.cache/python/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: run 'make .cache/python/.installed' first", err)
	}
	stubs, _ := filepath.Abs("../../clients/gen/python")
	client, _ := filepath.Abs("testdata/python/client.py")
	out, failed, err := w.as(credential{}, "env", "PYTHONPATH="+stubs, program, client, w.socket, bookmark)
	if err != nil {
		t.Fatalf("Python: %v: %s", err, failed)
	}
	var got struct {
		Packages []string
		Updates  []json.RawMessage
	}
	if err := json.Unmarshal(out, &got); err != nil || !slices.Equal(got.Packages, []string{sample}) {
		t.Fatalf("Python got %s (%v)", out, err)
	}
	resp := &statev1.WatchResponse{}
	for _, raw := range got.Updates {
		u := &statev1.Update{}
		if err := protojson.Unmarshal(raw, u); err != nil {
			t.Fatal(err)
		}
		resp.Updates = append(resp.Updates, u)
	}
	changes, _ := told([]*statev1.WatchResponse{resp})
	if len(changes) == 0 || !slices.Equal(changes, want[:len(changes)]) {
		t.Errorf("Python tells %q, want the beginning of %q", changes, want)
	}
}
