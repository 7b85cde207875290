package servertest

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/rpc/registryrpc"
)

// Registry runs a registry with its state in a folder of the test, to its end. It answers the registry's address and the
// file with the key of its administrator. change may change how it is run.
func Registry(t testing.TB, change ...func(cfg *registryrpc.Config)) (url, keyFile string) {
	t.Helper()
	key := sign.FromSeed([32]byte{9})
	keyFile = filepath.Join(t.TempDir(), "registry.key.pem")
	if err := key.Save(keyFile); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	at, ended := make(chan net.Addr, 1), make(chan error, 1)
	cfg := registryrpc.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Admins: []sign.PublicKey{key.Public()}, Local: true, Started: func(a net.Addr) { at <- a }}
	for _, fn := range change {
		fn(&cfg)
	}
	go func() { ended <- registryrpc.Serve(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the registry ends with %v", err)
		}
	})
	select {
	case a := <-at:
		return "http://" + a.String(), keyFile
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return "", ""
}
