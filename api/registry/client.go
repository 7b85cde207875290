package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/sign"
)

// Limits of what a registry may answer.
const (
	maxAnswer = 8 << 20 // of one call
	maxIndex  = 512 << 20
	maxURL    = 2048

	// Path is where the protocol is spoken.
	Path = "/rpc/v0"
)

// ErrTooLarge tells that an answer was longer than it may be.
var ErrTooLarge = errors.New("the registry answers more than it may")

// ErrUnreachable tells that nothing answers.
var ErrUnreachable = errors.New("cannot reach the registry")

// ErrNotRegistry tells that what answers is no registry.
var ErrNotRegistry = errors.New("what answers there is no registry")

// ErrInvalid tells that a registry answered, and that its answer cannot be read.
var ErrInvalid = errors.New("the answer of the registry makes no sense")

// Client calls one registry. It is safe for concurrent use.
type Client struct {
	base string
	host string
	http *http.Client
	key  *sign.PrivateKey
	now  func() time.Time
	// Device is told where a method wants to know for which machine it is asked; nil tells nothing.
	Device *Device
}

// Options are optional.
type Options struct {
	// Transport makes the requests; http.DefaultTransport when nil.
	Transport http.RoundTripper
	// Key signs the requests that need it.
	Key *sign.PrivateKey
	// Hostname is the registry's name in signatures; the host of the URL when empty.
	Hostname string
	// Timeout is how long a call may take; a minute when 0.
	Timeout time.Duration
	// Device is that of the Client.
	Device *Device
}

// ParseURL checks the address of a registry and brings it into one form, without a slash at its end and without the path of
// the protocol.
func ParseURL(address string) (*url.URL, error) {
	if len(address) > maxURL {
		return nil, fmt.Errorf("cannot use an address of more than %d bytes", maxURL)
	}
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("cannot use the address: it is https://HOST[:PORT], or http:// and the same")
	}
	u.Host = strings.ToLower(u.Host)
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), Path)
	u.RawPath = ""
	return u, nil
}

// NewClient makes a client of the registry at an address.
func NewClient(address string, o Options) (*Client, error) {
	u, err := ParseURL(address)
	if err != nil {
		return nil, err
	}
	host := o.Hostname
	if host == "" {
		if host = u.Hostname(); strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	return &Client{
		base: u.String(), host: host, key: o.Key, now: time.Now, Device: o.Device,
		http: &http.Client{Transport: o.Transport, Timeout: timeout, CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if len(before) > 3 || before[len(before)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
				return errors.New("it leads elsewhere too often, or to a place that is not encrypted")
			}
			return nil
		}},
	}, nil
}

// Base is the address of the registry.
func (c *Client) Base() string { return c.base }

type envelope struct {
	Result json.RawMessage `json:"result"`
	Error  *wireError      `json:"error"`
}

type wireError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

// Call calls a method. It is signed where the client has a key. The refusal of a registry is an *Error.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	return c.call(ctx, method, params, result, maxAnswer)
}

func (c *Client) call(ctx context.Context, method string, params, result any, limit int64) error {
	answer, err := c.ask(ctx, method, params)
	if err != nil {
		return err
	}
	defer answer.Close()
	raw, err := io.ReadAll(io.LimitReader(answer, limit+1))
	switch {
	case err != nil:
		return fmt.Errorf("cannot read what the registry answers: %w", err)
	case int64(len(raw)) > limit:
		return ErrTooLarge
	}
	return read(raw, result)
}

// ask sends a call and answers what comes back, unread.
func (c *Client) ask(ctx context.Context, method string, params any) (io.ReadCloser, error) {
	body, err := json.Marshal(map[string]any{"id": 0, "method": method, "params": params})
	if err != nil {
		return nil, fmt.Errorf("cannot write the call: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+Path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if c.Device != nil {
		req.Header.Set(DeviceHeader, c.Device.Header())
	}
	if c.key != nil {
		var nonce [8]byte
		rand.Read(nonce[:]) // never fails
		signed, err := sign.SignRequest(*c.key, c.host, body, c.now(), binary.BigEndian.Uint64(nonce[:]))
		if err != nil {
			return nil, err
		}
		req.Header.Set(sign.RequestHeader, signed.Header())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the address is known, and may hold what is nobody's business
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: it answers %.40s", ErrNotRegistry, resp.Status)
	}
	return resp.Body, nil
}

// read takes the result out of an answer.
func read(raw []byte, result any) error {
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("%w: it is not JSON", ErrInvalid)
	}
	if e.Error != nil {
		return e.Error.refusal()
	}
	if e.Result == nil {
		return fmt.Errorf("%w: it has no result", ErrInvalid)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(e.Result, result); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) { // its own words are of our types
			err = fmt.Errorf("%s cannot be %s", cmp.Or(wrong.Field, "the answer"), cut(wrong.Value))
		}
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (w wireError) refusal() *Error {
	refusal := &Error{Code: w.Code, Message: cut(w.Message)}
	var data struct {
		Details *string `json:"details"`
	}
	if json.Unmarshal(w.Data, &data) == nil && data.Details != nil {
		refusal.Details = cut(*data.Details)
	}
	return refusal
}

// cut keeps what a stranger says short.
func cut(s string) string {
	const enough = 500
	return strings.ToValidUTF8(s[:min(len(s), enough)], "")
}

// Info asks what the registry is.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	return info, c.Call(ctx, "info", struct{}{}, &info)
}

// Get asks for one package.
func (c *Client) Get(ctx context.Context, p GetParams) (Listing, error) {
	var l Listing
	return l, c.Call(ctx, "package.get", p, &l)
}

// Packages asks for all packages with all versions.
func (c *Client) Packages(ctx context.Context) (PackageIndex, error) {
	var index PackageIndex
	return index, c.call(ctx, "package.index", struct{}{}, &index, maxIndex)
}
