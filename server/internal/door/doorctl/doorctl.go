// Package doorctl is how the daemon finds, starts and asks the front door.
//
// It is deliberately no supervisor: the door's own parent keeps it alive, and a door that runs is used as it is, also
// when it is older; the caller compares versions and asks for a replacement.
package doorctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hearthos/hearth/api/fault"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

const (
	// Contract is the number of hearth.door.v1 this client speaks.
	Contract = 1
	// answerWithin is how long a door that was just started, or whose worker is just starting, may take to answer.
	answerWithin = 20 * time.Second
	// lookAgain is how long a door may be silent before it is looked whether somebody holds its socket; startAgain is how long
	// one that was started may take to hold it.
	lookAgain, startAgain = 100 * time.Millisecond, time.Second
	// maxTable is what a door takes, with room for the envelope.
	maxTable = 17 << 20
)

// ErrContract says that the door speaks a contract this program does not know.
var ErrContract = errors.New("door speaks another contract")

// Options say where the door is and how it is started.
type Options struct {
	// RunDir is the instance's folder below /run; the door keeps its lock and its table there.
	RunDir string
	// Socket is where the door answers; RunDir/door.sock when empty.
	Socket string
	// Program is hearth-door; empty for a door that is never started from here.
	Program string
	// UID is what the serving process becomes; needed when the caller is root.
	UID int
	// LogPath is the file the door appends its log to: it outlives whatever the caller's own log goes to.
	LogPath string
}

// Path is where the door answers.
func (o Options) Path() string {
	if o.Socket == "" {
		return filepath.Join(o.RunDir, "door.sock")
	}
	return o.Socket
}

// Stale tells whether the program on disk is another one than the one that serves.
func (o Options) Stale(status *doorv1.GetStatusResponse) bool {
	disk := ""
	if o.Program != "" {
		disk = Identity(o.Program)
	}
	return disk != "" && disk != status.GetProgram()
}

// Identity tells files apart, and a file from what it is after it was written anew; "" for one that is not there.
func Identity(path string) string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d:%d.%d", st.Dev, st.Ino, st.Mtim.Sec, st.Mtim.Nsec)
}

// Door is a connection to the front door. It survives the door's restarts and is safe for concurrent use.
type Door struct {
	conn   *grpc.ClientConn
	client doorv1.DoorServiceClient
}

// Ensure finds the door, or starts it, and returns when it answers. Whatever process the door starts from then on is of Program. The door goes on when the caller ends; one that was
// started here and does not come to answer is ended.
func Ensure(ctx context.Context, o Options) (*Door, *doorv1.GetStatusResponse, error) {
	d, err := Dial(o.Path())
	if err != nil {
		return nil, nil, err
	}
	status, started, err := d.revive(ctx, o)
	if err == nil && status.GetContract() != Contract {
		err = fmt.Errorf("cannot use the door %s: %w: %d", status.GetVersion(), ErrContract, status.GetContract())
	}
	if err != nil {
		d.Close()
		for _, p := range started {
			_ = p.Signal(syscall.SIGTERM) // it may have ended
		}
		return nil, nil, err
	}
	return d, status, nil
}

// Lost returns true when the connection to the door has broken, and false when ctx ends.
func (d *Door) Lost(ctx context.Context) bool {
	for d.conn.GetState() == connectivity.Ready {
		if !d.conn.WaitForStateChange(ctx, connectivity.Ready) {
			return false
		}
	}
	return true
}

// Revive asks the door for its status, and starts it where no parent holds its socket any more. It looks again while it
// waits: a door that is just dying holds its socket a moment longer.
func (d *Door) Revive(ctx context.Context, o Options) (status *doorv1.GetStatusResponse, started bool, err error) {
	status, processes, err := d.revive(ctx, o)
	return status, len(processes) > 0, err
}

func (d *Door) revive(ctx context.Context, o Options) (status *doorv1.GetStatusResponse, started []*os.Process, err error) {
	if o.Program != "" {
		if err := o.name(); err != nil {
			return nil, nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var last time.Time
	for {
		if o.Program != "" && time.Since(last) > startAgain && !held(o.Path()) {
			p, err := start(o)
			if err != nil {
				return nil, started, err
			}
			started, last = append(started, p), time.Now()
		}
		asked, cancel := context.WithTimeout(ctx, lookAgain)
		status, err = d.Status(asked)
		cancel()
		if err == nil || asked.Err() == nil || ctx.Err() != nil {
			return status, started, err
		}
	}
}

// held tells whether a parent holds the socket, be its worker alive or just starting.
func held(socket string) bool {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return errors.Is(err, syscall.EAGAIN) // its queue is full
	}
	c.Close()
	return true
}

// start starts a door in a session of its own. One that finds another running ends by itself, so a race is harmless.
func start(o Options) (*os.Process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	log, err := os.OpenFile(o.LogPath, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o640)
	if err != nil {
		return nil, fmt.Errorf("cannot open the log of the door: %w", err)
	}
	defer log.Close()
	args := []string{filepath.Base(o.Program), "--run-dir", o.RunDir, "--socket", o.Path()}
	if os.Geteuid() == 0 {
		args = append(args, "--uid", strconv.Itoa(o.UID))
	}
	p, err := os.StartProcess(o.Program, args, &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}, Files: []*os.File{null, log, log},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot start the door: %w", err)
	}
	go func() { _, _ = p.Wait() }() // so that one that ends before us leaves no zombie
	return p, nil
}

// Dial makes a connection without waiting for an answer.
func Dial(socket string) (*Door, error) {
	conn, err := grpc.NewClient("unix:"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("door"),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true), grpc.MaxCallSendMsgSize(maxTable)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: time.Second}, MinConnectTimeout: time.Second,
		}))
	if err != nil {
		return nil, fmt.Errorf("cannot reach the door: %w", err)
	}
	return &Door{conn, doorv1.NewDoorServiceClient(conn)}, nil
}

// Close gives the connection back; the door goes on.
func (d *Door) Close() { _ = d.conn.Close() }

// Status asks who answers and what is in force, waiting for a door that is just starting until ctx ends.
func (d *Door) Status(ctx context.Context) (*doorv1.GetStatusResponse, error) {
	return retry(ctx, func() (*doorv1.GetStatusResponse, error) { return d.client.GetStatus(ctx, &doorv1.GetStatusRequest{}) })
}

// Apply puts a table in force. A door that dies or is replaced meanwhile is asked again until ctx ends: a table is
// idempotent.
func (d *Door) Apply(ctx context.Context, t *doorv1.Table) (*doorv1.ApplyResponse, error) {
	return retry(ctx, func() (*doorv1.ApplyResponse, error) { return d.client.Apply(ctx, &doorv1.ApplyRequest{Table: t}) })
}

// Check asks whether a table can be used. A door that is older than the question answers a fault REASON_METHOD_NOT_FOUND.
func (d *Door) Check(ctx context.Context, t *doorv1.Table) error {
	_, err := retry(ctx, func() (*doorv1.CheckResponse, error) { return d.client.Check(ctx, &doorv1.CheckRequest{Table: t}) })
	return err
}

// Reopen has services reach again what they were told of names, after the firewall was made anew. A door that is older than the question answers a
// fault.
func (d *Door) Reopen(ctx context.Context) error {
	_, err := retry(ctx, func() (*doorv1.ReopenResponse, error) { return d.client.Reopen(ctx, &doorv1.ReopenRequest{}) })
	return err
}

// Replace has the door's serving process replaced by the program that is on disk now, which is the one that
// Ensure was told last.
func (d *Door) Replace(ctx context.Context) error {
	if _, err := d.client.Replace(ctx, &doorv1.ReplaceRequest{}); err != nil {
		return fault.FromStatus(err)
	}
	return nil
}

// retryPause is between two questions to a door that is being replaced.
const retryPause = 50 * time.Millisecond

func retry[T any](ctx context.Context, call func() (T, error)) (T, error) {
	for {
		got, err := call()
		if err == nil {
			return got, nil
		}
		err = fault.FromStatus(err)
		if !fault.Is(err, metav1.Reason_REASON_UNAVAILABLE) {
			return got, err
		}
		select {
		case <-ctx.Done():
			return got, err
		case <-time.After(retryPause):
		}
	}
}
