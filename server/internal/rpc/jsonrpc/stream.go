package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

// notification carries one message of a stream.
type notification struct {
	Version string `json:"jsonrpc"`
	Method  string `json:"method"`
	Params  struct {
		ID      json.RawMessage `json:"id"`
		Message json.RawMessage `json:"message"`
	} `json:"params"`
}

// stream carries out a call whose service streams, a line for each message and one for the end.
func (h *Handler) stream(ctx context.Context, w http.ResponseWriter, m Method, req *request) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if req.ID == nil {
		req.ID = null
	}
	in, out, err := messages(m)
	if err != nil {
		write(w, refuse(req.ID, 0, err))
		return
	}
	if err := params(req, in); err != nil {
		write(w, refuse(req.ID, invalidParams, err))
		return
	}
	cs, err := h.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, m.Procedure)
	if err == nil {
		err = errors.Join(ignoreEOF(cs.SendMsg(in)), cs.CloseSend())
	}
	if err != nil {
		write(w, refuse(req.ID, 0, err))
		return
	}
	header, err := cs.Header()
	if err != nil {
		write(w, refuse(req.ID, 0, err))
		return
	}
	setHeaders(w, header)
	w.Header().Set("Content-Type", ndjson)
	w.Header().Set("Cache-Control", "no-store")
	if header.Len() > 0 {
		http.NewResponseController(w).Flush() // an error comes with the next write
	}
	err = relay(w, cs, req.ID, out)
	last := &response{Version: "2.0", ID: req.ID, Result: null}
	if err != nil {
		last = refuse(req.ID, 0, err)
	}
	if line, err := json.Marshal(last); err == nil {
		w.Write(append(line, '\n'))
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil // the answer tells why
	}
	return err
}

func relay(w http.ResponseWriter, cs grpc.ClientStream, id json.RawMessage, out proto.Message) error {
	flusher := http.NewResponseController(w)
	for {
		proto.Reset(out)
		err := cs.RecvMsg(out)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n := notification{Version: "2.0", Method: "message"}
		n.Params.ID = id
		if n.Params.Message, err = codec.Marshal(out); err != nil {
			return err
		}
		line, err := json.Marshal(n)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
		if err := flusher.Flush(); err != nil {
			return err
		}
	}
}
