package door

import (
	"net"
	"strings"
)

// shared tells whether a host, as in the header of a request, has a name that other services may have, too. What a service says of its
// transport counts for all ports of its name: a browser would reach none of the others without TLS again. Names of a service's own are at
// the port of https; at all others, and by the names of a machine among its neighbours, services share that of the server.
func shared(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "443"
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return port != "443" || !strings.Contains(name, ".") || strings.HasSuffix(name, ".local") || strings.HasSuffix(name, ".localhost")
}
