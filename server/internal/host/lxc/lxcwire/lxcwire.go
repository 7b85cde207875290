// Package lxcwire is what the server and its helper hearth-lxc say to each other: one request on the helper's standard
// input, one reply on its standard output, both JSON. It holds no policy: the server decides every configuration item,
// the helper only hands them to liblxc.
package lxcwire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxRequest bounds a request in bytes; a container with a thousand mounts needs a fifth of it.
const MaxRequest = 1 << 20

// Item is one configuration item of liblxc.
type Item struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Request asks for one container to be started.
type Request struct {
	Name string `json:"name"`
	// Path is liblxc's folder for run-time state; together with Name it identifies the container to liblxc.
	Path    string `json:"path"`
	LogFile string `json:"log_file"`
	// Cgroup is a cgroup.procs file; the helper enters that cgroup first, so that it and all it forks can be found.
	Cgroup string `json:"cgroup"`
	Items  []Item `json:"items"`
	// Argv is the container's init, with its arguments.
	Argv []string `json:"argv"`
}

// Reply tells how it went. InitPID is zero exactly when Error is set.
type Reply struct {
	InitPID int    `json:"init_pid,omitempty"`
	Error   string `json:"error,omitempty"`
	// Log holds the last lines of liblxc's log that tell of trouble.
	Log []string `json:"log,omitempty"`
}

// Read decodes and checks a request.
func Read(r io.Reader) (Request, error) {
	var q Request
	if err := decode(r, &q); err != nil {
		return Request{}, fmt.Errorf("cannot read request: %w", err)
	}
	return q, q.Check()
}

// ReadReply decodes a reply.
func ReadReply(r io.Reader) (Reply, error) {
	var p Reply
	if err := decode(r, &p); err != nil {
		return Reply{}, fmt.Errorf("cannot read reply: %w", err)
	}
	if (p.InitPID > 0) == (p.Error != "") {
		return Reply{}, errors.New("cannot read reply: it tells neither success nor failure")
	}
	return p, nil
}

func decode(r io.Reader, into any) error {
	limited := &io.LimitedReader{R: r, N: MaxRequest + 1}
	d := json.NewDecoder(limited)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if limited.N <= 0 {
		return fmt.Errorf("more than %d bytes", MaxRequest)
	}
	if err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows")
	}
	return nil
}

// Check refuses what liblxc would misread: its items are lines of text.
func (q Request) Check() error {
	switch {
	case q.Name == "" || strings.ContainsAny(q.Name, "/\x00\n") || strings.HasPrefix(q.Name, "."):
		return fmt.Errorf("cannot use %q as container name", q.Name)
	case !strings.HasPrefix(q.Path, "/") || !strings.HasPrefix(q.LogFile, "/") || !strings.HasPrefix(q.Cgroup, "/"):
		return errors.New("cannot use relative paths")
	case len(q.Argv) == 0:
		return errors.New("cannot start a container without init")
	}
	for _, a := range q.Argv {
		if strings.ContainsRune(a, 0) {
			return errors.New("cannot pass an argument with a zero byte")
		}
	}
	for _, i := range q.Items {
		if !strings.HasPrefix(i.Key, "lxc.") || strings.ContainsAny(i.Key, " =\x00\n") || strings.ContainsAny(i.Value, "\x00\n\r") {
			return fmt.Errorf("cannot pass item %q", i.Key)
		}
	}
	return nil
}
