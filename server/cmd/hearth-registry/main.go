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
	flag.BoolVar(&cfg.Local, "local", false, "take files also from addresses of this machine and of private networks")
	flag.StringVar(&level, "log", level, "least level of what is logged: debug, info, warn, error; $HEARTH_LOG")
	version := flag.Bool("version", false, "print the version and end")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, "Usage of hearth-registry:\n  hearth-registry --dir DIR [--listen ADDR] [--admin KEY]\n\nThe first administrator is named with --admin; 'hearth keys show' tells one's own public key.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *version {
		fmt.Println(Version)
		return
	}
	log, err := journal.New(os.Stderr, level, journal.Text)
	if err == nil && (cfg.Dir == "" || flag.NArg() > 0) {
		err = errors.New("hearth-registry takes no arguments and needs --dir; see hearth-registry --help")
	}
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
