package door

import (
	"io"
	"net/http"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
)

// ReadHello returns the name, the protocols and the bytes read of a handshake's first message.
func ReadHello(r io.Reader) (name string, alpn []string, raw []byte, err error) {
	h, err := readHello(r)
	return h.name, h.alpn, h.raw, err
}

// DecodeState reads a table as it is kept on disk.
func DecodeState(b []byte) (*doorv1.Table, error) { return decodeState(b) }

// StateMagic begins a table on disk.
const StateMagic = stateMagic

// MaxHelloRaw bounds what is read of a handshake.
const MaxHelloRaw = maxHelloRaw

// SecureURL is where a plain request is led.
func SecureURL(host, uri, port string) (string, bool) { return secureURL(host, uri, port) }

// WithoutOwnCookies takes our cookies out of a request's header.
func WithoutOwnCookies(h http.Header) { withoutOwnCookies(h) }

// Admits tells whether a gate lets a request pass, and as whom.
func Admits(m *doorv1.Gate, r *http.Request) (user string, ok bool) {
	c := &compiler{}
	g := c.gate("gate", m)
	if len(c.violations) > 0 {
		panic(c.violations[0])
	}
	return g.admits(r)
}

// ReadSocks reads where a caller of the way out wants to go.
func ReadSocks(rw io.ReadWriter) (target string, err error) { return readSocks(rw) }
