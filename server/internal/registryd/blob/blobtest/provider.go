package blobtest

import (
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/registryd/blob"
)

// Provider is another server of S3, which whoever runs the tests has: HEARTH_S3 is its address with the key, the secret and a bucket, as in
// http://KEY:SECRET@127.0.0.1:7070/BUCKET. Each test has a prefix of its own there, and leaves it. False without one.
func Provider(t testing.TB) (o blob.S3Options, ok bool) {
	t.Helper()
	text := os.Getenv("HEARTH_S3")
	if text == "" {
		return blob.S3Options{}, false
	}
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		t.Fatal("HEARTH_S3 is no address with a key and a secret")
	}
	secret, _ := u.User.Password()
	bucket := strings.Trim(u.Path, "/")
	return blob.S3Options{
		Place: "s3://" + bucket + "/test-" + strings.ToLower(rand.Text()), Endpoint: u.Scheme + "://" + u.Host, Region: "us-east-1",
		Credentials: credentials(t, u.User.Username(), secret),
	}, true
}
