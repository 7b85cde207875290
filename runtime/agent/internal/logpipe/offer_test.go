package logpipe_test

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/hearthos/hearth/api/abi/logseg"
	"github.com/hearthos/hearth/runtime/agent/internal/logpipe"
)

// An asker may say anything: the worst it gets is no answer.
func FuzzOffer(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"Source":"x"}`, `{"Source":"x","Stdout":1,"Stderr":18446744073709551615}`, `{"Source":1}`, "\x00"} {
		f.Add([]byte(seed))
	}
	sink := logpipe.New(&collector{})
	f.Cleanup(sink.Close)
	lis, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(f.TempDir(), "s"), Net: "unixpacket"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { lis.Close() })
	go logpipe.NewOffer(sink).Serve(lis)
	f.Fuzz(func(t *testing.T, ask []byte) {
		c, err := net.DialUnix("unixpacket", nil, lis.Addr().(*net.UnixAddr))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(ask); err != nil {
			return
		}
		buf, oob := make([]byte, 64), make([]byte, 64)
		n, oobn, _, _, _ := c.ReadMsgUnix(buf, oob)
		if string(buf[:n]) != "" && string(buf[:n]) != "00" || oobn > 0 {
			t.Fatalf("%q is answered %q, %d", ask, buf[:n], oobn)
		}
	})
}

// collector forgets what is printed.
type collector struct{}

func (*collector) Write(...logseg.Record) error { return nil }
