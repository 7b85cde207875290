package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

// ErrKeepsNothing tells that a registry keeps no files itself, as those of StartOS do not.
var ErrKeepsNothing = errors.New("the registry keeps no files itself")

const uploadTries = 6

// AddUpload sends a package file to a registry that keeps files itself (hearth.registry.v1) and has it listed, with further
// places where it lies. It goes on by itself where a connection broke. progress is told how many bytes have been sent.
func (c *Client) AddUpload(ctx context.Context, r io.ReaderAt, size int64, urls []string, commitment s9pk.Commitment, signature sign.Signature, progress func(done, total int64)) error {
	var made struct {
		Ticket string `json:"ticket"`
		Path   string `json:"path"`
	}
	if err := c.rest(ctx, http.MethodPost, "/api/v1/uploads", map[string]any{"size": strconv.FormatInt(size, 10)}, &made); err != nil {
		return err
	}
	if err := c.send(ctx, made.Path, r, size, progress); err != nil {
		return err
	}
	return c.rest(ctx, http.MethodPost, "/api/v1/packages", map[string]any{
		"ticket": made.Ticket, "urls": urls, "signature": signature[:],
		"commitment": map[string]any{"rootSighash": commitment.RootSighash[:], "rootMaxSize": strconv.FormatInt(commitment.RootMaxSize, 10)},
	}, nil)
}

// rest makes a signed call by REST; without a body where it is nil.
func (c *Client) rest(ctx context.Context, method, path string, body, result any) error {
	if c.key == nil {
		return errors.New("cannot do this without a key")
	}
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	h, err := httpsig.Sign(*c.key, httpsig.Target{Method: req.Method, Authority: req.URL.Host, Path: req.URL.EscapedPath()}, httpsig.DigestOf(raw), c.now(), hex.EncodeToString(nonce[:]))
	if err != nil {
		return err
	}
	req.Header.Set(httpsig.DigestHeader, h.Digest)
	req.Header.Set(httpsig.InputHeader, h.Input)
	req.Header.Set(httpsig.SignatureHeader, h.Signature)
	// Every byte of the file is hashed before it is listed, which takes its time.
	resp, err := (&http.Client{Transport: c.http.Transport}).Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusOK {
		if result == nil {
			return nil
		}
		return json.Unmarshal(answer, result)
	}
	var told struct{ Reason, Message string }
	if json.Unmarshal(answer, &told) != nil || told.Reason == "" {
		return ErrKeepsNothing
	}
	return &Refusal{Reason: cut(told.Reason), Message: cut(told.Message)}
}

// Refusal is a refusal of a registry that has reasons for it.
type Refusal struct {
	Reason, Message string // the reason by its name, which a stranger chose
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the registry refuses it: %s (%s)", r.Message, r.Reason)
}

// send sends a file to an upload, again from where it broke off.
func (c *Client) send(ctx context.Context, path string, r io.ReaderAt, size int64, progress func(done, total int64)) error {
	client := &http.Client{Transport: c.http.Transport}
	offset := int64(0)
	var failed error
	for try := range uploadTries {
		if try > 0 {
			wait := time.NewTimer(time.Duration(try) * 500 * time.Millisecond)
			select {
			case <-ctx.Done():
				wait.Stop()
				return ctx.Err()
			case <-wait.C:
			}
			if have, err := c.sent(ctx, client, path); err == nil {
				offset = have
			}
		}
		body := &shown{io.NewSectionReader(r, offset, size-offset), offset, size, progress}
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+path, body)
		if err != nil {
			return err
		}
		req.ContentLength = size - offset
		req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, size-1, size))
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusNoContent {
				return nil
			}
			err = fmt.Errorf("the registry answers %.40s", resp.Status)
		}
		if failed = err; ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("cannot finish the upload: %w", failed)
}

// sent asks how much of an upload has arrived.
func (c *Client) sent(ctx context.Context, client *http.Client, path string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, c.base+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
}

// shown tells how far reading is.
type shown struct {
	r           io.Reader
	done, total int64
	progress    func(done, total int64)
}

func (s *shown) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.done += int64(n)
	if s.progress != nil && n > 0 {
		s.progress(s.done, s.total)
	}
	return n, err
}
