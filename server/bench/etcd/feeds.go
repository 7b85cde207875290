package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/metadata"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"github.com/hearthos/hearth/clients/go"
)

// perConnection is how many streams a connection carries; Hearth allows 250.
const perConnection = 200

// connections is how many are needed so that each watcher has a stream.
func connections(watchers int, shared bool) int {
	if shared {
		return 1
	}
	return (watchers + perConnection - 1) / perConnection
}

// key is what is written and watched.
const key = "bench"

// hearthFeed is a Hearth daemon: puts are UpdatePreferences, with all that a call takes, watches are of preferences.
type hearthFeed struct{ socket string }

func (f *hearthFeed) name() string { return "hearth" }

// pid is that of whoever listens.
func (f *hearthFeed) pid() (int, error) {
	conn, err := net.Dial("unix", f.socket)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, failed
	}
	return int(peer.Pid), nil
}

func (f *hearthFeed) open(ctx context.Context) (client, error) {
	c, err := hearth.Dial(ctx, "unix:"+f.socket, hearth.Options{})
	return &hearthClient{socket: f.socket, conns: []*hearth.Client{c}}, err
}

type hearthClient struct {
	socket string
	conns  []*hearth.Client
}

func (c *hearthClient) put(ctx context.Context, value string) error {
	_, err := c.conns[0].Preferences.UpdatePreferences(ctx, &accountsv1.UpdatePreferencesRequest{Set: map[string]string{key: value}})
	return err
}

func (c *hearthClient) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

func (c *hearthClient) watch(ctx context.Context, watchers int, shared bool, told func(int, string)) error {
	targets := make([]*statev1.Target, watchers)
	place := make(map[string]int, watchers)
	for i := range targets {
		// No two select alike, or they would be one to the server.
		targets[i] = &statev1.Target{Id: fmt.Sprint(i), Selectors: []*statev1.Selector{{Kind: "preferences"}, {Kind: "package", Id: fmt.Sprint("p", i)}}}
		place[targets[i].GetId()] = i
	}
	each := 1
	if shared {
		each = watchers
	}
	for range connections(watchers, shared) {
		conn, err := hearth.Dial(ctx, "unix:"+c.socket, hearth.Options{})
		if err != nil {
			return err
		}
		c.conns = append(c.conns, conn)
	}
	var begun sync.WaitGroup
	for first := 0; first < watchers; first += each {
		conn := c.conns[1+first/each/perConnection]
		stream, err := conn.State.Watch(ctx, &statev1.WatchRequest{Targets: targets[first : first+each]})
		if err != nil {
			return err
		}
		begun.Add(each)
		go func() {
			for {
				resp, err := stream.Recv()
				if err != nil {
					return // the measurement is over, or counts what is missing
				}
				for _, u := range resp.GetUpdates() {
					if u.GetPhase() == statev1.Update_PHASE_SNAPSHOT {
						if u.GetBookmark() != "" {
							begun.Add(-len(u.GetTargets()))
						}
						continue
					}
					for _, target := range u.GetTargets() {
						for _, ch := range u.GetChanges() {
							told(place[target], ch.GetResource().GetPreferences().GetSpec().GetValues()[key])
						}
					}
				}
			}
		}()
	}
	begun.Wait()
	return nil
}

// etcd is a server of its own in a folder of its own.
type etcd struct {
	version, dir string
	cmd          *exec.Cmd
}

// socket is how etcd wants a unix socket: a name like a host's, relative to its folder.
const socket = "unix://etcd:0"

func startEtcd(ctx context.Context, command []string) (*etcd, error) {
	dir, err := os.MkdirTemp("", "etcd")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	args := append(command[1:], "--data-dir", "data", "--listen-client-urls", socket, "--advertise-client-urls", socket,
		"--listen-peer-urls", "unix://peer:0", "--initial-advertise-peer-urls", "http://peer:0", "--initial-cluster", "default=http://peer:0",
		"--quota-backend-bytes", fmt.Sprint(8<<30), "--log-level", "error")
	e := &etcd{dir: dir, cmd: exec.Command(command[0], args...)}
	e.cmd.Dir, e.cmd.Stderr, e.cmd.Stdout = dir, log, log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	c, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	status, err := c.(*etcdClient).conns[0].Status(ctx, "unix:"+filepath.Join(dir, strings.TrimPrefix(socket, "unix://")))
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("cannot start %s: %w\n%s", command[0], err, said)
	}
	e.version = status.Version
	return e, nil
}

func (e *etcd) stop() {
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait()
	_ = os.RemoveAll(e.dir)
}

func (e *etcd) name() string { return "etcd " + e.version }

func (e *etcd) pid() (int, error) { return e.cmd.Process.Pid, nil }

func (e *etcd) open(context.Context) (client, error) {
	c := &etcdClient{address: "unix:" + filepath.Join(e.dir, strings.TrimPrefix(socket, "unix://"))}
	return c, c.dial()
}

type etcdClient struct {
	address string
	conns   []*clientv3.Client
}

func (c *etcdClient) dial() error {
	conn, err := clientv3.New(clientv3.Config{Endpoints: []string{c.address}, Logger: zap.NewNop()})
	c.conns = append(c.conns, conn)
	return err
}

func (c *etcdClient) put(ctx context.Context, value string) error {
	_, err := c.conns[0].Put(ctx, key, value)
	return err
}

func (c *etcdClient) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

func (c *etcdClient) watch(ctx context.Context, watchers int, shared bool, told func(int, string)) error {
	for range connections(watchers, shared) {
		if err := c.dial(); err != nil {
			return err
		}
	}
	for i := range watchers {
		conn, ctx := c.conns[1], ctx
		if !shared {
			// The client has a stream for each set of metadata.
			conn, ctx = c.conns[1+i/perConnection], metadata.AppendToOutgoingContext(ctx, "watcher", fmt.Sprint(i))
		}
		events := conn.Watch(ctx, key, clientv3.WithCreatedNotify())
		if first, ok := <-events; !ok || !first.Created {
			return fmt.Errorf("watcher %d did not begin: %w", i, first.Err())
		}
		go func() {
			for resp := range events {
				for _, ev := range resp.Events {
					told(i, string(ev.Kv.Value))
				}
			}
		}()
	}
	return nil
}
