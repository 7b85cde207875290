package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/spf13/cobra"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
)

// connection is which server a command speaks with, and what it shows it.
type connection struct {
	host    string
	from    string // what named the host
	options hearth.Options
}

// connection finds the server: --host, --profile, $HEARTH_HOST, $HEARTH_PROFILE, the project file, the profile in use, the
// socket on this machine. A token or root certificate that the person gives counts everywhere; one of a profile opens its host alone.
func (a *app) connection() (connection, error) {
	c, err := loadConfig()
	if err != nil {
		return connection{}, err
	}
	p, from, err := a.pick(c)
	if err != nil {
		return connection{}, err
	}
	to := connection{host: p.Host, from: from, options: hearth.Options{Token: p.Token, RootPEM: []byte(p.CA)}}
	if token := a.saidToken(); token != "" {
		to.options.Token = token
	}
	if a.signWith != "" {
		key, err := a.loadKey(a.signWith)
		if err != nil {
			return connection{}, err
		}
		to.options.Key = &key
	}
	ca, err := a.saidCA()
	if err != nil {
		return connection{}, err
	}
	if len(ca) > 0 {
		to.options.RootPEM = ca
	}
	return to, nil
}

// pick chooses the server.
func (a *app) pick(c *config) (p profile, from string, err error) {
	switch {
	case a.host != "":
		return a.named(c, a.host, "--host")
	case a.profile != "":
		p, err := c.find(a.profile)
		return p, "--profile", err
	case os.Getenv("HEARTH_HOST") != "":
		return a.named(c, os.Getenv("HEARTH_HOST"), "$HEARTH_HOST")
	case os.Getenv("HEARTH_PROFILE") != "":
		p, err := c.find(os.Getenv("HEARTH_PROFILE"))
		return p, "$HEARTH_PROFILE", err
	}
	if address, from, err := a.projectHost(""); err != nil || address != "" {
		if err != nil {
			return p, from, err
		}
		p, err = c.knownHost(address, from)
		return p, from, err
	}
	switch {
	case c.Current != "":
		p, err := c.find(c.Current)
		return p, "profile " + c.Current, err
	}
	return profile{Host: localSocket()}, "this machine", nil // as its own user, whoever logged in there
}

// named is the server that a person named: by its address, or by its name in the project file.
func (a *app) named(c *config, host, from string) (profile, string, error) {
	address, file, err := a.projectHost(host)
	if err != nil {
		return profile{}, from, err
	}
	if address == "" {
		return c.of(host), from, nil
	}
	p, err := c.knownHost(address, file)
	return p, from, err
}

// saidHost is the host the person named, by flag or variable.
func (a *app) saidHost() string { return cmp.Or(a.host, os.Getenv("HEARTH_HOST")) }

// saidToken is the token the person gave.
func (a *app) saidToken() string { return cmp.Or(a.token, os.Getenv("HEARTH_TOKEN")) }

// saidCA is the root certificate the person named, nil without one.
func (a *app) saidCA() ([]byte, error) {
	path := cmp.Or(a.ca, os.Getenv("HEARTH_CA"))
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, unable("failed.root-read", err)
	}
	return pem, nil
}

// checkProfile refuses a profile with which no server can be reached: a wrong address, a certificate that is none.
func checkProfile(p profile) error {
	c, err := hearth.Dial(context.Background(), p.Host, hearth.Options{RootPEM: []byte(p.CA)}) // dials nothing yet
	if err != nil {
		return usageError{err}
	}
	return c.Close()
}

// localSocket is the socket of the server on this machine: the one of the state folder given, else the system's.
func localSocket() string {
	if dir := os.Getenv("HEARTH_STATE"); dir != "" {
		if path, err := os.Readlink(filepath.Join(dir, "hearthd.sock")); err == nil {
			return "unix:" + path
		}
	}
	return hearth.DefaultTarget
}

// with runs fn with a connection.
func (a *app) with(cmd *cobra.Command, fn func(ctx context.Context, c *hearth.Client) error) error {
	to, err := a.connection()
	if err != nil {
		return err
	}
	c, err := hearth.Dial(cmd.Context(), to.host, to.options)
	if err != nil {
		return usageError{err}
	}
	defer c.Close()
	return socketOf(to, identityOf(cmd.Context(), to, fn(cmd.Context(), c)))
}

// notHere is an error because of the socket on this machine: nobody listens there, or the person may not call.
type notHere struct {
	error
	denied bool
}

func (e notHere) Unwrap() error { return e.error }

// socketOf finds out why a server on this machine could not be reached: waiting helps against neither reason.
func socketOf(to connection, err error) error {
	path, local := strings.CutPrefix(to.host, "unix:")
	if err == nil || !local || !fault.Is(err, metav1.Reason_REASON_UNAVAILABLE) {
		return err
	}
	conn, refused := net.DialTimeout("unix", path, time.Second)
	switch {
	case refused == nil:
		conn.Close()
	case errors.Is(refused, fs.ErrPermission):
		return notHere{err, true}
	default:
		return notHere{err, false}
	}
	return err
}
