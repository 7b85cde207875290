package rpc

import "net/http"

// WebHandler is the handler of everything that comes by HTTP, without a listener and so without an origin.
func WebHandler(h *Hub) http.Handler { return h.web }

// QueryFault is how the members of a query that cannot be read are told.
var QueryFault = queryFault
