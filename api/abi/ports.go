package abi

// Ports at which a server listens itself, where it is not told otherwise.
const (
	// PagePort is that of the page, by TLS.
	PagePort = 8443
	// PlainPort leads browsers to PagePort.
	PlainPort = 8080
	// ProgramsPort is that of the API on the machine itself.
	ProgramsPort = 5961
	// SocksPort is where packages look for the way out by SOCKS.
	SocksPort = 1080
)

// LastPrivilegedPort ends the ports that no binding gets outside.
const LastPrivilegedPort = 1024

// Withheld tells whether a port is never given to a binding outside, on whichever server: those that are privileged, and
// those at which other programs of the machine or of the original system are expected.
func Withheld(port uint32) bool {
	switch port {
	case 5353, 5355, 5432, 6010, 9050, 9051:
		return true
	}
	return port <= LastPrivilegedPort
}
