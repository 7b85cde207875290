package door

import (
	"net/http"
	"testing"
)

func TestAServiceDemandsTLSForNamesOfItsOwnAlone(t *testing.T) {
	t.Parallel()
	for host, kept := range map[string]bool{
		"cloud.example.org": true, "cloud.example.org:443": true, "cloud.example.org.": true,
		"cloud.example.org:62001": false, "hearth-1a2b.local": false, "Hearth-1A2B.LOCAL.:62001": false, "localhost": false,
		"cloud.localhost": false, "hearth": false, "[fd00::1]:62001": false, "": false,
	} {
		h := http.Header{"Strict-Transport-Security": {"max-age=31536000"}}
		p := &proxy{backend: &backend{door: &Door{}}}
		if err := p.answered(&http.Response{Header: h, Request: &http.Request{Host: host}}); err != nil {
			t.Fatal(err)
		}
		if got := h.Get("Strict-Transport-Security") != ""; got != kept {
			t.Errorf("at %q it is kept: %v, want %v", host, got, kept)
		}
	}
}
