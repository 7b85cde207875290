package proxy

import (
	"net"
	"slices"

	"google.golang.org/protobuf/proto"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
)

// Own answers what of a table leads to the server itself: where its page is reached and by whom, as its rows have it. There is no
// key and no document in it, so it can be kept beside the store and shown before that is open.
func Own(t *doorv1.Table, s Server) *doorv1.Table {
	own := &doorv1.Table{}
	for _, l := range t.GetListeners() {
		leads := func(r *doorv1.Route) bool { return r.GetUpstream() == s.WebUpstream }
		routes := slices.DeleteFunc(slices.Clone(l.GetRoutes()), func(r *doorv1.Route) bool { return !leads(r) && !r.GetRefused() })
		if slices.ContainsFunc(routes, leads) && !l.GetPlain() {
			own.Listeners = append(own.Listeners, &doorv1.Listener{Address: l.GetAddress(), Routes: routes})
		}
	}
	for _, r := range t.GetRedirects() {
		r = proto.CloneOf(r)
		r.RootCertificate, r.Documents = nil, nil
		own.Redirects = append(own.Redirects, r)
	}
	return own
}

// First answers the table that Own kept, with the documents of s. What was kept for a server with another socket or other ports
// is not shown.
func First(kept *doorv1.Table, s Server) *doorv1.Table {
	first, ports := Own(kept, s), s.ports()
	first.Listeners = slices.DeleteFunc(first.Listeners, func(l *doorv1.Listener) bool { return !ports[portOf(l.GetAddress())] })
	first.Redirects = slices.DeleteFunc(first.Redirects, func(r *doorv1.Redirect) bool { return !ports[portOf(r.GetAddress())] })
	for _, r := range first.GetRedirects() {
		s.document(r)
	}
	return first
}

// ports are those of the server itself.
func (s Server) ports() map[string]bool {
	ports := make(map[string]bool)
	for _, address := range slices.Concat(s.Web, s.Redirects) {
		ports[portOf(address)] = true
	}
	return ports
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// document gives a redirect what is answered there by plain HTTP.
func (s Server) document(to *doorv1.Redirect) {
	to.RootCertificate = s.Root
	for _, d := range s.Documents {
		to.Documents = append(to.Documents, &doorv1.Document{
			Path: d.Path, Language: d.Language, ContentType: d.ContentType, Filename: d.Filename, Content: d.Content,
		})
	}
}
