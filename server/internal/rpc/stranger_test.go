package rpc_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
)

// Of a caller without rights the server reads no large message: on native gRPC nothing at all, by HTTP 64 KiB.
func TestStrangersCannotMakeTheServerHoldLargeMessages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	t.Run("grpc", func(t *testing.T) {
		t.Parallel()
		// The message is announced and never sent: who is refused all the same was not waited for.
		conn := s.dialTLS(t, s.grpc)
		stream, err := conn.NewStream(bearer(t.Context(), "stolen"), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, procedure(methodOf("GetPackage")))
		if err != nil {
			t.Fatal(err)
		}
		if err := fault.FromStatus(stream.RecvMsg(&packagesv1.GetPackageResponse{})); !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) {
			t.Errorf("got %v", err)
		}
	})
	large, err := proto.Marshal(&packagesv1.GetPackageRequest{Id: strings.Repeat("x", 3<<20)})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 3<<20)
	for name, c := range map[string]struct{ path, contentType, body string }{
		"connect proto": {procedure(methodOf("GetPackage")), "application/proto", string(large)},
		"connect json":  {procedure(methodOf("GetPackage")), "application/json", `{"id":"` + text + `"}`},
		"grpc-web":      {procedure(methodOf("GetPackage")), "application/grpc-web+proto", string(envelope(0, large))},
		"rest":          {"/api/v1/packages:createUpload", "application/json", `{"size":"` + text + `"}`},
		"jsonrpc":       {"/jsonrpc", "application/json", `{"jsonrpc":"2.0","id":1,"method":"` + text + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := &countedBody{Reader: strings.NewReader(c.body)}
			req, _ := http.NewRequestWithContext(context.Background(), "POST", "https://"+s.web+c.path, body)
			req.Header.Set("Content-Type", c.contentType)
			req.ContentLength = -1
			resp, err := s.httpTLS(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, _ := io.ReadAll(resp.Body)
			told := string(answer) + resp.Header.Get("Grpc-Message") + resp.Trailer.Get("Grpc-Message")
			if !strings.Contains(told, "without a credential") {
				t.Errorf("answers %d %.300q", resp.StatusCode, told)
			}
			// What is on its way in the buffers of both sides is not read by anybody.
			if n := body.n.Load(); n > 2<<20 {
				t.Errorf("%d bytes were taken", n)
			}
		})
	}
}

type countedBody struct {
	*strings.Reader
	n atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.n.Add(int64(n))
	return n, err
}
