package journal

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// maxText bounds what is kept of one line, in bytes.
const maxText = 1 << 10

// Line is one line that was logged.
type Line struct {
	Time  time.Time
	Level slog.Level
	// Text is the message and its attributes.
	Text string
}

// Recent keeps the last lines that were logged, so that they can be followed. It is safe for concurrent use.
type Recent struct {
	mu    sync.Mutex // guards the rest; leaf
	lines []Line     // a ring: line n lies at n modulo its length
	next  uint64
	more  chan struct{} // closed by the next line
}

// NewRecent keeps up to n lines.
func NewRecent(n int) *Recent { return &Recent{lines: make([]Line, n), more: make(chan struct{})} }

// From returns the lines from number n on that are still kept, the number of the line that comes next, and a channel
// that is closed when it has come.
func (r *Recent) From(n uint64) (lines []Line, next uint64, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n = max(n, r.next-min(r.next, uint64(len(r.lines)))); n < r.next; n++ {
		lines = append(lines, r.lines[n%uint64(len(r.lines))])
	}
	return lines, r.next, r.more
}

func (r *Recent) add(l Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[r.next%uint64(len(r.lines))] = l
	r.next++
	close(r.more)
	r.more = make(chan struct{})
}

// Handler passes records on to h and keeps those of level info and above.
func (r *Recent) Handler(h slog.Handler) slog.Handler { return &keeper{recent: r, Handler: h} }

// keeper is a slog.Handler that keeps what it passes on.
type keeper struct {
	slog.Handler
	recent *Recent
	group  string // of attributes to come, with a dot behind it
	attrs  string // those given before
}

func (k *keeper) Handle(ctx context.Context, record slog.Record) error {
	if record.Level >= slog.LevelInfo {
		var b strings.Builder
		b.WriteString(record.Message)
		b.WriteString(k.attrs)
		record.Attrs(func(a slog.Attr) bool {
			write(&b, k.group, a)
			return b.Len() < maxText
		})
		text := b.String()
		if len(text) > maxText {
			text = strings.ToValidUTF8(text[:maxText], "")
		}
		k.recent.add(Line{Time: record.Time, Level: record.Level, Text: strings.ToValidUTF8(text, "\uFFFD")})
	}
	return k.Handler.Handle(ctx, record)
}

func (k *keeper) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(k.attrs)
	for _, a := range attrs {
		write(&b, k.group, a)
	}
	return &keeper{Handler: k.Handler.WithAttrs(attrs), recent: k.recent, group: k.group, attrs: b.String()}
}

func (k *keeper) WithGroup(name string) slog.Handler {
	group := k.group
	if name != "" {
		group += name + "."
	}
	return &keeper{Handler: k.Handler.WithGroup(name), recent: k.recent, group: group, attrs: k.attrs}
}

// write adds an attribute as " key=value".
func write(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			write(b, group, member)
		}
		return
	}
	b.WriteString(" " + group + a.Key + "=" + v.String())
}
