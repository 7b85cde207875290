package store

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// badgerLogger gives Badger's messages to slog; what it calls information is of no interest in a running server.
type badgerLogger struct{ log *slog.Logger }

var _ badger.Logger = badgerLogger{}

func (l badgerLogger) Errorf(f string, a ...any)   { l.log.Error("store database", "text", line(f, a)) }
func (l badgerLogger) Warningf(f string, a ...any) { l.log.Warn("store database", "text", line(f, a)) }
func (l badgerLogger) Infof(f string, a ...any)    { l.log.Debug("store database", "text", line(f, a)) }
func (l badgerLogger) Debugf(string, ...any)       {}

func line(format string, args []any) string { return strings.TrimSpace(fmt.Sprintf(format, args...)) }
