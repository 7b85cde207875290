// Package door is the front door: it accepts what people and services open to this machine and leads it, by the name in
// the TLS handshake, to whoever serves it. It also answers names. It runs in a process of its own, hearth-door, so that a
// crash, a restart or an upgrade of the daemon cuts nobody off.
//
//	table.go      the table of the daemon, checked and made ready: a plan
//	door.go       one plan in force, the change from one to the next
//	sockets.go    the listening sockets a plan needs
//	conn.go       what happens to a connection from accept to its route; limits
//	hello.go      the first message of a TLS handshake, read without answering
//	backend.go    who serves routes, and how they are reached
//	http.go       requests carried over with honest headers
//	upstream.go   requests without a body, and their answers
//	gate.go       who may pass
//	check.go      which certificates of upstreams are good
//	cookie.go     our own cookies, which are nobody else's
//	stream.go     bytes carried over
//	caller.go     connections to services from the address of the caller
//	socks.go      the way out for callers by SOCKS
//	named.go      what services reach by names: the firewall is opened before they are told
//	redirect.go   plain HTTP: the way to TLS and the server's root certificate
//	state.go      the last table on disk
//	service.go    hearth.door.v1
//	serve.go      a door within another process, for sandboxes
//	holder/       the parent process that holds the sockets and starts the door again
//	doorctl/      how the daemon finds, starts and asks the door
//
// It is deliberately ignorant: it knows neither the store nor packages, decides nothing that is not in its table and
// holds no key but those of its certificates. It does not open sockets itself; a Sockets does that, so the door needs no
// rights.
//
// Invariants: a table is in force as a whole or not at all; applying one that keeps a listener and a route leaves their
// connections alone; a connection whose route is gone does not outlive it by more than ten seconds; whatever a caller
// claims about where it came from is removed before a service sees it; everything callers can make the door hold is
// bounded.
package door
