package main

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// once calls fn at the first write that holds a text.
type once struct {
	bytes.Buffer
	text string
	fn   func()
}

func (o *once) Write(p []byte) (int, error) {
	n, err := o.Buffer.Write(p)
	if o.fn != nil && strings.Contains(o.String(), o.text) {
		o.fn()
		o.fn = nil
	}
	return n, err
}

// Ctrl-C while something goes on ends the wait, says how to go on, and is no failure of what goes on.
func TestInterruptedWait(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	stop, err := serve(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, args := range [][]string{{"package", "uninstall", "slow", "--yes"}, {"operations", "watch", slowOperation}} {
		ctx, interrupt := context.WithCancel(t.Context())
		said := &once{text: "clean up", fn: interrupt}
		code := run(ctx, append(args, "--host", "unix:"+socket), Streams{In: strings.NewReader(""), Out: io.Discard, Err: said})
		want := "interrupted; the server goes on. To follow: 'hearth operations watch " + slowOperation + "'. To undo it: 'hearth operations cancel " + slowOperation + "'"
		if code != exitCancelled || !strings.Contains(said.String(), want) {
			t.Errorf("%q ends with %d and says\n%s", args, code, said)
		}
	}
}

// What ends by itself because of Ctrl-C, such as a watch, says nothing.
func TestInterruptedWatchIsSilent(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	stop, err := serve(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	ctx, interrupt := context.WithCancel(t.Context())
	var said bytes.Buffer
	code := run(ctx, []string{"watch", "operation", "--id", slowOperation, "--host", "unix:" + socket}, Streams{Out: &once{text: "running", fn: interrupt}, Err: &said})
	if code != exitCancelled || said.Len() > 0 {
		t.Errorf("ends with %d and says %q", code, &said)
	}
}
