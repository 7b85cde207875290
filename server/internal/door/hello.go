package door

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

const (
	// maxHello bounds the first message of a handshake, maxHelloRaw the records that carry it.
	maxHello, maxHelloRaw = 16 << 10, 20 << 10
	recordHeader          = 5
	maxRecord             = 16 << 10

	recordHandshake     = 22
	messageClientHello  = 1
	extensionServerName = 0
	extensionALPN       = 16
)

var (
	// errNotTLS says that what came is not the beginning of a handshake.
	errNotTLS = errors.New("not a TLS handshake")
	// errBadHello says that a handshake began and is broken or too long.
	errBadHello = errors.New("broken TLS handshake")
)

// hello is what a caller says before anything is secret.
type hello struct {
	// name is the name asked for, in lower case; empty when there is none.
	name string
	alpn []string
	// raw are the bytes read so far: the whole message and nothing behind its last record.
	raw []byte
}

// readHello reads the first message of a handshake. raw is set also beside an error.
func readHello(r io.Reader) (hello, error) {
	var h hello
	var message []byte
	for {
		start := len(h.raw)
		if err := h.read(r, recordHeader); err != nil {
			return h, err
		}
		header := h.raw[start:]
		if header[0] != recordHandshake || header[1] != 3 {
			return h, errNotTLS
		}
		n := int(header[3])<<8 | int(header[4])
		if n == 0 || n > maxRecord || len(h.raw)+n > maxHelloRaw {
			return h, fmt.Errorf("%w: record of %d bytes", errBadHello, n)
		}
		start = len(h.raw)
		if err := h.read(r, n); err != nil {
			return h, err
		}
		message = append(message, h.raw[start:]...)
		if len(message) < 4 {
			continue
		}
		size := 4 + (int(message[1])<<16 | int(message[2])<<8 | int(message[3]))
		if message[0] != messageClientHello || size > maxHello {
			return h, fmt.Errorf("%w: message %d of %d bytes", errBadHello, message[0], size)
		}
		if len(message) >= size {
			err := h.parse(message[4:size])
			return h, err
		}
	}
}

// read appends n bytes to raw, fewer beside an error. It stops early where the first byte cannot begin a handshake, so
// that a short plain-text request is recognized without waiting for more.
func (h *hello) read(r io.Reader, n int) error {
	start := len(h.raw)
	h.raw = append(h.raw, make([]byte, n)...)
	for got := start; got < start+n; {
		k, err := r.Read(h.raw[got : start+n])
		got += k
		if got > 0 && h.raw[0] != recordHandshake {
			h.raw = h.raw[:got]
			return errNotTLS
		}
		if err != nil && got < start+n {
			h.raw = h.raw[:got]
			return err
		}
	}
	return nil
}

func (h *hello) parse(message []byte) error {
	s := cryptobyte.String(message)
	var session, suites, compressions, extensions cryptobyte.String
	if !s.Skip(2+32) || !s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16LengthPrefixed(&suites) || !s.ReadUint8LengthPrefixed(&compressions) {
		return errBadHello
	}
	if s.Empty() {
		return nil
	}
	if !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		return errBadHello
	}
	for !extensions.Empty() {
		var kind uint16
		var body cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&body) {
			return errBadHello
		}
		ok := true
		switch kind {
		case extensionServerName:
			ok = h.serverName(body)
		case extensionALPN:
			ok = h.protocols(body)
		}
		if !ok {
			return errBadHello
		}
	}
	return nil
}

func (h *hello) serverName(body cryptobyte.String) bool {
	var names cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&names) || names.Empty() || !body.Empty() {
		return false
	}
	for !names.Empty() {
		var kind uint8
		var name cryptobyte.String
		if !names.ReadUint8(&kind) || !names.ReadUint16LengthPrefixed(&name) || name.Empty() {
			return false
		}
		if kind != 0 {
			continue
		}
		if h.name != "" || len(name) > 255 || name[len(name)-1] == '.' {
			return false
		}
		h.name = strings.ToLower(string(name))
	}
	return true
}

func (h *hello) protocols(body cryptobyte.String) bool {
	var list cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&list) || list.Empty() || !body.Empty() {
		return false
	}
	for !list.Empty() {
		var p cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&p) || p.Empty() {
			return false
		}
		h.alpn = append(h.alpn, string(p))
	}
	return true
}
