package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/things-go/go-socks5/statute"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/api/s9pk/fetch"
)

// socks makes the entries of the way out by SOCKS.
func (c *compiler) socks(m *doorv1.Socks) {
	c.limit("socks.addresses", "addresses", len(m.GetAddresses()), maxAddresses)
	sources := c.sources("socks.allowed_sources", m.GetAllowedSources())
	for i, a := range m.GetAddresses()[:min(len(m.GetAddresses()), maxAddresses)] {
		c.entry(fmt.Sprintf("socks.addresses[%d]", i), a, &entry{outward: true, callers: sources})
	}
}

// serveSocks connects a caller to where it asks for.
func (d *Door) serveSocks(ctx context.Context, c *conn, done func()) {
	c.outward = true
	if !d.enter(c) {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(d.limits.Hello))
	target, err := readSocks(c)
	if err != nil {
		return
	}
	done()
	if name, _, _ := net.SplitHostPort(target); d.names.Stays(name) {
		_ = replySocks(c, statute.RepHostUnreachable) // others would be asked for what is ours
		return
	}
	_ = c.SetDeadline(time.Now().Add(d.limits.Handshake)) // one that does not take the answer
	dialer := net.Dialer{Timeout: d.limits.Wait, KeepAliveConfig: keepAlive, Control: d.limits.Outward}
	up, err := dialer.DialContext(ctx, tcp, target)
	if err != nil {
		_ = replySocks(c, refusal(err))
		d.log.Debug("nobody was reached by SOCKS", "target", target, "source", c.source, "err", err)
		return
	}
	defer up.Close()
	if replySocks(c, statute.RepSuccess) != nil {
		return
	}
	_ = c.SetDeadline(time.Time{})
	carry(c.Conn, up)
}

// readSocks greets a caller and reads where it wants to go, as host and port. What cannot be understood is answered, if at all, here.
// Nothing behind the request is read.
func readSocks(rw io.ReadWriter) (target string, err error) {
	greeting, err := statute.ParseMethodRequest(rw)
	switch {
	case err != nil:
		return "", err
	case greeting.Ver != statute.VersionSocks5:
		return "", statute.ErrNotSupportVersion
	case !slices.Contains(greeting.Methods, statute.MethodNoAuth):
		_, _ = rw.Write([]byte{statute.VersionSocks5, statute.MethodNoAcceptable})
		return "", statute.ErrNoSupportedAuth
	}
	if _, err := rw.Write([]byte{statute.VersionSocks5, statute.MethodNoAuth}); err != nil {
		return "", err
	}
	r, err := statute.ParseRequest(rw)
	switch {
	case errors.Is(err, statute.ErrUnrecognizedAddrType):
		_ = replySocks(rw, statute.RepAddrTypeNotSupported)
		return "", err
	case err != nil:
		return "", err
	case r.Command != statute.CommandConnect:
		_ = replySocks(rw, statute.RepCommandNotSupported)
		return "", fmt.Errorf("command %d is not supported", r.Command)
	}
	host := r.DstAddr.FQDN
	if r.DstAddr.AddrType != statute.ATYPDomain {
		host = r.DstAddr.IP.String()
	} else if a, err := netip.ParseAddr(host); (err != nil || a.Zone() != "") && !validName(strings.ToLower(strings.TrimSuffix(host, "."))) {
		_ = replySocks(rw, statute.RepHostUnreachable)
		return "", errors.New("what is asked for is no name")
	}
	return net.JoinHostPort(host, strconv.Itoa(r.DstAddr.Port)), nil
}

// replySocks answers a request. At which address the connection leaves is nobody's business.
func replySocks(w io.Writer, code uint8) error {
	_, err := w.Write([]byte{statute.VersionSocks5, code, 0, statute.ATYPIPv4, 0, 0, 0, 0, 0, 0})
	return err
}

// refusal words for SOCKS why a connection failed.
func refusal(err error) uint8 {
	switch {
	case errors.Is(err, fetch.ErrLocalAddress):
		return statute.RepRuleFailure
	case errors.Is(err, syscall.ECONNREFUSED):
		return statute.RepConnectionRefused
	case errors.Is(err, syscall.ENETUNREACH):
		return statute.RepNetworkUnreachable
	}
	return statute.RepHostUnreachable
}
