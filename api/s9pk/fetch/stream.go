package fetch

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

// Stream gives random access to bytes that arrive in order. A read fetches as much of the stream as it needs and keeps
// it in a spool file, so a package can be looked into, and verified from the front, while the rest is still on its way.
type Stream struct {
	size  int64
	known bool

	mu    sync.Mutex // guards what follows; reading the spool needs no lock
	from  io.Reader
	spool *os.File
	have  int64
	err   error // why there is no more; io.EOF at the end
	close func() error
}

// NewStream begins to read from r, which has size bytes, or any number up to MaxSize when size is negative. The spool
// lies in dir ("" for the system's folder) and has no name. Closing the Stream does not close r.
func NewStream(r io.Reader, size int64, dir string) (*Stream, error) {
	spool, err := os.CreateTemp(dir, "hearth-stream-")
	if err != nil {
		return nil, fmt.Errorf("cannot keep what arrives: %w", err)
	}
	if err := os.Remove(spool.Name()); err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	s := &Stream{size: size, known: size >= 0, from: r, spool: spool}
	if !s.known {
		s.size = MaxSize
	}
	return s, nil
}

func newRemoteStream(r *remote, resp *http.Response, dir string) (*Stream, error) {
	if resp.ContentLength > MaxSize {
		_ = resp.Body.Close()
		_ = r.Close()
		return nil, r.fail("the file is larger than is allowed", nil)
	}
	s, err := NewStream(answer{r, r.unstalled(resp.Body)}, resp.ContentLength, dir)
	if err != nil {
		_ = resp.Body.Close()
		_ = r.Close()
		return nil, err
	}
	s.close = func() error { return errors.Join(resp.Body.Close(), r.Close()) }
	return s, nil
}

// answer is the body of an answer: io.EOF is its end, and every other error that of the connection.
type answer struct {
	of *remote
	in io.Reader
}

func (a answer) Read(p []byte) (int, error) {
	n, err := a.in.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, a.of.fail("the answer breaks off", broken(err))
}

// Size is the announced length, MaxSize when none was.
func (s *Stream) Size() int64 { return s.size }

// Known tells whether the length was announced.
func (s *Stream) Known() bool { return s.known }

// Received is how many bytes have arrived so far.
func (s *Stream) Received() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have
}

// Close forgets what arrived.
func (s *Stream) Close() error {
	var err error
	if s.close != nil {
		err = s.close()
	}
	return errors.Join(err, s.spool.Close())
}

// ReadAt waits for the bytes it needs.
func (s *Stream) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= s.size {
		return 0, io.EOF
	}
	end := s.size
	if int64(len(p)) < s.size-off {
		end = off + int64(len(p))
	}
	have, err := s.receive(end)
	if have >= off+int64(len(p)) {
		return s.spool.ReadAt(p, off)
	}
	if err == nil {
		err = io.EOF
	}
	if have <= off {
		return 0, err
	}
	n, readErr := s.spool.ReadAt(p[:have-off], off)
	if readErr != nil && !errors.Is(readErr, io.EOF) {
		err = readErr
	}
	return n, err
}

// receive fetches the stream up to end.
func (s *Stream) receive(end int64) (have int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.have >= end || s.err != nil {
		return s.have, s.err
	}
	n, err := io.CopyN(&tail{s.spool, s.have}, s.from, end-s.have)
	s.have += n
	switch {
	case errors.Is(err, io.EOF) && s.known && s.have < s.size:
		s.err = io.ErrUnexpectedEOF
	default:
		s.err = err
	}
	return s.have, s.err
}

// tail writes behind what is there.
type tail struct {
	file *os.File
	at   int64
}

func (t *tail) Write(p []byte) (int, error) {
	n, err := t.file.WriteAt(p, t.at)
	t.at += int64(n)
	return n, err
}
