// Package journal makes the one logger of a process. It is deliberately no more than that: no global logger and no
// files; whoever starts the process keeps what it writes to standard error, and bounds it with Rotate where that is a file.
package journal

import (
	"fmt"
	"io"
	"log/slog"
)

// Format is how lines look.
type Format string

// The formats: for people and for programs.
const (
	Text Format = "text"
	JSON Format = "json"
)

// New makes a logger that writes lines of at least the level ("debug", "info", "warn" or "error", in any case) to w,
// mostly os.Stderr. A name it does not know is refused, so that a misspelt flag is seen at start.
func New(w io.Writer, level string, format Format) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("cannot log with level %q: use debug, info, warn or error", level)
	}
	opt := &slog.HandlerOptions{Level: least}
	switch format {
	case Text:
		return slog.New(slog.NewTextHandler(w, opt)), nil
	case JSON:
		return slog.New(slog.NewJSONHandler(w, opt)), nil
	}
	return nil, fmt.Errorf("cannot log in format %q: use %s or %s", format, Text, JSON)
}
