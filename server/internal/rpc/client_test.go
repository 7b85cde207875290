package rpc_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/transfer"
)

// files keeps one upload in a file.
type files struct {
	path string
	size int64
	once sync.Once
}

type file struct {
	*os.File
	files *files
}

func (f *files) Open(ticket string) (transfer.Upload, error) {
	if ticket != "ticket" {
		return nil, fault.New(metav1.Reason_REASON_TRANSFER_NOT_FOUND, "there is no such transfer")
	}
	h, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	return &file{h, f}, err
}

func (f *file) Drop() error { return os.Remove(f.Name()) }

func (f *file) Size() int64 { return f.files.size }

func (f *file) Received() (int64, error) {
	info, err := f.Stat()
	return info.Size(), err
}

// Append breaks the first time in the middle.
func (f *file) Append(r io.Reader) (int64, error) {
	first := false
	f.files.once.Do(func() { first = true })
	if first {
		n, err := io.CopyN(f.File, r, f.files.size/2)
		return n, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return io.Copy(f.File, r)
}

type uploading struct{ packages }

func (uploading) CreateUpload(context.Context, *packagesv1.CreateUploadRequest) (*packagesv1.CreateUploadResponse, error) {
	return &packagesv1.CreateUploadResponse{Ticket: "ticket", Path: transfer.Prefix + "ticket"}, nil
}

// The client library against the real wires: calls, streams, and an upload that breaks in the middle.
func TestClientLibrary(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	for _, target := range []string{"unix", "web"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			kept := &files{path: filepath.Join(t.TempDir(), "upload"), size: size}
			s := newServer(t, func(c *rpc.Config) { c.Transfer = transfer.New(kept, discard()) })
			cert, _ := certificate(t)
			root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
			address := map[string]string{"unix": "unix:" + s.unix, "web": "https://" + s.web}[target]
			c := must(hearth.Dial(t.Context(), address, hearth.Options{Token: "admin", RootPEM: root}))(t)
			defer c.Close()

			if resp, err := c.Packages.ListPackages(t.Context(), &packagesv1.ListPackagesRequest{}); err != nil || len(resp.GetPackages()) != 1 {
				t.Errorf("list: %v, %v", resp, err)
			}
			_, err := c.Packages.GetPackage(t.Context(), &packagesv1.GetPackageRequest{Id: "none"})
			if !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
				t.Errorf("get: %v", err)
			}
			var lines []string
			err = c.ReadLogs(t.Context(), &logsv1.ReadLogsRequest{PackageId: "p"}, func(e *logsv1.LogEntry) error {
				lines = append(lines, e.GetMessage())
				return nil
			})
			if err != nil || len(lines) != 3 {
				t.Errorf("logs: %q, %v", lines, err)
			}
			err = c.Watch(t.Context(), []*statev1.Target{{Id: "a"}}, func(u *statev1.Update) (bool, error) { return u.GetRevision() == 7, nil })
			if err != nil {
				t.Errorf("watch: %v", err)
			}
			content := make([]byte, size)
			rand.Read(content)
			ticket, err := c.Upload(t.Context(), bytes.NewReader(content), size, nil)
			if got, rerr := os.ReadFile(kept.path); err != nil || rerr != nil || ticket != "ticket" || !bytes.Equal(got, content) {
				t.Errorf("upload: %q, %d bytes arrived, %v, %v", ticket, len(got), err, rerr)
			}
		})
	}
}

func TestDeadlinesAreFaults(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, conn := range map[string]statev1.StateServiceClient{
		"native": statev1.NewStateServiceClient(dialUnix(t, s.unix)), "web": statev1.NewStateServiceClient(s.dialTLS(t, s.web)),
	} {
		ctx, cancel := context.WithTimeout(bearer(t.Context(), "viewer"), 50*time.Millisecond)
		stream, err := conn.Watch(ctx, watchRequest())
		for err == nil {
			_, err = stream.Recv()
		}
		if !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_DEADLINE_EXCEEDED) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

func TestOneLineForEachCall(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	calls := []wire{}
	for _, w := range wires() {
		if _, err := w.call(t, s, "operator", methodOf("StartPackage"), &packagesv1.StartPackageRequest{Id: "hello"}, &packagesv1.StartPackageResponse{}); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, w)
	}
	if got := bytes.Count([]byte(s.log.String()), []byte(`"msg":"call"`)); got != len(calls) {
		t.Errorf("%d lines for %d calls:\n%s", got, len(calls), s.log)
	}
	for _, want := range []string{`"wire":"grpc"`, `"wire":"connect"`, `"wire":"grpcweb"`, `"wire":"rest"`, `"wire":"jsonrpc"`, `"caller":"token-operator"`, `"outcome":"ok"`} {
		if !bytes.Contains([]byte(s.log.String()), []byte(want)) {
			t.Errorf("no %s in the log", want)
		}
	}
}
