package v0

import (
	"bufio"
	"encoding/json"
	"errors"
	"iter"
)

// pieceSize is how much of an answer waits to be sent.
const pieceSize = 32 << 10

// lengthy is a result that is written piece by piece. Whoever reads all that there is asks for it in a few bytes, several times in one request, and
// reads as slowly as he likes: so none of it is in memory as a whole.
type lengthy func(w *bufio.Writer) error

// response is the answer to a call: a refusal, or a result.
type response struct {
	Result json.RawMessage
	pieces lengthy // in place of Result
	Error  *refusal
	ID     json.RawMessage
}

// write writes the answer, of which an error may leave a part: then the caller is gone, or must be told by the end of the connection.
func (r response) write(w *bufio.Writer) error {
	if r.Error != nil {
		return encode(w, struct {
			JSONRPC string          `json:"jsonrpc"`
			Error   *refusal        `json:"error"`
			ID      json.RawMessage `json:"id"`
		}{"2.0", r.Error, r.ID})
	}
	_, err := w.WriteString(`{"jsonrpc":"2.0","result":`)
	if err != nil {
		return err
	}
	if r.pieces != nil {
		err = r.pieces(w)
	} else {
		_, err = w.Write(r.Result) // it was encoded, and is not looked at byte by byte once more
	}
	if err != nil {
		return err
	}
	for _, part := range [][]byte{[]byte(`,"id":`), r.ID, []byte("}")} {
		_, err = w.Write(part)
	}
	return err
}

// encode writes a value, which may be a lengthy one.
func encode(w *bufio.Writer, value any) error {
	if pieces, ok := value.(lengthy); ok {
		return pieces(w)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = w.Write(raw)
	return err
}

// ended is in the place of what is not made any more.
func ended(err error) lengthy { return func(*bufio.Writer) error { return err } }

// object is an object whose members are made when it is their turn.
func object(members iter.Seq2[string, any]) lengthy {
	return func(w *bufio.Writer) error {
		before := byte('{')
		for name, value := range members {
			if err := errors.Join(w.WriteByte(before), encode(w, name), w.WriteByte(':'), encode(w, value)); err != nil {
				return err
			}
			before = ','
		}
		if before == '{' {
			if err := w.WriteByte(before); err != nil {
				return err
			}
		}
		return w.WriteByte('}')
	}
}
