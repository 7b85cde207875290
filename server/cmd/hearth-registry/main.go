// Command hearth-registry is a registry of packages: publishers list signed files in it, servers of Hearth and of StartOS find
// and fetch them.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/clients/web"
	"github.com/hearthos/hearth/server/internal/journal"
	"github.com/hearthos/hearth/server/internal/rpc/page"
	"github.com/hearthos/hearth/server/internal/rpc/registryrpc"
)

// Version is set when the program is built.
var Version = "development"

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(value string) error { *l = append(*l, value); return nil }

func main() {
	var cfg registryrpc.Config
	var names, admins list
	level := cmp.Or(os.Getenv("HEARTH_LOG"), "info")
	flag.StringVar(&cfg.Dir, "dir", "", "folder of everything the registry keeps")
	flag.StringVar(&cfg.Listen, "listen", "127.0.0.1:5959", "address to listen at, without TLS: put a web server with TLS in front")
	flag.StringVar(&cfg.URL, "url", "", "where others reach the registry, as in https://registry.example.org; http:// and the address it listens at when not given")
	flag.Var(&names, "hostname", "further host name by which requests to the registry are signed; may be given several times")
	flag.Var(&admins, "admin", "file with the public key, or the key file, of an administrator; may be given several times")
	flag.StringVar(&cfg.Storage, "storage", "", "where the files are and what replicas follow: a folder, or s3://BUCKET/PREFIX; in --dir when not given")
	flag.StringVar(&cfg.S3.Endpoint, "s3-endpoint", "", "address of the S3 storage, as in https://s3.example.org")
	flag.StringVar(&cfg.S3.Region, "s3-region", "us-east-1", "region of the bucket")
	flag.StringVar(&cfg.S3.Credentials, "s3-credentials", "", "file with aws_access_key_id and aws_secret_access_key in [default], which nobody else may read")
	flag.BoolVar(&cfg.Replica, "replica", false, "show what another registry writes into --storage, and take no changes; needs no --dir")
	flag.BoolVar(&cfg.TakeOver, "take-over", false, "write into --storage in the place of another registry, from what that one has written")
	flag.BoolVar(&cfg.Local, "local", false, "take files also from addresses of this machine and of private networks")
	flag.StringVar(&level, "log", level, "least level of what is logged: debug, info, warn, error; $HEARTH_LOG")
	version := flag.Bool("version", false, "print the version and end")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, "Usage of hearth-registry:\n  hearth-registry --dir DIR [--listen ADDR] [--admin KEY]\n  hearth-registry --replica --storage PLACE [--listen ADDR]\n\nThe first administrator is named with --admin; 'hearth keys show' tells one's own public key.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *version {
		fmt.Println(Version)
		return
	}
	log, err := journal.New(os.Stderr, level, journal.Text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	cfg.Names, cfg.Version = names, Version
	for _, path := range admins {
		key, err := sign.LoadPublicKey(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		cfg.Admins = append(cfg.Admins, key)
	}
	if err := check(cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if cfg.Page, err = page.NewCatalogue(web.Bundle()); err != nil {
		log.Error("cannot read the catalogue page", "error", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := registryrpc.Serve(ctx, cfg, log); err != nil {
		log.Error("hearth-registry ends", "error", err)
		os.Exit(1)
	}
}

// check refuses what does not go together.
func check(cfg registryrpc.Config) error {
	switch {
	case flag.NArg() > 0:
		return errors.New("hearth-registry takes no arguments; see hearth-registry --help")
	case cfg.Replica && (cfg.Storage == "" || cfg.TakeOver || len(cfg.Admins) > 0 || cfg.Dir != ""):
		return errors.New("a replica has --storage, and neither --dir nor --admin nor --take-over: all of that is the business of the registry that writes")
	case !cfg.Replica && cfg.Dir == "":
		return errors.New("hearth-registry needs --dir; see hearth-registry --help")
	case cfg.TakeOver && cfg.Storage == "":
		return errors.New("what is to be taken over lies in --storage")
	}
	return nil
}
