package fetch

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// answering is a server's side of a transport.
type answering func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// silent is an answer of which nothing more comes until its request is given up.
type silent struct{ ctx context.Context }

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestPatientGivesUpASilentAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := patient{answering(func(r *http.Request) (*http.Response, error) {
			return &http.Response{Body: io.NopCloser(io.MultiReader(strings.NewReader("begun"), silent{r.Context()}))}, nil
		})}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://registry.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := server.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if string(got) != "begun" || err == nil || !strings.Contains(err.Error(), "nothing came for 1m0s") {
			t.Errorf("read %q, %v", got, err)
		}
	})
}
