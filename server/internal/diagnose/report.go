package diagnose

import (
	"context"
	"errors"
	"fmt"
	"io"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
)

// Part is a file of a report.
type Part struct {
	// Name is its path within the report; About says what is in it.
	Name, About string
	// Write writes it. What it writes is redacted and, where it is too much, cut off.
	Write func(ctx context.Context, to io.Writer) error
}

// Bounds of a report.
const (
	maxPart  = 8 << 20
	maxPiece = 256 << 10
)

// errEnough ends a part that is too large.
var errEnough = errors.New("the part is too large")

// Collect sends the parts one after the other, in pieces. A part that cannot be written says so in its place.
func Collect(ctx context.Context, parts []Part, send func(*diagnosticsv1.CollectReportResponse) error) error {
	for _, p := range parts {
		out := &pieces{name: p.Name, about: p.About, send: send, room: maxPart}
		clean := Redact(out)
		err := p.Write(ctx, clean)
		if err == nil {
			err = clean.Close()
		}
		switch {
		case out.failed != nil:
			return out.failed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errEnough):
			out.room = maxPiece
			_, err = fmt.Fprintf(out, "\n[cut off after %d bytes]\n", maxPart)
		case err != nil:
			out.room = maxPiece
			notice := Redact(out)
			if _, err = fmt.Fprintf(notice, "\n[this part could not be written: %v]\n", err); err == nil {
				err = notice.Close()
			}
		}
		if err == nil {
			err = out.end()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pieces sends what is written to it as pieces of one file.
type pieces struct {
	name, about string
	send        func(*diagnosticsv1.CollectReportResponse) error
	room        int
	held        []byte
	sent        bool
	failed      error // of send
}

// Write implements io.Writer.
func (p *pieces) Write(b []byte) (int, error) {
	if len(b) > p.room {
		return 0, errEnough
	}
	p.room -= len(b)
	p.held = append(p.held, b...)
	if len(p.held) >= maxPiece {
		if err := p.push(); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (p *pieces) push() error {
	piece := &diagnosticsv1.CollectReportResponse{Name: p.name, Data: p.held}
	if !p.sent {
		piece.About, p.sent = p.about, true
	}
	p.held = nil
	p.failed = p.send(piece)
	return p.failed
}

// end sends what is left; a part without content is a file that is empty.
func (p *pieces) end() error {
	if len(p.held) == 0 && p.sent {
		return nil
	}
	return p.push()
}
