package proxy

import (
	"context"
	"slices"
	"strings"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	gatewaysv1 "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
)

// ownPage is the upstream of the server's own page, whose socket is nobody's business.
const ownPage = "hearthd"

// Forwards answers the ports that the front door leads on, with what came of each.
func (s *Service) Forwards(ctx context.Context) ([]*gatewaysv1.Forward, error) {
	table, omitted, err := s.render()
	if err != nil {
		return nil, err
	}
	status, err := s.opt.Door.GetStatus(ctx)
	if err != nil {
		return nil, err
	}
	failed := map[string]string{}
	for _, socket := range status.GetSockets() {
		if network, address, _ := strings.Cut(socket.GetAddress(), " "); network == "tcp" {
			failed[address] = socket.GetError()
		}
	}
	var out []*gatewaysv1.Forward
	for _, l := range table.GetListeners() {
		for _, r := range l.GetRoutes() {
			if r.GetRefused() {
				continue
			}
			f := &gatewaysv1.Forward{
				Address: l.GetAddress(), Mode: mode(l, r), Names: r.GetNames(), Upstream: r.GetUpstream(), Sources: r.GetAllowedSources(), Error: failed[l.GetAddress()],
			}
			if strings.HasPrefix(f.Upstream, "unix:") {
				f.Upstream = ownPage
			}
			out = append(out, f)
		}
	}
	for _, o := range omitted {
		out = append(out, &gatewaysv1.Forward{Address: o.Address, Error: o.Why()})
	}
	slices.SortStableFunc(out, func(a, b *gatewaysv1.Forward) int { return strings.Compare(a.GetAddress(), b.GetAddress()) })
	return out, nil
}

// Routes answers every way through the front door.
func (s *Service) Routes() ([]*hostsv1.Route, error) {
	table, _, err := s.render()
	if err != nil {
		return nil, err
	}
	var out []*hostsv1.Route
	for _, l := range table.GetListeners() {
		for _, r := range l.GetRoutes() {
			row := &hostsv1.Route{
				Address: l.GetAddress(), Names: r.GetNames(), LocalAddresses: r.GetLocalAddresses(), Upstream: r.GetUpstream(),
				Certificate: strings.TrimPrefix(r.GetCertificate(), domainID("")), Alpn: r.GetAlpn(), Http: r.GetHttp(), UpstreamTls: r.GetUpstreamTls(),
				Gated: r.GetGate() != nil, Sources: r.GetAllowedSources(),
			}
			switch {
			case r.GetRefused():
				row.Upstream = ""
			case strings.HasPrefix(row.Upstream, "unix:"):
				row.Upstream = ownPage
			}
			out = append(out, row)
		}
	}
	return out, nil
}

func mode(l *doorv1.Listener, r *doorv1.Route) gatewaysv1.Forward_Mode {
	switch {
	case l.GetPlain():
		return gatewaysv1.Forward_MODE_PLAIN
	case r.GetCertificate() == "":
		return gatewaysv1.Forward_MODE_PASS
	case r.GetHttp():
		return gatewaysv1.Forward_MODE_HTTP
	}
	return gatewaysv1.Forward_MODE_TLS
}
