package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	jshostv1 "github.com/hearthos/hearth/api/gen/go/hearth/jshost/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
)

const (
	webAddress  = "localhost:8443"
	grpcAddress = "localhost:5961"
	service     = "hearth.packages.v1.PackageService"
)

// call is one call as every wire can make it: by the method's name, by its REST route, and as a word for the programs.
type call struct {
	method, word, verb, path, params string
}

var (
	list  = call{method: "ListPackages", word: "list", verb: "GET", path: "/api/v1/packages"}
	start = call{method: "StartPackage", word: "start", verb: "POST", path: "/api/v1/packages/" + sample + ":start", params: `{"id":"` + sample + `"}`}
)

// credential is what a caller shows. On the local socket the user counts as well.
type credential struct {
	token   string
	foreign bool // the process is that of a user without rights of his own
}

// answer is what a wire answered: JSON of the response, or the fault of a refusal.
type answer struct {
	body  []byte
	fault *metav1.Fault
}

// wire is one way to call the server.
type wire struct {
	name  string
	local bool // by the socket
	json  bool // the server itself writes the JSON
	call  func(c credential, do call) answer
}

// wires are the ways to the server of a machine, with the foreign programs that go them.
type wires struct {
	*machine
	t                         *testing.T
	socket, rootPEM, reader   string
	grpcurl, goclient, nodejs string
}

func newWires(t *testing.T, m *machine) *wires {
	t.Helper()
	needClient(t)
	dir := publicDir(t)
	w := &wires{machine: m, t: t, rootPEM: filepath.Join(dir, "root.crt"), goclient: filepath.Join(dir, "goclient"), grpcurl: filepath.Join(dir, "grpcurl")}
	w.socket = strings.TrimSpace(m.must("readlink", filepath.Join(m.state, "hearthd.sock")))
	outside(t, "go", "build", "-o", w.goclient, "./testdata/goclient")
	// The caches of the one who tests are nobody else's: the user without rights could not run it from there.
	outside(t, "cp", strings.TrimSpace(outside(t, "go", "tool", "-n", "grpcurl")), w.grpcurl)
	outside(t, "cp", m.root(), w.rootPEM)
	w.nodejs, _ = filepath.Abs("testdata/client.mjs")
	_, w.reader = m.token("viewer of the contract", "viewer")
	return w
}

// run runs a part of the test, one at a time.
func (w *wires) run(name string, fn func(t *testing.T)) {
	outer := w.t
	outer.Run(name, func(t *testing.T) {
		w.t = t
		fn(t)
	})
	w.t = outer
}

// outside runs a program of the one who tests, not of the machine.
func outside(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

// publicDir is a temporary folder that every user can read.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// token makes a token and returns its id and its secret.
func (m *machine) token(name, role string) (id, secret string) {
	m.t.Helper()
	row := m.rows("tokens", "create", name, "--role", role)[0]
	return row["id"].(string), row["secret"].(string)
}

// as runs a program with the rights of the caller. How it ended is told, not judged.
func (w *wires) as(c credential, name string, args ...string) (stdout, stderr []byte, err error) {
	w.t.Helper()
	if c.foreign {
		name, args = "setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", name}, args...)
	}
	cmd := w.command(name, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	return out.Bytes(), errOut.Bytes(), err
}

// all lists the wires.
func (w *wires) all() []wire {
	var list []wire
	for name, local := range map[string]bool{"socket": true, "port": false} {
		add := func(protocol string, json bool, fn func(local bool, c credential, do call) answer) {
			list = append(list, wire{protocol + " " + name, local, json, func(c credential, do call) answer { return fn(local, c, do) }})
		}
		add("grpcurl", false, w.byGrpcurl)
		add("connect", true, w.byConnect)
		add("rest", true, w.byREST)
		add("jsonrpc", true, w.byJSONRPC)
		add("grpc-web", false, w.byGRPCWeb)
	}
	unix := "unix:" + w.socket
	for name, target := range map[string]string{"socket": unix, "grpc port": "https://" + grpcAddress, "web port": "https://" + webAddress} {
		list = append(list, wire{"go client " + name, target == unix, false, func(c credential, do call) answer {
			return w.byProgram(c, w.goclient, target, c.token, w.rootPEM, do.word)
		}})
	}
	for name, at := range map[string][2]string{
		"connect socket": {"connect", unix}, "connect port": {"connect", "https://" + webAddress},
		"grpc-web port": {"grpc-web", "https://" + webAddress}, "grpc port": {"grpc", "https://" + grpcAddress},
		"grpc web port": {"grpc", "https://" + webAddress},
	} {
		list = append(list, wire{"typescript " + name, at[1] == unix, false, func(c credential, do call) answer {
			return w.byProgram(c, "node", w.nodejs, at[0], at[1], c.token, w.rootPEM, do.word)
		}})
	}
	slices.SortFunc(list, func(a, b wire) int { return strings.Compare(a.name, b.name) })
	return list
}

// byGrpcurl calls with a client that knows the contract by reflection alone. Reflection is for readers, so it has a
// credential of its own: what is tried is the call.
func (w *wires) byGrpcurl(local bool, c credential, do call) answer {
	args := []string{"-format-error", "-emit-defaults", "-reflect-header", "authorization: Bearer " + w.reader}
	if c.token != "" {
		args = append(args, "-rpc-header", "authorization: Bearer "+c.token)
	}
	if do.params != "" {
		args = append(args, "-d", do.params)
	}
	if local {
		args = append(args, "-unix", "-plaintext", w.socket)
	} else {
		args = append(args, "-cacert", w.rootPEM, grpcAddress)
	}
	out, failed, err := w.as(c, w.grpcurl, append(args, service+"/"+do.method)...)
	if err == nil {
		return answer{body: out}
	}
	at := bytes.IndexByte(failed, '{')
	if at < 0 {
		w.t.Fatalf("grpcurl: %v: %s", err, failed)
	}
	var st struct {
		Details []json.RawMessage
	}
	if err := json.Unmarshal(failed[at:], &st); err != nil || len(st.Details) != 1 {
		w.t.Fatalf("grpcurl refuses with %s (%v)", failed, err)
	}
	return answer{fault: w.faultOf(st.Details[0])}
}

// curl makes a request and returns the status, the headers and the body.
func (w *wires) curl(local bool, c credential, verb, path, contentType string, body []byte) (int, http.Header, []byte) {
	w.t.Helper()
	args := []string{"-sS", "-i", "--raw", "-X", verb, "-H", "Content-Type: " + contentType}
	if local {
		args = append(args, "--unix-socket", w.socket, "http://hearth"+path)
	} else {
		args = append(args, "--http1.1", "--cacert", w.rootPEM, "https://"+webAddress+path)
	}
	if c.token != "" {
		args = append(args, "-H", "Authorization: Bearer "+c.token)
	}
	if body != nil {
		file := filepath.Join(publicDir(w.t), "body")
		if err := os.WriteFile(file, body, 0o644); err != nil {
			w.t.Fatal(err)
		}
		args = append(args, "--data-binary", "@"+file)
	}
	out, failed, err := w.as(c, "curl", args...)
	if err != nil {
		w.t.Fatalf("curl %s: %v: %s", path, err, failed)
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
	if err != nil {
		w.t.Fatalf("%s answers %q: %v", path, out, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, data
}

func object(params string) []byte {
	if params == "" {
		return []byte("{}")
	}
	return []byte(params)
}

func (w *wires) byConnect(local bool, c credential, do call) answer {
	status, _, body := w.curl(local, c, "POST", "/"+service+"/"+do.method, "application/json", object(do.params))
	if status == http.StatusOK {
		return answer{body: body}
	}
	var refusal struct {
		Details []struct{ Type, Value string }
	}
	if err := json.Unmarshal(body, &refusal); err != nil || len(refusal.Details) != 1 || refusal.Details[0].Type != "hearth.meta.v1.Fault" {
		w.t.Fatalf("connect refuses with %d %s", status, body)
	}
	raw, err := base64.RawStdEncoding.DecodeString(refusal.Details[0].Value)
	return answer{fault: w.faultFrom(raw, err)}
}

func (w *wires) byREST(local bool, c credential, do call) answer {
	var in []byte
	path := do.path
	switch {
	case do.verb == "POST":
		// What the path tells is not in the body.
		var members map[string]any
		if err := json.Unmarshal(object(do.params), &members); err != nil {
			w.t.Fatal(err)
		}
		delete(members, "id")
		in, _ = json.Marshal(members)
	case do.params != "":
		var members map[string]any
		if err := json.Unmarshal([]byte(do.params), &members); err != nil {
			w.t.Fatal(err)
		}
		query := url.Values{}
		for name, value := range members {
			query.Set(name, fmt.Sprint(value))
		}
		path += "?" + query.Encode()
	}
	status, _, body := w.curl(local, c, do.verb, path, "application/json", in)
	if status == http.StatusOK {
		return answer{body: body}
	}
	return answer{fault: w.faultOf(body)}
}

func (w *wires) byJSONRPC(local bool, c credential, do call) answer {
	request := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q,"params":%s}`, service+"."+do.method, object(do.params))
	_, _, body := w.curl(local, c, "POST", "/jsonrpc", "application/json", []byte(request))
	var resp struct {
		ID     int
		Result json.RawMessage
		Error  *struct{ Data json.RawMessage }
	}
	if err := json.Unmarshal(body, &resp); err != nil || resp.ID != 7 {
		w.t.Fatalf("jsonrpc answers %s", body)
	}
	if resp.Error != nil {
		return answer{fault: w.faultOf(resp.Error.Data)}
	}
	return answer{body: resp.Result}
}

// byGRPCWeb writes and reads the frames of gRPC-Web itself.
func (w *wires) byGRPCWeb(local bool, c credential, do call) answer {
	in, out := proto.Message(&packagesv1.ListPackagesRequest{}), proto.Message(&packagesv1.ListPackagesResponse{})
	if do.word == "start" {
		in, out = &packagesv1.StartPackageRequest{Id: sample}, &packagesv1.StartPackageResponse{}
	}
	raw, err := proto.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(raw))), raw...)
	_, header, body := w.curl(local, c, "POST", "/"+service+"/"+do.method, "application/grpc-web+proto", frame)
	for len(body) >= 5 {
		end := 5 + int(binary.BigEndian.Uint32(body[1:5]))
		if end > len(body) {
			w.t.Fatalf("a frame of %d bytes in %d", end, len(body))
		}
		if body[0] == 0 {
			if err := proto.Unmarshal(body[5:end], out); err != nil {
				w.t.Fatal(err)
			}
		} else {
			trailer, err := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(body[5:end]), strings.NewReader("\r\n")))).ReadMIMEHeader()
			if err != nil {
				w.t.Fatal(err)
			}
			header = http.Header(trailer)
		}
		body = body[end:]
	}
	if header.Get("Grpc-Status") != "0" {
		return answer{fault: w.statusFault(header.Get("Grpc-Status-Details-Bin"))}
	}
	raw, err = protojson.Marshal(out)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{body: raw}
}

// statusFault reads the fault out of a trailer of gRPC.
func (w *wires) statusFault(details string) *metav1.Fault {
	w.t.Helper()
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "="))
	st := &spb.Status{}
	if err := errors.Join(err, proto.Unmarshal(raw, st)); err != nil || len(st.GetDetails()) != 1 {
		w.t.Fatalf("cannot read the refusal %q: %v", details, err)
	}
	return w.faultFrom(st.GetDetails()[0].GetValue(), nil)
}

// byProgram runs a client that prints the answer as JSON.
func (w *wires) byProgram(c credential, name string, args ...string) answer {
	out, failed, err := w.as(c, name, args...)
	var resp struct{ Result, Fault json.RawMessage }
	if err := errors.Join(err, json.Unmarshal(out, &resp)); err != nil {
		w.t.Fatalf("%s: %v: %s%s", name, err, out, failed)
	}
	if resp.Fault != nil {
		return answer{fault: w.faultOf(resp.Fault)}
	}
	return answer{body: resp.Result}
}

// faultOf reads a fault as JSON, which may have a code beside it; faultFrom reads its bytes.
func (w *wires) faultOf(raw []byte) *metav1.Fault {
	w.t.Helper()
	f := &metav1.Fault{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, f); err != nil {
		w.t.Fatalf("%s is no fault: %v", raw, err)
	}
	return f
}

func (w *wires) faultFrom(raw []byte, err error) *metav1.Fault {
	w.t.Helper()
	f := &metav1.Fault{}
	if err := errors.Join(err, proto.Unmarshal(raw, f)); err != nil {
		w.t.Fatalf("%q is no fault: %v", raw, err)
	}
	return f
}

// One list, one way to be refused and one way to be wrong, whichever wire a caller takes.
func TestWires(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	w := newWires(t, m)
	all := w.all()

	w.run("the same list", func(t *testing.T) { w.sameList(t, all) })
	w.run("the same refusal", func(t *testing.T) { w.sameRefusal(t, all) })
	w.run("unknown members", func(t *testing.T) { w.unknownMembers(t, all) })
	w.run("a deleted token", func(t *testing.T) {
		id, secret := m.token("short-lived", "admin")
		if a := w.byConnect(false, credential{token: secret}, list); a.fault != nil {
			t.Fatalf("the new token is refused: %v", a.fault)
		}
		m.hearth("tokens", "delete", id)
		for _, wire := range all {
			w.refused(t, wire, credential{token: secret}, list, metav1.Reason_REASON_UNAUTHENTICATED)
		}
	})
	w.run("what is not public", w.nothingPrivate)
	w.run("the same feed", w.sameFeed)
}

func (w *wires) sameList(t *testing.T, all []wire) {
	want := &packagesv1.ListPackagesResponse{}
	var text any
	for _, wire := range all {
		a := wire.call(credential{token: w.reader}, list)
		got := &packagesv1.ListPackagesResponse{}
		if a.fault != nil {
			t.Errorf("%s: refused: %v", wire.name, a.fault)
			continue
		}
		if err := protojson.Unmarshal(a.body, got); err != nil {
			t.Errorf("%s: %v in %s", wire.name, err, a.body)
			continue
		}
		if len(want.GetPackages()) == 0 {
			want = got
		}
		if len(got.GetPackages()) != 1 || got.GetPackages()[0].GetMeta().GetId() != sample {
			t.Errorf("%s lists %s", wire.name, a.body)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s lists other packages than %s:\n%s", wire.name, all[0].name, diff)
		}
		if !wire.json {
			continue
		}
		var raw any
		if err := json.Unmarshal(a.body, &raw); err != nil {
			t.Fatal(err)
		}
		if text == nil {
			text = raw
		}
		if diff := cmp.Diff(text, raw); diff != "" {
			t.Errorf("%s writes other JSON than the wires before it:\n%s", wire.name, diff)
		}
	}
}

// refused checks that a call is refused for a reason, and returns the fault.
func (w *wires) refused(t *testing.T, wire wire, c credential, do call, reason metav1.Reason) *metav1.Fault {
	t.Helper()
	a := wire.call(c, do)
	if a.fault.GetReason() != reason {
		t.Errorf("%s: got %v %s, want a refusal for %s", wire.name, a.fault, a.body, reason)
	}
	return a.fault
}

func (w *wires) sameRefusal(t *testing.T, all []wire) {
	for name, c := range map[string]struct {
		credential credential
		do         call
		reason     metav1.Reason
	}{
		"no credential":  {credential{foreign: true}, list, metav1.Reason_REASON_UNAUTHENTICATED},
		"wrong token":    {credential{token: "hearth_wrong"}, list, metav1.Reason_REASON_UNAUTHENTICATED},
		"too few rights": {credential{token: w.reader}, start, metav1.Reason_REASON_PERMISSION_DENIED},
	} {
		w.run(name, func(t *testing.T) {
			var want *metav1.Fault
			for _, wire := range all {
				if c.credential.foreign && strings.HasPrefix(wire.name, "typescript") {
					continue // the packages may lie where that user cannot read; the ones below have programs of their own
				}
				got := w.refused(t, wire, c.credential, c.do, c.reason)
				if want == nil {
					want = got
				}
				if got.GetMetadata()["request_id"] == "" {
					t.Errorf("%s names no request", wire.name)
				}
				got.Metadata["request_id"] = want.GetMetadata()["request_id"] // each call has its own
				if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
					t.Errorf("%s refuses in other words:\n%s", wire.name, diff)
				}
			}
		})
	}
	w.run("no credential from a user with rights elsewhere", func(t *testing.T) {
		for _, wire := range all {
			if !wire.local {
				w.refused(t, wire, credential{}, list, metav1.Reason_REASON_UNAUTHENTICATED)
			}
		}
	})
}

// unknownMembers tries a member that the request does not have.
func (w *wires) unknownMembers(t *testing.T, all []wire) {
	_, operator := w.token("operator", "operator")
	for _, wire := range all {
		if !wire.json {
			continue
		}
		for name, do := range map[string]call{
			"query": {method: list.method, word: list.word, verb: list.verb, path: list.path, params: `{"pageSizes":5}`},
			"body":  {method: start.method, word: start.word, verb: start.verb, path: start.path, params: `{"id":"` + sample + `","hurry":true}`},
		} {
			if f := w.refused(t, wire, credential{token: operator}, do, metav1.Reason_REASON_UNKNOWN_FIELD); f.GetMetadata()["field"] == "" {
				t.Errorf("%s, %s: the refusal %v does not tell the member", wire.name, name, f)
			}
		}
	}
}

// nothingPrivate looks for the services of containers and of the server's own processes on every public way.
func (w *wires) nothingPrivate(t *testing.T) {
	admin := credential{}
	_, admin.token = w.token("administrator", "admin")
	secret := []protoreflect.FileDescriptor{
		effectsv1.File_hearth_effects_v1_effects_proto, agentv1.File_hearth_agent_v1_agent_proto,
		jshostv1.File_hearth_jshost_v1_jshost_proto, doorv1.File_hearth_door_v1_door_proto,
	}
	listed, failed, err := w.as(credential{}, w.grpcurl, "-unix", "-plaintext", w.socket, "list")
	if err != nil || !strings.Contains(string(listed), service) {
		t.Fatalf("reflection lists %s%s (%v)", listed, failed, err)
	}
	_, _, document := w.curl(false, admin, "GET", "/openapi.json", "application/json", nil)
	if !bytes.Contains(document, []byte("/api/v1/packages")) {
		t.Fatalf("the document at /openapi.json begins %.200s", document)
	}
	for _, file := range secret {
		if pkg := string(file.Package()); bytes.Contains(listed, []byte(pkg)) || bytes.Contains(document, []byte(strings.ReplaceAll(pkg, ".", ""))) || bytes.Contains(document, []byte(pkg)) {
			t.Errorf("%s is told in public", pkg)
		}
		for i := range file.Services().Len() {
			w.notCallable(t, admin, file.Services().Get(i))
		}
	}
}

// notCallable calls the first method of a service on every kind of listener.
func (w *wires) notCallable(t *testing.T, admin credential, sd protoreflect.ServiceDescriptor) {
	t.Helper()
	method := sd.Methods().Get(0)
	path := "/" + string(sd.FullName()) + "/" + string(method.Name())
	for _, local := range []bool{true, false} {
		if status, _, body := w.curl(local, admin, "POST", path, "application/json", []byte("{}")); status != http.StatusNotImplemented || !bytes.Contains(body, []byte("REASON_METHOD_NOT_FOUND")) {
			t.Errorf("connect %s: %d %s", path, status, body)
		}
		request := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q}`, method.FullName())
		if _, _, body := w.curl(local, admin, "POST", "/jsonrpc", "application/json", []byte(request)); !bytes.Contains(body, []byte("-32601")) {
			t.Errorf("jsonrpc %s: %s", method.FullName(), body)
		}
	}
	for _, target := range []string{"unix:" + w.socket, "https://" + grpcAddress, "https://" + webAddress} {
		if a := w.byProgram(admin, w.goclient, target, admin.token, w.rootPEM, path); a.fault.GetReason() != metav1.Reason_REASON_METHOD_NOT_FOUND {
			t.Errorf("gRPC %s at %s: %v %s", path, target, a.fault, a.body)
		}
	}
	if out, _, err := w.as(credential{}, w.grpcurl, "-unix", "-plaintext", w.socket, "describe", string(sd.FullName())); err == nil {
		t.Errorf("reflection describes %s", out)
	}
}
