package cert

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/atomicfile"
)

// Limits. Packages choose name sets and the server's follow the network, so their number is bounded; beyond it the leaf of
// the same holder that was issued first gives way. Those of devices are refused instead: people count on their keys.
const (
	maxNames      = 128
	maxOfPackages = 2048
	maxOfServer   = 64
	maxOfDevices  = 256
)

// Holder is who has the key of a leaf. Two holders never share a key, whatever the names.
type Holder string

// The holders.
const (
	Server  Holder = "server"
	Package Holder = "package"
	Device  Holder = "device"
)

var holders = [...]Holder{Package, Server, Device}

type leaf struct {
	certificate *x509.Certificate
	key         crypto.Signer
	holder      Holder
	// taken is when it was last handed out in the place of another one, which is when its file was last changed: a server that is back at the
	// addresses of before takes up what it had then.
	taken time.Time
}

// Leaf answers the chain for a set of names - leaf, intermediate, root - its key as PKCS#8, both PEM, and when the chain
// ends. Names are host names, "*.example" and IP addresses; order, case and repetition do not matter. The same names get
// the same answer until renewBefore of the end, also after a restart; then a new certificate for the same key. What is one
// holder's is never another's.
func (a *Authority) Leaf(of Holder, names []string, alg Algorithm) (chain, key []byte, expiry time.Time, err error) {
	names, err = canonical(names)
	if err != nil {
		return nil, nil, time.Time{}, err
	}
	if alg != ECDSA && alg != Ed25519 {
		return nil, nil, time.Time{}, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot make a key of kind %q", alg)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.current(of, names, alg, time.Now())
	if err != nil {
		return nil, nil, time.Time{}, err
	}
	if key, err = encodeKey(l.key); err != nil {
		return nil, nil, time.Time{}, err
	}
	return a.chain(l), key, l.certificate.NotAfter, nil
}

// Newest answers the chain and key that a holder was given last for these names and maybe others, as Leaf does; false when it has none
// that may be handed out.
func (a *Authority) Newest(of Holder, names []string) (chain, key []byte, ok bool) {
	names, err := canonical(names)
	if err != nil {
		return nil, nil, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var newest *leaf
	for _, l := range a.leaves {
		if l.holder == of && usable(l.certificate, time.Now()) && l.covers(names) && (newest == nil || l.follows(newest)) {
			newest = l
		}
	}
	if newest == nil {
		return nil, nil, false
	}
	key, err = encodeKey(newest.key)
	return a.chain(newest), key, err == nil
}

func (l *leaf) covers(names []string) bool {
	own := namesOf(l.certificate)
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(own, n) })
}

// follows tells whether a leaf was taken up after another. Where files lost their times, as copies do, it is the one that was made later.
func (l *leaf) follows(o *leaf) bool {
	return cmp.Or(l.taken.Compare(o.taken), l.certificate.NotBefore.Compare(o.certificate.NotBefore)) > 0
}

// take notes which leaf a holder has now. The caller holds mu.
func (a *Authority) take(id string, l *leaf, now time.Time) {
	if a.latest[l.holder] == id {
		return
	}
	a.latest[l.holder], l.taken = id, now
	_ = os.Chtimes(a.leafPath(id), now, now) // else another one is shown until the next start has found its names
}

func (a *Authority) chain(l *leaf) []byte {
	return slices.Concat(encodeCertificate(l.certificate), encodeCertificate(a.intermediate), encodeCertificate(a.root))
}

// SplitChain answers the certificates of a chain one by one.
func SplitChain(chain []byte) []string {
	var out []string
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		out = append(out, string(pem.EncodeToMemory(block)))
	}
	return out
}

// current answers the leaf of a set of names, issued or renewed when needed. The caller holds mu.
func (a *Authority) current(of Holder, names []string, alg Algorithm, now time.Time) (*leaf, error) {
	id := leafID(of, names, alg)
	a.asked[id] = now
	l := a.leaves[id]
	if l != nil && usable(l.certificate, now) {
		a.take(id, l, now)
		return l, nil
	}
	if l == nil && of == Device && a.count(Device) >= maxOfDevices {
		return nil, fault.New(metav1.Reason_REASON_CERTIFICATE_TOO_MANY, "cannot keep more than %d certificates of devices", maxOfDevices)
	}
	var key crypto.Signer
	var err error
	switch {
	case l != nil:
		key = l.key
	case alg == Ed25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	c, err := sign(a.leafTemplate(names, now), a.intermediate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	l = &leaf{certificate: c, key: key, holder: of}
	if err := a.save(id, l); err != nil {
		return nil, err
	}
	a.leaves[id] = l
	a.take(id, l, now)
	return l, a.evict(id)
}

// usable tells whether a leaf may be handed out. A clock that was wrong when it was issued must not last.
func usable(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && now.Add(renewBefore).Before(c.NotAfter)
}

func (a *Authority) leafPath(id string) string { return filepath.Join(a.dir, "leaves", id+".pem") }

func (a *Authority) save(id string, l *leaf) error {
	data, err := encodePair(l.certificate, l.key, a.ring)
	if err != nil {
		return err
	}
	return atomicfile.Write(a.leafPath(id), data, 0o600)
}

// count answers how many leaves a holder has. The caller holds mu.
func (a *Authority) count(of Holder) int {
	n := 0
	for _, l := range a.leaves {
		if l.holder == of {
			n++
		}
	}
	return n
}

// evict removes the leaves issued first where a holder has too many; kept stays in any case.
func (a *Authority) evict(kept string) error {
	for of, most := range map[Holder]int{Package: maxOfPackages, Server: maxOfServer} {
		for a.count(of) > most {
			oldest := ""
			for id, l := range a.leaves {
				if id != kept && l.holder == of && (oldest == "" || l.certificate.NotBefore.Before(a.leaves[oldest].certificate.NotBefore)) {
					oldest = id
				}
			}
			if err := a.remove(oldest); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Authority) remove(id string) error {
	if err := os.Remove(a.leafPath(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove a certificate: %w", err)
	}
	delete(a.leaves, id)
	delete(a.asked, id)
	return nil
}

// loadLeaves reads the leaves on disk. What is damaged, of another authority or long expired is removed: it is a cache.
func (a *Authority) loadLeaves(now time.Time) error {
	dir := filepath.Join(a.dir, "leaves")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot list certificates: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		id, l, err := a.load(path)
		if err == nil && now.Before(l.certificate.NotAfter.Add(leafLife)) {
			a.leaves[id] = l
			if err := a.wrapFile(path); err != nil {
				return err
			}
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("cannot remove a damaged certificate: %w", err)
		}
	}
	return a.evict("")
}

func (a *Authority) load(path string) (string, *leaf, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	c, key, _, err := nextPair(data, a.ring)
	if err != nil {
		return "", nil, err
	}
	if c.CheckSignatureFrom(a.intermediate) != nil {
		return "", nil, errors.New("it is not of this authority")
	}
	for _, of := range holders {
		if id := leafID(of, namesOf(c), algorithmOf(key)); filepath.Base(path) == id+".pem" {
			info, err := os.Stat(path)
			if err != nil {
				return "", nil, err
			}
			return id, &leaf{certificate: c, key: key, holder: of, taken: info.ModTime()}, nil
		}
	}
	return "", nil, errors.New("its name is not that of its content")
}

// namesOf answers the names of a certificate as canonical does.
func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, addr.Unmap().String())
		}
	}
	slices.Sort(names)
	return names
}

func algorithmOf(key crypto.Signer) Algorithm {
	if _, ok := key.(ed25519.PrivateKey); ok {
		return Ed25519
	}
	return ECDSA
}

// leafID names a leaf and its file. That of a package begins with its algorithm, as before there were other holders.
func leafID(of Holder, names []string, alg Algorithm) string {
	text := string(alg) + "\n" + strings.Join(names, "\n")
	if of != Package {
		text = string(of) + "\n" + text
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:20])
}

// canonical checks names and answers them in the one spelling and order a set has.
func canonical(names []string) ([]string, error) {
	out := make([]string, 0, len(names))
	for i, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			n = a.Unmap().WithZone("").String()
		} else if n = strings.ToLower(strings.TrimSuffix(n, ".")); !isHostname(n) {
			return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot certify %.80q: it is neither a host name nor an IP address", names[i])
		}
		out = append(out, n)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) == 0 || len(out) > maxNames {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot certify %d names: a certificate has 1 to %d", len(out), maxNames)
	}
	return out, nil
}

func isHostname(s string) bool {
	s = strings.TrimPrefix(s, "*.")
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}

func (a *Authority) leafTemplate(names []string, now time.Time) *x509.Certificate {
	t := &x509.Certificate{
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(leafLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if t.NotAfter.After(a.intermediate.NotAfter) {
		t.NotAfter = a.intermediate.NotAfter
	}
	for _, n := range names {
		if addr, err := netip.ParseAddr(n); err == nil {
			t.IPAddresses = append(t.IPAddresses, addr.AsSlice())
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	// A common name is no longer read by anyone but people; it may have 64 characters.
	short := slices.IndexFunc(t.DNSNames, func(n string) bool { return len(n) <= 64 })
	t.Subject = pkix.Name{CommonName: "localhost", Organization: []string{"Hearth"}}
	if short >= 0 {
		t.Subject.CommonName = t.DNSNames[short]
	}
	return t
}

func authorityTemplate(name string, now time.Time) *x509.Certificate {
	const most = 64
	if len(name) > most {
		name = strings.ToValidUTF8(name[len(name)-most:], "")
	}
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"Hearth"}},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

// sign gives a template a serial number and key ids and signs it.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, fmt.Errorf("cannot draw a serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("cannot encode a public key: %w", err)
	}
	id := sha256.Sum256(spki)
	template.SubjectKeyId = id[:20]
	template.AuthorityKeyId = parent.SubjectKeyId
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("cannot sign a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
