package rpc_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hearthos/hearth/api/fault"
	hearth "github.com/hearthos/hearth/clients/go"
	"github.com/hearthos/hearth/server/internal/testenv"
)

const everyPrefix = "fault-"

// everyFault is the fault with which the service refuses to get a package of such an id: one for each reason of the
// catalogue, with every member.
func everyFault(id string) *metav1.Fault {
	word, ok := strings.CutPrefix(id, everyPrefix)
	number := metav1.Reason_value["REASON_"+strings.ToUpper(strings.ReplaceAll(word, "-", "_"))]
	if !ok || number == 0 {
		return nil
	}
	return &metav1.Fault{
		Reason: metav1.Reason(number), Message: "cannot do it: «" + word + "»", Metadata: map[string]string{"package": id, "needed": "7 %3A ü"},
		Violations: []*metav1.Violation{{Field: "spec.ports[2].number", Message: "must be over 1023"}}, RetryAfter: durationpb.New(1500 * time.Millisecond),
	}
}

// every answers the ids for all reasons.
func every() map[string]metav1.Reason {
	ids := map[string]metav1.Reason{}
	for number, name := range metav1.Reason_name {
		if number != 0 {
			ids[everyPrefix+strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "REASON_"), "_", "-"))] = metav1.Reason(number)
		}
	}
	return ids
}

// sameFault wants a refusal to be whole. A defect is the one that is told in other words.
func sameFault(t *testing.T, where, id string, err error) {
	t.Helper()
	want, got := everyFault(id), faultOf(t, err)
	if want.GetReason() == metav1.Reason_REASON_INTERNAL {
		if got.GetReason() != want.GetReason() || strings.Contains(got.String(), "ü") {
			t.Errorf("%s: a defect is told as %v", where, got)
		}
		return
	}
	if !proto.Equal(got, want) {
		t.Errorf("%s, %s:\ngot  %v (%v)\nwant %v", where, id, got, err, want)
	}
}

// Every reason of the catalogue comes to the caller with its message, its metadata and the fields that are wrong, by every
// wire and client.
func TestEveryReasonIsTheSameOnEveryWire(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ids := every()
	if len(ids) < 50 {
		t.Fatalf("there are %d reasons", len(ids))
	}
	for _, w := range wires() {
		t.Run(w.name, func(t *testing.T) {
			for id := range ids {
				_, err := w.call(t, s, "viewer", methodOf("GetPackage"), &packagesv1.GetPackageRequest{Id: id}, &packagesv1.GetPackageResponse{})
				sameFault(t, w.name, id, err)
			}
		})
	}
	t.Run("go client", func(t *testing.T) {
		for _, host := range []string{"unix:" + s.unix, "https://" + s.grpc, "https://" + s.web} {
			client, err := hearth.Dial(t.Context(), host, hearth.Options{RootPEM: s.rootPEM(t), Token: "viewer"})
			if err != nil {
				t.Fatal(err)
			}
			for id := range ids {
				_, err := client.Packages.GetPackage(t.Context(), &packagesv1.GetPackageRequest{Id: id})
				sameFault(t, host, id, err)
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("typescript client", func(t *testing.T) { s.byTypeScript(t, ids) })
}

// rootPEM is what clients must trust.
func (s *server) rootPEM(t *testing.T) []byte {
	t.Helper()
	resp, err := s.httpTLS(t).Get("https://" + s.web + "/ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: resp.TLS.PeerCertificates[0].Raw})
}

// byTypeScript calls by the TypeScript client, made into one program from its sources.
func (s *server) byTypeScript(t *testing.T, ids map[string]metav1.Reason) {
	testenv.Require(t, "node")
	const top = "../../../"
	bundler := filepath.Join(top, "node_modules/.bin/esbuild")
	if _, err := os.Stat(bundler); err != nil {
		t.Skip("needs the npm packages: run 'make setup'")
	}
	dir := t.TempDir()
	program, root := filepath.Join(dir, "client.mjs"), filepath.Join(dir, "root.crt")
	if err := os.WriteFile(root, s.rootPEM(t), 0o600); err != nil {
		t.Fatal(err)
	}
	api, err := filepath.Abs(top + "sdk-ts/packages/api")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), bundler, "testdata/reasons.mjs", "--bundle", "--platform=node", "--format=esm", "--outfile="+program,
		"--alias:@hearthos/api/client="+api+"/src/index.ts", "--alias:@hearthos/api/hearth="+api+"/gen/hearth").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	args := []string{program, s.unix, "https://" + s.web, "https://" + s.grpc, root}
	for id := range ids {
		args = append(args, id)
	}
	raw, err := exec.CommandContext(t.Context(), "node", args...).Output()
	if err != nil {
		var ended *exec.ExitError
		errors.As(err, &ended)
		t.Fatalf("%v\n%s", err, ended.Stderr)
	}
	var told []struct {
		Wire, ID string
		Fault    json.RawMessage
	}
	if err := json.Unmarshal(raw, &told); err != nil || len(told) != 5*len(ids) {
		t.Fatalf("%d answers, %v", len(told), err)
	}
	for _, answer := range told {
		f := &metav1.Fault{}
		if err := protojson.Unmarshal(answer.Fault, f); err != nil {
			t.Fatalf("%s, %s: %v in %s", answer.Wire, answer.ID, err, answer.Fault)
		}
		sameFault(t, "typescript "+answer.Wire, answer.ID, fault.FromProto(f))
	}
}

// The statuses of HTTP that programs without a word of Hearth go by.
func TestRESTRefusesWithTheStatusOfHTTP(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	byCode := map[optionsv1.Code]int{
		optionsv1.Code_CODE_CANCELLED: 499, optionsv1.Code_CODE_INVALID_ARGUMENT: 400, optionsv1.Code_CODE_OUT_OF_RANGE: 400,
		optionsv1.Code_CODE_DEADLINE_EXCEEDED: 504, optionsv1.Code_CODE_NOT_FOUND: 404, optionsv1.Code_CODE_ALREADY_EXISTS: 409,
		optionsv1.Code_CODE_ABORTED: 409, optionsv1.Code_CODE_PERMISSION_DENIED: 403, optionsv1.Code_CODE_RESOURCE_EXHAUSTED: 429,
		optionsv1.Code_CODE_FAILED_PRECONDITION: 412, optionsv1.Code_CODE_UNIMPLEMENTED: 501, optionsv1.Code_CODE_UNAVAILABLE: 503,
		optionsv1.Code_CODE_UNAUTHENTICATED: 401, optionsv1.Code_CODE_INTERNAL: 500, optionsv1.Code_CODE_DATA_LOSS: 500, optionsv1.Code_CODE_UNKNOWN: 500,
	}
	special := map[metav1.Reason]int{
		metav1.Reason_REASON_MESSAGE_TOO_LARGE: 413, metav1.Reason_REASON_ENCODING_UNSUPPORTED: 415, metav1.Reason_REASON_DISK_FULL: 507, metav1.Reason_REASON_METHOD_NOT_FOUND: 404,
		metav1.Reason_REASON_TRANSFER_DIGEST: 422, metav1.Reason_REASON_PACKAGE_FILE_DAMAGED: 422,
	}
	for id, reason := range every() {
		want, ok := special[reason]
		if !ok {
			want = byCode[fault.Info(reason).GetCode()]
		}
		resp, body, err := send(s.httpTLS(t), http.MethodGet, "https://"+s.web+"/api/v1/packages/"+id, "viewer", "", nil)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if resp.StatusCode != want || want == 0 {
			t.Errorf("%s is %d, want %d: %s", reason, resp.StatusCode, want, body)
		}
		if after := resp.Header.Get("Retry-After"); after != "2" && reason != metav1.Reason_REASON_INTERNAL {
			t.Errorf("%s is to be tried again after %q", reason, after)
		}
		if resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(string(body), fmt.Sprintf("%q", reason)) {
			t.Errorf("%s has the body %s", reason, body)
		}
	}
}
