package door

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"mime"
	"net"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/host/dnsserver"
	"github.com/hearthos/hearth/server/internal/host/handout"
	"github.com/hearthos/hearth/server/internal/host/mdns"
)

// What a table may hold at most.
const (
	// MaxTableBytes bounds a table on the wire and on disk.
	MaxTableBytes = 16 << 20

	maxListeners    = 16384
	maxRoutes       = 4096
	maxNames        = 256
	maxALPN         = 16
	maxCertificates = 4096
	maxChain        = 64 << 10
	maxKey          = 16 << 10
	maxSources      = 1024
	maxAddresses    = 64
	maxViolations   = 32
	maxDocuments    = 64
	maxDocument     = 64 << 10
)

// plan is a table made ready to be used. It is immutable; backends in it are shared with the plans before and after.
type plan struct {
	digest   string
	entries  map[string]*entry // TCP address -> what stands behind it
	resolver resolver
	local    mdns.Config
	kept     []netip.Prefix // sources whose address upstreams see
	backends map[backendKey]*backend
	configs  map[string]*tls.Config
}

// entry is what happens to connections of one listening socket: a redirect, the way out, or routes. Those of a plain one are all in
// any.
type entry struct {
	redirect *redirect
	outward  bool           // SOCKS
	callers  []netip.Prefix // who may use a redirect or the way out
	plain    bool
	exact    map[string][]*route
	wild     map[string][]*route // by the name without its first label
	any      []*route
	ways     []*route // one of all that are for the same callers at the same addresses
}

type route struct {
	order   int
	refused bool // it has neither backend nor tls
	backend *backend
	tls     *tls.Config // nil passes the connection through
	reflect bool
	sources []netip.Prefix
	local   []netip.Addr
}

type resolver struct {
	addresses []string
	tag       string // of the instance whose firewall is opened
	config    dnsserver.Config
}

// find returns the first route for the name that the source may use at an address of this machine, or nil where there is none or the
// name is refused.
func (e *entry) find(name string, source, local netip.Addr) *route {
	var best *route
	consider := func(routes []*route) {
		for _, r := range routes {
			if r.admits(source, local) {
				if best == nil || r.order < best.order {
					best = r
				}
				return
			}
		}
	}
	if name != "" {
		consider(e.exact[name])
		if _, parent, ok := strings.Cut(name, "."); ok {
			consider(e.wild[parent])
		}
	}
	consider(e.any)
	if best != nil && best.refused {
		return nil
	}
	return best
}

// isOfAnother tells whether the host of a request is a name that is led elsewhere alone, or nowhere. Browsers ask for several names on one connection where its
// certificate has them all, and ask again on one of its own when they are told (421).
func (e *entry) isOfAnother(host string, b *backend) bool {
	name := strings.TrimSuffix(hostOf(host), ".")
	_, parent, _ := strings.Cut(name, ".")
	leads := func(r *route) bool { return r.backend == b }
	exact, wild := e.exact[name], e.wild[parent]
	return len(exact)+len(wild) > 0 && !slices.ContainsFunc(exact, leads) && !slices.ContainsFunc(wild, leads)
}

// admits tells whether a caller may use any of the routes at an address of this machine.
func (e *entry) admits(source, local netip.Addr) bool {
	if e.redirect != nil || e.outward {
		return e.among(source) || e.redirect != nil && len(e.redirect.open) > 0
	}
	return slices.ContainsFunc(e.ways, func(r *route) bool { return r.admits(source, local) })
}

// among tells whether a caller is one of those who may use a redirect or the way out.
func (e *entry) among(source netip.Addr) bool {
	return e.redirect != nil && len(e.callers) == 0 || slices.ContainsFunc(e.callers, func(p netip.Prefix) bool { return p.Contains(source) })
}

func (r *route) admits(source, local netip.Addr) bool {
	return (len(r.local) == 0 || slices.Contains(r.local, local)) &&
		(len(r.sources) == 0 || slices.ContainsFunc(r.sources, func(p netip.Prefix) bool { return p.Contains(source) }))
}

// compiler makes a plan of a table and collects what is wrong with it.
type compiler struct {
	door       *Door
	previous   *plan
	plan       *plan
	certs      map[string]*certificate
	violations []violation
}

type violation struct{ field, message string }

type certificate struct {
	digest string
	tls    tls.Certificate
}

func (c *compiler) wrong(field, format string, args ...any) {
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations, violation{field, fmt.Sprintf(format, args...)})
	}
}

// Check tells what is wrong with a table: nil, or a fault REASON_INVALID_ARGUMENT with a violation for each field.
func Check(t *doorv1.Table) error {
	_, err := compile(nil, nil, t)
	return err
}

// Digest identifies a table: equal tables have equal digests.
func Digest(t *doorv1.Table) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(t)
	if err != nil {
		return "" // cannot happen for a message without required fields whose strings were checked on the wire
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// compile takes over backends and TLS configurations of the previous plan where they are the same, so that connections
// and session tickets stay good. It starts nothing.
func compile(d *Door, previous *plan, t *doorv1.Table) (*plan, error) {
	if previous == nil {
		previous = &plan{}
	}
	c := &compiler{door: d, previous: previous, certs: map[string]*certificate{}, plan: &plan{
		digest: Digest(t), entries: map[string]*entry{}, backends: map[backendKey]*backend{}, configs: map[string]*tls.Config{},
	}}
	c.limit("table", "bytes", proto.Size(t), MaxTableBytes)
	c.limit("listeners", "listeners", len(t.GetListeners()), maxListeners)
	c.limit("certificates", "certificates", len(t.GetCertificates()), maxCertificates)
	c.limit("redirects", "redirects", len(t.GetRedirects()), maxListeners)
	if len(c.violations) == 0 {
		c.certificates(t.GetCertificates())
		for i, l := range t.GetListeners() {
			c.listener(fmt.Sprintf("listeners[%d]", i), l)
		}
		for i, r := range t.GetRedirects() {
			c.redirect(fmt.Sprintf("redirects[%d]", i), r)
		}
		c.socks(t.GetSocks())
		c.plan.kept = c.sources("kept_sources", t.GetKeptSources())
		c.resolver(t.GetResolver())
		c.plan.local = mdns.Config{Names: t.GetLocal().GetNames(), Links: t.GetLocal().GetLinks()}
		if err := mdns.Check(c.plan.local); err != nil {
			c.wrong("local", "%v", err)
		}
	}
	if len(c.violations) == 0 {
		return c.plan, nil
	}
	err := fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the table of the door: %s: %s", c.violations[0].field, c.violations[0].message)
	for _, v := range c.violations {
		err = err.Violation(v.field, v.message)
	}
	return nil, err
}

func (c *compiler) limit(field, what string, have, most int) {
	if have > most {
		c.wrong(field, "%d %s, at most %d", have, what, most)
	}
}

func (c *compiler) certificates(certs []*doorv1.Certificate) {
	for i, m := range certs {
		field := fmt.Sprintf("certificates[%d]", i)
		if m.GetId() == "" || len(m.GetId()) > 256 || c.certs[m.GetId()] != nil {
			c.wrong(field+".id", "missing, too long or used twice")
			continue
		}
		if len(m.GetChain()) > maxChain || len(m.GetKey()) > maxKey {
			c.wrong(field, "chain or key is too long")
			continue
		}
		pair, err := tls.X509KeyPair(m.GetChain(), m.GetKey())
		if err != nil {
			c.wrong(field, "chain and key cannot be used: %v", err) // the library never quotes the key
			continue
		}
		h := sha256.New()
		h.Write(m.GetChain())
		h.Write(m.GetKey())
		c.certs[m.GetId()] = &certificate{digest: string(h.Sum(nil)), tls: pair}
	}
}

func (c *compiler) listener(field string, m *doorv1.Listener) {
	e := &entry{plain: m.GetPlain(), exact: map[string][]*route{}, wild: map[string][]*route{}}
	if !c.entry(field+".address", m.GetAddress(), e) {
		return
	}
	c.limit(field+".routes", "routes", len(m.GetRoutes()), maxRoutes)
	for i, r := range m.GetRoutes()[:min(len(m.GetRoutes()), maxRoutes)] {
		c.route(e, i, fmt.Sprintf("%s.routes[%d]", field, i), r)
	}
}

func (c *compiler) entry(field, address string, e *entry) bool {
	if !c.address(field, address) {
		return false
	}
	if c.plan.entries[address] != nil {
		c.wrong(field, "%s is used twice", address)
		return false
	}
	c.plan.entries[address] = e
	return true
}

func (c *compiler) address(field, address string) bool {
	a, err := netip.ParseAddrPort(address)
	if err != nil || a.String() != address || a.Addr().Is4In6() {
		c.wrong(field, "%q is not an address and port in the usual form", address)
		return false
	}
	return true
}

func (c *compiler) route(e *entry, order int, field string, m *doorv1.Route) {
	r := &route{
		order: order, refused: m.GetRefused(), reflect: m.GetAlpnReflect(), sources: c.sources(field+".allowed_sources", m.GetAllowedSources()),
		local: c.local(field+".local_addresses", m.GetLocalAddresses()),
	}
	if r.refused {
		if len(m.GetNames()) == 0 || e.plain {
			c.wrong(field+".refused", "is for names, where they are told")
		}
		c.called(e, field, r, m.GetNames())
		return
	}
	key := backendKey{
		upstream: m.GetUpstream(), tls: m.GetUpstreamTls(), http: m.GetHttp(), http2: m.GetUpstreamHttp2(),
		passthrough: m.GetCertificate() == "", proxy: m.GetProxyProtocol(), keep: m.GetKeepSource(), bare: m.GetWithoutForwarded(),
		upstream6: m.GetUpstream6(),
		policy:    Digest(&doorv1.Table{Listeners: []*doorv1.Listener{{Routes: []*doorv1.Route{{Gate: m.GetGate(), UpstreamCheck: m.GetUpstreamCheck()}}}}}),
	}
	g, k := c.gate(field+".gate", m.GetGate()), c.check(field+".upstream_check", m.GetUpstreamCheck())
	c.upstream(field+".upstream", m.GetUpstream())
	if at, err := netip.ParseAddrPort(key.upstream6); key.upstream6 != "" && (err != nil || !key.keep || !at.Addr().Is6() || at.Addr().Is4In6() || at.Addr().Zone() != "") {
		c.wrong(field+".upstream6", "%q is not an IPv6 address and port, or the route does not keep its callers", key.upstream6)
	}
	switch {
	case key.passthrough && (key.tls || key.http || len(m.GetAlpn()) > 0 || r.reflect):
		c.wrong(field, "a route without a certificate passes connections through unopened; upstream_tls, http and alpn do not go with it")
	case e.plain && (!key.passthrough || len(m.GetNames()) > 0):
		c.wrong(field, "a route of a plain listener has neither names nor a certificate")
	case !key.passthrough && key.keep:
		c.wrong(field+".keep_source", "is for routes that pass connections through")
	case !key.passthrough && key.proxy:
		c.wrong(field+".proxy_protocol", "is for routes that pass connections through")
	case key.http2 && !key.http:
		c.wrong(field+".upstream_http2", "is for HTTP")
	case !key.http && (g != nil || key.bare):
		c.wrong(field+".gate", "a gate and without_forwarded are for HTTP")
	case k != nil && !key.tls:
		c.wrong(field+".upstream_check", "is for an upstream that speaks TLS")
	case r.reflect && (key.http || len(m.GetAlpn()) > 0):
		c.wrong(field+".alpn_reflect", "does not go with http or alpn")
	}
	if !key.passthrough {
		r.tls = c.config(field, m)
	}
	r.backend = c.backend(key, g, k)
	if !slices.ContainsFunc(e.ways, func(w *route) bool { return slices.Equal(w.sources, r.sources) && slices.Equal(w.local, r.local) }) {
		e.ways = append(e.ways, r)
	}
	if len(m.GetNames()) == 0 {
		e.any = append(e.any, r)
	}
	c.called(e, field, r, m.GetNames())
}

// called has a route found by its names.
func (c *compiler) called(e *entry, field string, r *route, names []string) {
	c.limit(field+".names", "names", len(names), maxNames)
	for _, name := range names[:min(len(names), maxNames)] {
		if parent, ok := strings.CutPrefix(name, "*."); ok && validName(parent) {
			e.wild[parent] = append(e.wild[parent], r)
		} else if validName(name) {
			e.exact[name] = append(e.exact[name], r)
		} else {
			c.wrong(field+".names", "%q is not a lower-case name", name)
		}
	}
}

func (c *compiler) backend(key backendKey, g *gate, k *check) *backend {
	if b := c.plan.backends[key]; b != nil {
		return b
	}
	b := c.previous.backends[key]
	if b == nil {
		b = newBackend(c.door, key, g, k)
	}
	c.plan.backends[key] = b
	return b
}

func (c *compiler) config(field string, m *doorv1.Route) *tls.Config {
	cert := c.certs[m.GetCertificate()]
	if cert == nil {
		c.wrong(field+".certificate", "%q is not among the certificates", m.GetCertificate())
		return nil
	}
	c.limit(field+".alpn", "protocols", len(m.GetAlpn()), maxALPN)
	for _, p := range m.GetAlpn() {
		if p == "" || len(p) > 255 {
			c.wrong(field+".alpn", "%q is not the name of a protocol", p)
		}
		if m.GetHttp() && p != protoHTTP1 && p != protoHTTP2 {
			c.wrong(field+".alpn", "%q cannot be offered for HTTP", p)
		}
	}
	key := cert.digest + strings.Join(m.GetAlpn(), "\x00")
	if have := c.plan.configs[key]; have != nil {
		return have
	}
	cfg := c.previous.configs[key]
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert.tls}, NextProtos: slices.Clone(m.GetAlpn())}
	}
	c.plan.configs[key] = cfg
	return cfg
}

func (c *compiler) upstream(field, upstream string) {
	if socket, ok := strings.CutPrefix(upstream, "unix:"); ok {
		if !filepath.IsAbs(socket) || filepath.Clean(socket) != socket || len(socket) > 107 || strings.ContainsRune(socket, 0) {
			c.wrong(field, "%q is not an absolute path of at most 107 bytes", socket)
		}
		return
	}
	a, err := netip.ParseAddrPort(upstream)
	if err != nil || a.Port() == 0 || a.Addr().IsUnspecified() {
		c.wrong(field, "%q is neither an address and port nor unix: and a path", upstream)
	}
}

// local reads addresses of this machine. A scope says nothing here: the socket has it.
func (c *compiler) local(field string, list []string) []netip.Addr {
	c.limit(field, "addresses", len(list), maxSources)
	out := make([]netip.Addr, 0, len(list))
	for _, text := range list[:min(len(list), maxSources)] {
		a, err := netip.ParseAddr(text)
		if err != nil || a.String() != text || a.Is4In6() || a.Zone() != "" {
			c.wrong(field, "%q is not an address in the usual form", text)
			continue
		}
		out = append(out, a)
	}
	return out
}

func (c *compiler) sources(field string, cidrs []string) []netip.Prefix {
	c.limit(field, "sources", len(cidrs), maxSources)
	var out []netip.Prefix
	for _, s := range cidrs[:min(len(cidrs), maxSources)] {
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			c.wrong(field, "%q is not a range of addresses", s)
			continue
		}
		out = append(out, p.Masked())
	}
	return out
}

func (c *compiler) redirect(field string, m *doorv1.Redirect) {
	if m.GetTlsPort() == 0 || m.GetTlsPort() > 65535 {
		c.wrong(field+".tls_port", "%d is not a port", m.GetTlsPort())
	}
	c.limit(field+".root_certificate", "bytes", len(m.GetRootCertificate()), maxChain)
	documents := c.documents(field, m.GetDocuments())
	if len(m.GetRootCertificate()) > 0 {
		documents = append(documents, handout.Document{
			Path: "/ca.crt", ContentType: "application/x-x509-ca-cert", Filename: "ca.crt", Content: slices.Clone(m.GetRootCertificate()),
		})
	}
	c.limit(field+".open_names", "names", len(m.GetOpenNames()), maxRoutes)
	open := make(map[string]bool, len(m.GetOpenNames()))
	for _, name := range m.GetOpenNames() {
		if open[name] = true; !validName(name) {
			c.wrong(field+".open_names", "%q is not a lower-case name", name)
		}
	}
	c.entry(field+".address", m.GetAddress(), &entry{
		redirect: &redirect{port: strconv.Itoa(int(m.GetTlsPort())), documents: handout.New(documents), open: open},
		callers:  c.sources(field+".allowed_sources", m.GetAllowedSources()),
	})
}

func (c *compiler) documents(field string, list []*doorv1.Document) []handout.Document {
	c.limit(field+".documents", "documents", len(list), maxDocuments)
	var out []handout.Document
	for i, m := range list[:min(len(list), maxDocuments)] {
		field := fmt.Sprintf("%s.documents[%d]", field, i)
		c.limit(field+".content", "bytes", len(m.GetContent()), maxDocument)
		if len(m.GetPath()) > 256 || !strings.HasPrefix(m.GetPath(), "/") || path.Clean(m.GetPath()) != m.GetPath() {
			c.wrong(field+".path", "%q is not the path of a document", m.GetPath())
		}
		if kind, _, err := mime.ParseMediaType(m.GetContentType()); err != nil || kind == "" {
			c.wrong(field+".content_type", "%q is not a kind of content", m.GetContentType())
		}
		if strings.Trim(m.GetFilename(), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			c.wrong(field+".filename", "%q is not the name of a file", m.GetFilename())
		}
		out = append(out, handout.Document{
			Path: m.GetPath(), Language: m.GetLanguage(), ContentType: m.GetContentType(), Filename: m.GetFilename(), Content: m.GetContent(),
		})
	}
	return out
}

func (c *compiler) resolver(m *doorv1.Resolver) {
	c.limit("resolver.addresses", "addresses", len(m.GetAddresses()), maxAddresses)
	for i, a := range m.GetAddresses() {
		field := fmt.Sprintf("resolver.addresses[%d]", i)
		if !c.address(field, a) {
			continue
		}
		if slices.Contains(c.plan.resolver.addresses, a) || c.plan.entries[a] != nil {
			c.wrong(field, "%s is used twice", a)
		}
		c.plan.resolver.addresses = append(c.plan.resolver.addresses, a)
	}
	cfg := dnsserver.Config{Zones: slices.Clone(m.GetZones()), Sources: c.sources("resolver.allowed_sources", m.GetAllowedSources())}
	cfg.Local = c.addresses("resolver.local_sources", m.GetLocalSources(), dnsserver.MaxLocal)
	cfg.Named, c.plan.resolver.tag = c.named(m.GetNamed()), m.GetFirewallTag()
	for i, u := range m.GetUpstreams() {
		a, err := netip.ParseAddrPort(u)
		if err != nil {
			c.wrong(fmt.Sprintf("resolver.upstreams[%d]", i), "%q is not an address and port", u)
			continue
		}
		cfg.Upstreams = append(cfg.Upstreams, a)
	}
	for i, r := range m.GetRecords()[:min(len(m.GetRecords()), dnsserver.MaxRecords)] {
		field := fmt.Sprintf("resolver.records[%d]", i)
		rec := dnsserver.Record{Name: r.GetName(), Subdomains: r.GetSubdomains(), Sources: c.sources(field+".allowed_sources", r.GetAllowedSources())}
		for _, s := range r.GetIpv4() {
			a, err := netip.ParseAddr(s)
			if err != nil {
				c.wrong(field+".ipv4", "%q is not an address", s)
				continue
			}
			rec.IPv4 = append(rec.IPv4, a)
		}
		for _, s := range r.GetIpv6() {
			a, err := netip.ParseAddr(s)
			if err != nil {
				c.wrong(field+".ipv6", "%q is not an address", s)
				continue
			}
			rec.IPv6 = append(rec.IPv6, a)
		}
		cfg.Records = append(cfg.Records, rec)
	}
	c.limit("resolver.records", "records", len(m.GetRecords()), dnsserver.MaxRecords)
	if err := dnsserver.Check(cfg); err != nil && len(c.violations) == 0 {
		c.wrong("resolver", "%v", err)
	}
	c.plan.resolver.config = cfg
}

// addresses reads addresses of single sources.
func (c *compiler) addresses(field string, list []string, most int) (out []netip.Addr) {
	c.limit(field, "addresses", len(list), most)
	for i, s := range list[:min(len(list), most)] {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Is4In6() || a.Zone() != "" {
			c.wrong(fmt.Sprintf("%s[%d]", field, i), "%q is not an address", s)
			continue
		}
		out = append(out, a)
	}
	return out
}

// validName takes names that can stand in a TLS handshake: host names, in lower case, no addresses.
func validName(name string) bool {
	if name == "" || len(name) > 253 || net.ParseIP(name) != nil {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
