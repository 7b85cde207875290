package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// All asks for the best versions of all packages and has each package told while the rest arrives, so that what a registry
// has is nowhere in memory as a whole. An error of tell ends it and is answered.
func (c *Client) All(ctx context.Context, tell func(id string, l Listing) error) error {
	detail := DetailShort
	answer, err := c.ask(ctx, "package.get", GetParams{OtherVersions: &detail})
	if err != nil {
		return err
	}
	defer answer.Close()
	return ReadAll(answer, tell)
}

// ReadAll reads the answer of All, and trusts no byte of it.
func ReadAll(answer io.Reader, tell func(id string, l Listing) error) error {
	s := &stream{from: answer, whole: maxIndex}
	s.dec = json.NewDecoder(s)
	var told error
	err := s.members(func(name string) error {
		switch name {
		case "result":
			s.found = true
			return s.members(func(id string) error {
				var l Listing
				if err := s.value(&l); err != nil {
					return err
				}
				told = tell(id, l)
				return told
			})
		case "error":
			return s.value(&s.refused)
		}
		return s.value(new(json.RawMessage))
	})
	switch {
	case told != nil:
		return told
	case errors.Is(s.failed, ErrTooLarge):
		return ErrTooLarge
	case s.failed != nil && !errors.Is(s.failed, io.EOF):
		return fmt.Errorf("cannot read what the registry answers: %w", s.failed)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	case s.refused != nil:
		return s.refused.refusal()
	case !s.found:
		return fmt.Errorf("%w: it has no result", ErrInvalid)
	}
	return nil
}

// stream reads JSON piece by piece, each of bounded length, as the decoder has a piece in memory.
type stream struct {
	from    io.Reader
	dec     *json.Decoder
	piece   int // may be read until the next piece begins
	whole   int // and in all
	failed  error
	found   bool
	refused *wireError
}

// Read implements io.Reader for the decoder.
func (s *stream) Read(p []byte) (int, error) {
	if s.failed == nil && min(s.piece, s.whole) <= 0 {
		s.failed = ErrTooLarge
	}
	if s.failed != nil {
		return 0, s.failed
	}
	n, err := s.from.Read(p[:min(len(p), s.piece, s.whole)])
	s.piece -= n
	s.whole -= n
	s.failed = err
	return n, err
}

// value reads a value.
func (s *stream) value(into any) error {
	s.piece = maxAnswer
	return s.dec.Decode(into)
}

func (s *stream) token() (json.Token, error) {
	s.piece = maxAnswer
	return s.dec.Token()
}

// members calls fn with the name of each member of an object, whose value fn reads.
func (s *stream) members(fn func(name string) error) error {
	open, err := s.token()
	if err != nil {
		return err
	}
	if open != json.Delim('{') {
		return errors.New("it is not an object where it must be one")
	}
	for s.more() {
		name, err := s.token()
		if err != nil {
			return err
		}
		if err := fn(name.(string)); err != nil { // the decoder lets nothing else be a name
			return err
		}
	}
	_, err = s.token()
	return err
}

func (s *stream) more() bool {
	s.piece = maxAnswer
	return s.dec.More()
}
