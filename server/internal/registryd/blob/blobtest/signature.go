package blobtest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	unsigned   = "UNSIGNED-PAYLOAD" // TLS, or checksums in the headers, are to protect it
	dateFormat = "20060102T150405Z"
	maxSkew    = 15 * time.Minute
)

var authorization = regexp.MustCompile(`^` + algorithm + ` Credential=([^/]+)/(([0-9]{8})/[^/]+/s3/aws4_request), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

// Check refuses a request that was not signed with the secret of the access key a short time ago, or whose body is not what was signed.
// It leaves the body to be read.
func Check(r *http.Request) error {
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil || m[1] != accessKey {
		return errors.New("it is not signed with the access key")
	}
	scope, day, signature, date := m[2], m[3], m[5], r.Header.Get("X-Amz-Date")
	at, err := time.Parse(dateFormat, date)
	if err != nil || time.Since(at).Abs() > maxSkew || !strings.HasPrefix(date, day) {
		return fmt.Errorf("it was signed at %q", date)
	}
	key := []byte("AWS4" + SecretKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	names := strings.Split(m[4], ";")
	for _, must := range []string{"host", "x-amz-content-sha256", "x-amz-date"} {
		if !slices.Contains(names, must) {
			return fmt.Errorf("%s is not signed", must)
		}
	}
	text := strings.Join([]string{algorithm, date, scope, sum([]byte(canonical(r, names)))}, "\n")
	if hex.EncodeToString(mac(key, text)) != signature {
		return errors.New("its signature is another one")
	}
	return checkBody(r)
}

// checkBody compares the body with its digest, where the signature is about one.
func checkBody(r *http.Request) error {
	signed := r.Header.Get("X-Amz-Content-Sha256")
	if signed == unsigned {
		return nil
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	if sum(raw) != signed {
		return fmt.Errorf("its body is signed as %q", signed)
	}
	return nil
}

// canonical is what is signed of a request.
func canonical(r *http.Request, names []string) string {
	var headers strings.Builder
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20") // sorted by name
	path := (&url.URL{Path: r.URL.Path}).EscapedPath()
	return strings.Join([]string{r.Method, path, query, headers.String(), strings.Join(names, ";"), r.Header.Get("X-Amz-Content-Sha256")}, "\n")
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text)) // hashes do not fail
	return h.Sum(nil)
}

func sum(raw []byte) string {
	s := sha256.Sum256(raw)
	return hex.EncodeToString(s[:])
}
