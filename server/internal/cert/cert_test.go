package cert_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/cert"
	"github.com/hearthos/hearth/server/internal/seal"
)

var names = []string{"localhost", "home.local", "*.home.example", "127.0.0.1", "::1", "10.0.3.1", "hello.startos"}

// ring is the root key of the server whose authority is in dir.
func ring(t testing.TB, dir string) *seal.Ring {
	t.Helper()
	r, err := seal.Load(dir + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t *testing.T, dir string) *cert.Authority {
	t.Helper()
	a, err := cert.Open(dir, "home", ring(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *cert.Authority, alg cert.Algorithm, names ...string) (chain, key []byte, leaf *x509.Certificate) {
	t.Helper()
	chain, key, expiry, err := a.Leaf(cert.Package, names, alg)
	if err != nil {
		t.Fatal(err)
	}
	leaf = parse(t, chain)
	if !leaf.NotAfter.Equal(expiry) {
		t.Errorf("told to end %s, ends %s", expiry, leaf.NotAfter)
	}
	return chain, key, leaf
}

func parse(t *testing.T, data []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatal("no PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientsThatTrustTheRootAcceptEveryName(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir())
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(a.RootPEM())
	for _, alg := range []cert.Algorithm{cert.ECDSA, cert.Ed25519} {
		chain, key, leaf := issue(t, a, alg, names...)
		pair, err := tls.X509KeyPair(chain, key)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"localhost", "home.local", "photos.home.example", "127.0.0.1", "::1", "10.0.3.1", "hello.startos"} {
			if err := handshake(pair, trusted, name); err != nil {
				t.Errorf("%s: %s: %v", alg, name, err)
			}
		}
		if err := handshake(pair, trusted, "other.local"); err == nil {
			t.Errorf("%s: a name that was not asked for is accepted", alg)
		}
		if err := handshake(pair, x509.NewCertPool(), "localhost"); err == nil {
			t.Errorf("%s: a client that does not trust the root accepts it", alg)
		}
		if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 397*24*time.Hour {
			t.Errorf("%s: valid for %s, which browsers refuse", alg, life)
		}
		if !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) || leaf.IsCA {
			t.Errorf("%s: usages %v, authority %t", alg, leaf.ExtKeyUsage, leaf.IsCA)
		}
	}
}

func handshake(pair tls.Certificate, trusted *x509.CertPool, name string) error {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	go tls.Server(server, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
	return tls.Client(client, &tls.Config{RootCAs: trusted, ServerName: name}).Handshake()
}

func TestOpenSSLAcceptsTheChain(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	a := open(t, dir)
	for _, alg := range []cert.Algorithm{cert.ECDSA, cert.Ed25519} {
		chain, key, _ := issue(t, a, alg, names...)
		parts := cert.SplitChain(chain)
		if len(parts) != 3 || parts[2] != string(a.RootPEM()) {
			t.Fatalf("a chain of %d", len(parts))
		}
		leaf, between, private := filepath.Join(dir, "leaf"), filepath.Join(dir, "between"), filepath.Join(dir, "key")
		for path, data := range map[string]string{leaf: parts[0], between: parts[1], private: string(key)} {
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{
			{"verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "10.0.3.1", "-CAfile", filepath.Join(dir, "ca.crt"), "-untrusted", between, leaf},
			{"verify", "-x509_strict", "-verify_hostname", "hello.startos", "-CAfile", filepath.Join(dir, "ca.crt"), "-untrusted", between, leaf},
			{"pkey", "-in", private, "-check", "-noout"},
		} {
			if out, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
				t.Errorf("%s: openssl %s: %s", alg, strings.Join(args, " "), out)
			}
		}
	}
}

func TestSameNamesHaveTheSameCertificateAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	chain, key, _ := issue(t, a, cert.ECDSA, "b.local", "a.local", "::1", "10.0.3.1")
	for name, other := range map[string]*cert.Authority{"running": a, "restarted": open(t, dir)} {
		again, sameKey, _ := issue(t, other, cert.ECDSA, "0:0::1", "A.local.", "b.local", "a.local", "10.0.3.1")
		if !bytes.Equal(chain, again) || !bytes.Equal(key, sameKey) {
			t.Errorf("%s: another certificate for the same names", name)
		}
	}
	if _, other, leaf := issue(t, a, cert.Ed25519, "a.local"); bytes.Equal(key, other) || leaf.PublicKeyAlgorithm != x509.Ed25519 {
		t.Error("the algorithm does not matter")
	}
	if !bytes.Equal(a.RootPEM(), open(t, dir).RootPEM()) || a.Fingerprint() != open(t, dir).Fingerprint() {
		t.Error("another root after a restart")
	}
	if f := a.Fingerprint(); len(f) != 95 || strings.ToUpper(f) != f {
		t.Errorf("fingerprint %s", f)
	}
}

func TestLeafIsRenewedWithItsKeyBeforeItEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := open(t, dir)
		chain, key, first := issue(t, a, cert.ECDSA, "home.local")
		time.Sleep(time.Until(first.NotAfter) - 31*24*time.Hour)
		if same, _, _ := issue(t, a, cert.ECDSA, "home.local"); !bytes.Equal(chain, same) {
			t.Error("renewed too early")
		}
		time.Sleep(2 * 24 * time.Hour)
		for _, a := range []*cert.Authority{open(t, dir), a} {
			_, sameKey, next := issue(t, a, cert.ECDSA, "home.local")
			if !next.NotAfter.After(first.NotAfter) || !bytes.Equal(key, sameKey) {
				t.Errorf("not renewed: ends %s, same key %t", next.NotAfter, bytes.Equal(key, sameKey))
			}
		}
	})
}

func TestDamagedAuthorityIsToldAndNeverReplaced(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	open(t, whole)
	good, err := os.ReadFile(filepath.Join(whole, "authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	keys := ring(t, whole)
	strange := t.TempDir()
	open(t, strange)
	foreign, err := os.ReadFile(filepath.Join(strange, "authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty":              {},
		"cut":                good[:len(good)-300],
		"a byte changed":     bytes.Replace(good, good[40:44], []byte("AAAA"), 1),
		"key of another":     append(bytes.Clone(good[:bytes.Index(good, []byte("-----BEGIN SEALED"))]), foreign[bytes.Index(foreign, []byte("-----BEGIN SEALED")):]...),
		"without first part": good[bytes.Index(good, []byte("-----BEGIN SEALED")):],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "authority.pem")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := cert.Open(dir, "home", keys); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
			if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, data) {
				t.Errorf("the file was touched: %v", err)
			}
		})
	}
	if err := os.Remove(filepath.Join(whole, "authority.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Open(whole, "home", keys); err == nil {
		t.Error("a lost authority was replaced")
	}
}

func TestDamagedLeafIsIssuedAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chain, _, _ := issue(t, open(t, dir), cert.ECDSA, "home.local")
	files, err := filepath.Glob(filepath.Join(dir, "leaves", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, path := range []string{files[0], filepath.Join(dir, "leaves", "foreign")} {
		if err := os.WriteFile(path, []byte("-----BEGIN CERTIFICATE-----\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if next, _, _ := issue(t, open(t, dir), cert.ECDSA, "home.local"); bytes.Equal(chain, next) {
		t.Error("the damaged file was used")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "leaves", "*")); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func TestOnlyThisServerCanReadKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	issue(t, a, cert.ECDSA, "home.local")
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if public := filepath.Base(path) == "ca.crt"; public != (info.Mode().Perm() == 0o644) || !public && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLeafRefusesWhatIsNoName(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir())
	for name, in := range map[string][]string{
		"none":         {},
		"empty":        {""},
		"a space":      {"a b"},
		"an address":   {"https://a"},
		"a path":       {"../a"},
		"a long label": {strings.Repeat("a", 64)},
		"long":         {strings.Repeat("a.", 128)},
		"inner star":   {"a.*.b"},
		"a line break": {"a\n"},
		"too many":     strings.Split(strings.Repeat("a", 129), ""),
	} {
		if name == "too many" {
			for i := range in {
				in[i] = strings.Repeat("a", i%60+1) + strings.Repeat("b", i/60)
			}
		}
		if _, _, _, err := a.Leaf(cert.Package, in, cert.ECDSA); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, _, err := a.Leaf(cert.Package, []string{"a"}, "rsa"); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
		t.Errorf("another algorithm: got %v", err)
	}
}

func TestManyAtOnceGetOneCertificate(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir())
	var group sync.WaitGroup
	chains := make([][]byte, 16)
	for i := range chains {
		group.Go(func() { chains[i], _, _, _ = a.Leaf(cert.Package, []string{"home.local"}, cert.ECDSA) })
	}
	group.Wait()
	for _, c := range chains {
		if len(c) == 0 || !bytes.Equal(c, chains[0]) {
			t.Fatal("different certificates for the same names")
		}
	}
}

func TestHoldersNeverShareAKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	keys := map[string]cert.Holder{}
	for _, of := range []cert.Holder{cert.Server, cert.Package, cert.Device} {
		_, key, _, err := a.Leaf(of, []string{"nas.lan"}, cert.ECDSA)
		if err != nil || keys[string(key)] != "" {
			t.Fatalf("%s: the key of %q, %v", of, keys[string(key)], err)
		}
		keys[string(key)] = of
	}
	again := open(t, dir)
	for key, of := range keys {
		if _, same, _, err := again.Leaf(of, []string{"NAS.lan."}, cert.ECDSA); err != nil || string(same) != key {
			t.Errorf("%s has another key after a restart, %v", of, err)
		}
	}
}

func TestCertificatesOfDevicesAreListedAndForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	issue(t, a, cert.ECDSA, "hello.startos")
	i, chain, key, err := a.ForDevice([]string{"printer.lan", "192.168.1.9", "PRINTER.lan"}, cert.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(chain, key); err != nil {
		t.Fatal(err)
	}
	if i.Holder != cert.Device || i.Algorithm != cert.Ed25519 || !slices.Equal(i.Names, []string{"192.168.1.9", "printer.lan"}) {
		t.Errorf("issued %+v", i)
	}
	for _, a := range []*cert.Authority{a, open(t, dir)} {
		list := a.Issued()
		if len(list) != 2 || !slices.ContainsFunc(list, func(o cert.Issued) bool { return o.ID == i.ID && o.Fingerprint == i.Fingerprint }) {
			t.Errorf("listed %+v", list)
		}
	}
	for _, one := range a.Issued() {
		err := a.Forget(one.ID)
		if device := one.Holder == cert.Device; device != (err == nil) || !device && !fault.Is(err, metav1.Reason_REASON_CERTIFICATE_NOT_FOUND) {
			t.Errorf("forgetting that of a %s: %v", one.Holder, err)
		}
	}
	if list := open(t, dir).Issued(); len(list) != 1 || list[0].Holder != cert.Package {
		t.Errorf("left are %+v", list)
	}
}

func TestMoreDevicesThanMayBeKeptAreRefused(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir())
	var err error
	n := 0
	for ; err == nil && n < 300; n++ {
		_, _, _, err = a.ForDevice([]string{fmt.Sprintf("device%d.lan", n)}, cert.Ed25519)
	}
	if n != 257 || !fault.Is(err, metav1.Reason_REASON_CERTIFICATE_TOO_MANY) {
		t.Fatalf("the %d. is the first refused, with %v", n, err)
	}
	if _, _, _, err := a.ForDevice([]string{"device0.lan"}, cert.Ed25519); err != nil {
		t.Errorf("one that is kept: %v", err)
	}
	if _, _, _, err := a.Leaf(cert.Server, []string{"home.local"}, cert.ECDSA); err != nil {
		t.Errorf("the server's own: %v", err)
	}
}

func TestAppleProfileHoldsTheRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := cert.Open(dir, `Anna & "Bo" <home>`, ring(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	profile := a.AppleProfile()
	if !bytes.Equal(profile, open(t, dir).AppleProfile()) {
		t.Error("another profile each time")
	}
	var found [][]byte
	for dec := xml.NewDecoder(bytes.NewReader(profile)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "data" {
			var text string
			if err := dec.DecodeElement(&text, &start); err != nil {
				t.Fatal(err)
			}
			der, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, der)
		}
	}
	if len(found) != 1 || !bytes.Equal(found[0], a.Root().Raw) {
		t.Errorf("%d certificates in it", len(found))
	}
	for _, want := range []string{"com.apple.security.root", a.Fingerprint(), "Anna &amp; &#34;Bo&#34; &lt;home&gt;"} {
		if !bytes.Contains(profile, []byte(want)) {
			t.Errorf("%q is missing", want)
		}
	}
}

func FuzzLeaf(f *testing.F) {
	dir := f.TempDir()
	a, err := cert.Open(dir, "home", ring(f, dir))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"localhost", "a.b", "*.a", "::1%eth0", "::ffff:1.2.3.4", "ä", "-a", "a_b.c", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		chain, key, _, err := a.Leaf(cert.Package, []string{name}, cert.ECDSA)
		if err != nil {
			if !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
				t.Errorf("another reason: %v", err)
			}
			return
		}
		pair, err := tls.X509KeyPair(chain, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := pair.PrivateKey.(*ecdsa.PrivateKey); !ok {
			t.Errorf("a key of kind %T", pair.PrivateKey)
		}
		if n := len(pair.Leaf.DNSNames) + len(pair.Leaf.IPAddresses); n != 1 {
			t.Errorf("%d names in the certificate for %q", n, name)
		}
	})
}

func TestPrivateKeysLieSealedOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	_, key, _ := issue(t, a, cert.ECDSA, "home.local")
	block, _ := pem.Decode(key)
	all := everything(t, dir)
	if bytes.Contains(all, []byte("BEGIN PRIVATE KEY")) || bytes.Contains(all, block.Bytes) || bytes.Count(all, []byte("BEGIN SEALED PRIVATE KEY")) != 3 {
		t.Errorf("on disk: %s", all)
	}
	foreign := t.TempDir()
	if _, err := cert.Open(dir, "home", ring(t, foreign)); !errors.Is(err, seal.ErrOtherKey) {
		t.Errorf("with another root key: %v", err)
	}
}

// everything is the content of all files in a folder.
func everything(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		all = append(all, raw...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestKeysStayThroughAChangeOfTheRootKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := ring(t, dir)
	a, err := cert.Open(dir, "home", keys)
	if err != nil {
		t.Fatal(err)
	}
	chain, key, _ := issue(t, a, cert.ECDSA, "home.local")
	if err := keys.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Rewrap(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for range 2 {
		if err := a.Rewrap(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := keys.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	nextChain, nextKey, _ := issue(t, again, cert.ECDSA, "home.local")
	if !bytes.Equal(chain, nextChain) || !bytes.Equal(key, nextKey) || again.Fingerprint() != a.Fingerprint() {
		t.Error("another certificate after the change")
	}
}

func TestAKeyBroughtUnsealedIsSealedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	chain, key, _ := issue(t, a, cert.ECDSA, "home.local")
	leaves, err := filepath.Glob(filepath.Join(dir, "leaves", "*"))
	if err != nil || len(leaves) != 1 {
		t.Fatalf("%v, %v", leaves, err)
	}
	leaf := cert.SplitChain(chain)[0]
	if err := os.WriteFile(leaves[0], append([]byte(leaf), key...), 0o600); err != nil {
		t.Fatal(err)
	}
	nextChain, nextKey, _ := issue(t, open(t, dir), cert.ECDSA, "home.local")
	if !bytes.Equal(chain, nextChain) || !bytes.Equal(key, nextKey) {
		t.Error("it was not used")
	}
	if bytes.Contains(everything(t, dir), []byte("BEGIN PRIVATE KEY")) {
		t.Error("it still lies unsealed")
	}
}

// Before a server knows its addresses it shows the certificate that it had last, and none of somebody else, of a single domain, or of less.
func TestNewestIsWhatTheHolderWasGivenLast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	own := []string{"Home.local", "localhost"}
	if _, _, ok := a.Newest(cert.Server, own); ok {
		t.Fatal("a new authority has one")
	}
	issue(t, a, cert.ECDSA, append(own, "package.local")...)
	if _, _, ok := a.Newest(cert.Server, own); ok {
		t.Fatal("the one of a package is the server's")
	}
	var want, key []byte
	home, away := append(own, "192.0.2.7", "fd00::7"), append(own, "198.51.100.7")
	for _, names := range [][]string{own, home, away, home, {"home.example"}} { // it knows none of its addresses, some, others, and is back
		chain, k, _, err := a.Leaf(cert.Server, names, cert.ECDSA)
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == len(home) {
			want, key = chain, k
		}
	}
	for range 2 { // a start that nobody asks anything of changes nothing
		got, gotKey, ok := open(t, dir).Newest(cert.Server, own)
		if !ok || !bytes.Equal(got, want) || !bytes.Equal(gotKey, key) {
			t.Errorf("after a restart it is another: %t", ok)
		}
	}
}

// What nobody uses any more goes after some days, counted from its last use; what is used stays, and so do devices'.
func TestWhatNobodyUsesGoesAfterDays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	now := time.Now()
	for of, names := range map[cert.Holder][]string{cert.Server: {"home.local"}, cert.Package: {"hello.startos"}, cert.Device: {"printer.lan"}} {
		if _, _, _, err := a.Leaf(of, names, cert.ECDSA); err != nil {
			t.Fatal(err)
		}
	}
	a = open(t, dir) // nobody has asked for anything since it started
	none, all := func(cert.Issued) bool { return false }, func(cert.Issued) bool { return true }
	there := func(when string, want ...cert.Holder) {
		t.Helper()
		var have []cert.Holder
		for _, i := range a.Issued() {
			have = append(have, i.Holder)
		}
		slices.Sort(have)
		files, _ := os.ReadDir(filepath.Join(dir, "leaves"))
		if !slices.Equal(have, want) || len(files) != len(want) {
			t.Errorf("%s there are %v in %d files", when, have, len(files))
		}
	}
	sweep := func(at time.Time, used func(cert.Issued) bool) {
		t.Helper()
		if err := a.Sweep(at, used); err != nil {
			t.Fatal(err)
		}
	}
	const day = 24 * time.Hour
	sweep(now.Add(6*day), none)
	there("soon", cert.Device, cert.Package, cert.Server)
	sweep(now.Add(6*day+1), all)
	sweep(now.Add(12*day), none)
	there("days after it was used last", cert.Device, cert.Package, cert.Server)
	sweep(now.Add(14*day), func(i cert.Issued) bool { return i.Holder == cert.Server })
	there("after it was not used", cert.Device, cert.Server)
	if _, _, _, err := a.Leaf(cert.Server, []string{"home.local"}, cert.ECDSA); err != nil {
		t.Fatal(err)
	}
	if i := a.Issued(); i[0].Asked.IsZero() && i[1].Asked.IsZero() {
		t.Errorf("nobody has asked for %v", i)
	}
	sweep(now.Add(3*day), none)
	there("what was asked for a short time ago", cert.Device, cert.Server)
}
