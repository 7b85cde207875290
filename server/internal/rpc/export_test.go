package rpc

import (
	"net/http"

	"google.golang.org/grpc"
)

// WebHandler is the handler of everything that comes by HTTP, without a listener and so without an origin.
func WebHandler(h *Hub) http.Handler { return h.web }

// QueryFault is how the members of a query that cannot be read are told.
var QueryFault = queryFault

// RESTStream is a stream as the handlers of REST send into it.
func RESTStream(cs grpc.ClientStream) grpc.ClientStream { return restStream{cs} }
