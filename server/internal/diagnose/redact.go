package diagnose

import (
	"bytes"
	"io"
	"regexp"
)

// removed stands where something secret was.
const removed = "[removed]"

// secrets are the shapes of what must not leave the server, each with what stands in its place. They are wide on purpose:
// a report that lacks a harmless word is still a report.
var secrets = []struct {
	shape *regexp.Regexp
	with  string
}{
	// Our own tokens, by their prefix.
	{regexp.MustCompile(`hearth_[A-Za-z0-9_-]{8,}`), removed},
	// Headers and schemes of credentials.
	{regexp.MustCompile(`(?i)\b(bearer|basic|digest)\s+[A-Za-z0-9+/=_.~-]{6,}`), "$1 " + removed},
	{regexp.MustCompile(`(?i)\b((?:set-)?cookie|authorization|proxy-authorization|x-api-key)(["']?\s*[:=]\s*["']?)[^\r\n"']+`), "$1$2" + removed},
	// Values named as what they are, in JSON, text, logs, queries and assignments.
	{regexp.MustCompile(`(?i)("[^"]*(?:password|passwd|passphrase|secret|token|api_?key|private_?key|credential|(?:recovery|claim)_?code|mnemonic|seed)[^"]*"\s*:\s*)("(?:[^"\\]|\\.)*"|[0-9][0-9.]*)`), `${1}"` + removed + `"`},
	{regexp.MustCompile(`(?i)(\\"[^"\\]*(?:password|passwd|passphrase|secret|token|api_?key|private_?key|credential|(?:recovery|claim)_?code|mnemonic|seed)[^"\\]*\\"\s*:\s*\\")[^"\\]*`), "${1}" + removed},
	{regexp.MustCompile(`(?i)\b([a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|credential|(?:recovery|claim)[_-]?code|mnemonic)[a-z0-9_.-]*\s*[=:]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&"'}\]]+)`), "$1" + removed},
	// User and password in an address.
	{regexp.MustCompile(`([a-z][a-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@`), "$1" + removed + "@"},
}

// A private key spans lines.
var (
	keyBegins = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----`)
	keyEnds   = regexp.MustCompile(`-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----`)
)

// maxLine is how much of a line is looked at together; the rest is dropped rather than let through unseen.
const maxLine = 256 << 10

// Redactor passes text on without what looks secret. Close passes on what is left.
type Redactor struct {
	to    io.Writer
	line  []byte
	inKey bool
	cut   bool // the line at hand is longer than maxLine
}

// Redact makes a Redactor.
func Redact(to io.Writer) *Redactor { return &Redactor{to: to} }

// Write implements io.Writer.
func (r *Redactor) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		if room := maxLine - len(r.line); len(part) > room {
			part, r.cut = part[:room], true
		}
		r.line = append(r.line, part...)
		if end < 0 {
			break
		}
		p = p[end+1:]
		if err := r.flush("\n"); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// Close passes on a last line without an end.
func (r *Redactor) Close() error {
	if len(r.line) == 0 {
		return nil
	}
	return r.flush("")
}

func (r *Redactor) flush(end string) error {
	line := r.line
	if r.cut {
		line = append(line, " [cut off]"...)
	}
	line, r.line, r.cut = r.clean(line), r.line[:0], false
	_, err := r.to.Write(append(line, end...))
	return err
}

func (r *Redactor) clean(line []byte) []byte {
	if r.inKey {
		at := keyEnds.FindIndex(line)
		if at == nil {
			return nil
		}
		r.inKey = false
		line = line[at[1]:]
	}
	for {
		from := keyBegins.FindIndex(line)
		if from == nil {
			break
		}
		rest := line[from[1]:]
		head := append(bytes.Clone(line[:from[0]]), removed...)
		to := keyEnds.FindIndex(rest)
		if to == nil {
			r.inKey = true
			line = head
			break
		}
		line = append(head, rest[to[1]:]...)
	}
	for _, s := range secrets {
		line = s.shape.ReplaceAll(line, []byte(s.with))
	}
	return line
}
