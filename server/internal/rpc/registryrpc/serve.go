package registryrpc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd"
	"github.com/hearthos/hearth/server/internal/registryd/blob"
	"github.com/hearthos/hearth/server/internal/registryd/v0"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/transfer"
	"github.com/hearthos/hearth/server/internal/store"
)

// Config says how a registry is run.
type Config struct {
	// Dir is the folder of everything it keeps, Listen the address, without TLS.
	Dir, Listen string
	// URL is where others reach it; http:// and the address it listens at when empty.
	URL string
	// Names are further host names by which requests are signed.
	Names []string
	// Admins are keys that belong to administrators.
	Admins []sign.PublicKey
	// Storage is where the files are, shared with replicas: a folder or a bucket (s3://…). Empty: in Dir, for this registry alone.
	Storage string
	// S3 says where the bucket is.
	S3 blob.S3Options
	// Replica has it show what another registry writes into the storage; TakeOver has it go on writing in the place of another.
	Replica, TakeOver bool
	// Local takes files also from addresses of the machine and of private networks.
	Local   bool
	Version string
	// Page serves the catalogue for people; nil: there is none.
	Page http.Handler
	// Started, where given, is told the address that is listened at.
	Started func(net.Addr)
}

// Serve serves the registry until ctx ends.
func Serve(ctx context.Context, cfg Config, log *slog.Logger) (err error) {
	opt := registryd.Options{Log: log, Clock: time.Now, Transport: fetch.Guarded(cfg.Local), Shared: cfg.Storage != "" && !cfg.Replica, TakeOver: cfg.TakeOver}
	if opt.Storage, err = storage(cfg); err != nil {
		return err
	}
	if !cfg.Replica {
		opt.Dir = filepath.Join(cfg.Dir, "files")
		if opt.Store, err = store.Open(filepath.Join(cfg.Dir, "store"), store.Options{Logger: log}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, opt.Store.Close()) }()
	}
	lis, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	defer lis.Close()
	if cfg.URL = strings.TrimSuffix(cfg.URL, "/"); cfg.URL == "" {
		cfg.URL = "http://" + lis.Addr().String()
	}
	opt.URL = cfg.URL
	service, err := registryd.New(ctx, opt)
	if err != nil {
		return err
	}
	for _, key := range cfg.Admins {
		if err := service.EnsureAdmin(ctx, "administrator", key); err != nil {
			return err
		}
	}
	hub, err := newHub(cfg, service, lis, log)
	if err != nil {
		return err
	}
	log.Info("registry listens", "address", lis.Addr().String(), "url", cfg.URL, "version", cfg.Version, "replica", cfg.Replica)
	if cfg.Started != nil {
		cfg.Started(lis.Addr())
	}
	return serveUntil(ctx, hub, service, lis)
}

// storage is where the files are; nil: in the registry's own folder.
func storage(cfg Config) (blob.Storage, error) {
	switch {
	case blob.IsS3(cfg.Storage):
		o := cfg.S3
		o.Place = cfg.Storage
		return blob.NewS3(o)
	case cfg.Storage != "" && cfg.Replica:
		return blob.NewFolder(cfg.Storage)
	case cfg.Storage != "":
		return blob.NewFolder(cfg.Storage, registryd.Folders()...)
	case cfg.Replica:
		return nil, errors.New("a replica needs the storage of the registry that writes: --storage")
	}
	return nil, nil
}

// serveUntil serves until ctx ends, and then ends what is under way.
func serveUntil(ctx context.Context, hub *rpc.Hub, service *registryd.Service, lis net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	counted, served := make(chan error, 1), make(chan error, 1)
	go func() { counted <- service.Run(ctx) }()
	go func() { served <- hub.ServePlain(lis) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(hub.Shutdown(patience), <-served)
	}
	stop()
	return errors.Join(err, <-counted)
}

// newHub makes the wires of a registry: its own services, and protocol v0.
func newHub(cfg Config, service *registryd.Service, lis net.Listener, log *slog.Logger) (*rpc.Hub, error) {
	names := hostnames(cfg, lis)
	hub, err := rpc.New(rpc.Config{
		Logger: log, Authenticator: NewKeys(service), Revision: service.Revision, AnyOrigin: true, Page: cfg.Page,
		Ours:     func(host string) bool { return slices.Contains(names, host) },
		Transfer: transfer.New(uploads{service.Files()}, log),
		Apart: map[string]http.Handler{
			"/rpc/": v0.New(service, names, time.Now, log), "/files/": service.Files(), "/icons/": service.Files(),
		},
	})
	if err != nil {
		return nil, err
	}
	registryv1.RegisterCatalogServiceServer(hub, NewCatalog(service))
	registryv1.RegisterPublisherServiceServer(hub, NewPublisher(service))
	registryv1.RegisterRegistryAdminServiceServer(hub, NewAdmin(service))
	hub.REST(
		rpc.NewGateway(registryv1.RegisterCatalogServiceHandlerClient, registryv1.NewCatalogServiceClient),
		rpc.NewGateway(registryv1.RegisterPublisherServiceHandlerClient, registryv1.NewPublisherServiceClient),
		rpc.NewGateway(registryv1.RegisterRegistryAdminServiceHandlerClient, registryv1.NewRegistryAdminServiceClient),
	)
	return hub, hub.Build()
}

// hostnames are the names that requests may be signed for: those given, that of the URL, and the address itself.
func hostnames(cfg Config, lis net.Listener) []string {
	names := slices.Clone(cfg.Names)
	if _, rest, ok := strings.Cut(cfg.URL, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		names = append(names, strings.ToLower(host))
	}
	if host, _, err := net.SplitHostPort(lis.Addr().String()); err == nil {
		names = append(names, host)
	}
	return append(names, "localhost")
}

// uploads opens uploads for the transfer routes.
type uploads struct{ files *registryd.Files }

func (u uploads) Open(ticket string) (transfer.Upload, error) { return u.files.OpenUpload(ticket) }
