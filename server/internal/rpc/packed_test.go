package rpc_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"testing"

	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// The change feed comes to pages compressed as one body, and each message at once; who unpacks messages gets them as before.
func TestTheFeedIsCompressedForWhomUnpacksBodiesOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	client := s.httpTLS(t)
	body, err := protojson.Marshal(watchRequest())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		header   map[string]string
		encoding string
	}{
		"a page":                           {map[string]string{"Accept-Encoding": "br;q=1, gzip, deflate"}, "gzip"},
		"somebody who unpacks messages":    {map[string]string{"Accept-Encoding": "gzip", "Connect-Accept-Encoding": "gzip"}, ""},
		"somebody who unpacks nothing":     {map[string]string{"Accept-Encoding": "identity"}, ""},
		"somebody who does not want gzip":  {map[string]string{"Accept-Encoding": "gzip;q=0"}, ""},
		"somebody who is refused the call": {map[string]string{"Accept-Encoding": "gzip", "Content-Type": "application/json"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+s.web+"/hearth.state.v1.StateService/Watch", bytes.NewReader(envelope(0, body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/connect+json")
			req.Header.Set("Authorization", "Bearer operator")
			for key, value := range tt.header {
				req.Header.Set(key, value)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("Content-Encoding"); got != tt.encoding {
				t.Fatalf("the body is encoded as %q, not %q", got, tt.encoding)
			}
			if resp.StatusCode != http.StatusOK {
				return
			}
			var plain io.Reader = resp.Body
			if tt.encoding == "gzip" {
				if plain, err = gzip.NewReader(resp.Body); err != nil {
					t.Fatal(err)
				}
			}
			// The stream does not end: what is read here was sent at once.
			var head [5]byte
			if _, err := io.ReadFull(plain, head[:]); err != nil {
				t.Fatal(err)
			}
			message := make([]byte, int(head[3])<<8|int(head[4]))
			if _, err := io.ReadFull(plain, message); err != nil {
				t.Fatal(err)
			}
			var first statev1.WatchResponse
			if head[0] == 0 {
				if err := protojson.Unmarshal(message, &first); err != nil || first.GetUpdates()[0].GetRevision() != 7 {
					t.Errorf("the first message is %q (%v)", message, err)
				}
			}
		})
	}
}
