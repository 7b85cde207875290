package sign_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hearthos/hearth/api/sign"
)

type authVector struct {
	Context, PrivateKeyPemV1, PrivateKeyPemV2, PublicKeyPem, SignaturePem string
	SeedHex, SignedInputHex, SignatureHex                                 string
}

func readVector(t *testing.T) authVector {
	t.Helper()
	raw, err := os.ReadFile("testdata/auth.json")
	if err != nil {
		t.Fatal(err)
	}
	var v authVector
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordedSignatureIsReproducedAndVerifies(t *testing.T) {
	t.Parallel()
	v := readVector(t)
	key := sign.FromSeed([32]byte(unhex(t, v.SeedHex)))
	message := unhex(t, v.SignedInputHex)
	s, err := key.Sign(v.Context, message)
	if err != nil || s.PEM() != v.SignaturePem || hex.EncodeToString(s[:]) != v.SignatureHex {
		t.Fatalf("%x, %v", s, err)
	}
	if err := key.Public().Verify(v.Context, message, s); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"context": key.Public().Verify("other", message, s),
		"message": key.Public().Verify(v.Context, message[1:], s),
		"key":     sign.FromSeed([32]byte{1}).Public().Verify(v.Context, message, s),
	} {
		if !errors.Is(err, sign.ErrSignature) {
			t.Errorf("a foreign %s gives %v", name, err)
		}
	}
	for i := range s {
		changed := s
		changed[i] ^= 0x10
		if err := key.Public().Verify(v.Context, message, changed); !errors.Is(err, sign.ErrSignature) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
}

func TestPEMFormsMatchTheRecordedOnes(t *testing.T) {
	t.Parallel()
	v := readVector(t)
	for _, text := range []string{v.PrivateKeyPemV1, v.PrivateKeyPemV2, strings.TrimSpace(v.PrivateKeyPemV2)} {
		key, err := sign.ParsePrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := key.PEM(); err != nil || out != v.PrivateKeyPemV2 || key.Public().PEM() != v.PublicKeyPem {
			t.Fatalf("%s, %v", key.Public().PEM(), err)
		}
	}
	pub, err := sign.ParsePublicKey(strings.TrimSpace(v.PublicKeyPem))
	if err != nil || pub.PEM() != v.PublicKeyPem {
		t.Fatal(err)
	}
	s, err := sign.ParseSignature(v.SignaturePem)
	if err != nil || s.PEM() != v.SignaturePem {
		t.Fatal(err)
	}
	for _, bad := range []string{"", v.SignaturePem, v.PublicKeyPem + v.PublicKeyPem, v.PublicKeyPem + "x", strings.Repeat(" ", 5000), v.PublicKeyPem[:60]} {
		if _, err := sign.ParsePublicKey(bad); !errors.Is(err, sign.ErrEncoding) {
			t.Errorf("%.40q gives %v", bad, err)
		}
	}
}

func TestPrivateKeyWithForeignPublicHalfIsRefused(t *testing.T) {
	t.Parallel()
	v := readVector(t)
	swapped := strings.Replace(v.PrivateKeyPemV2, "gSEAIVL4", "gSEAIVL5", 1)
	if swapped == v.PrivateKeyPemV2 {
		t.Fatal("the vector has another form than expected")
	}
	if _, err := sign.ParsePrivateKey(swapped); err == nil {
		t.Fatal("it was accepted")
	}
}

// The curve in plain arithmetic: a point is of small order when eight times it is the neutral element.
func TestSmallOrderListIsExact(t *testing.T) {
	t.Parallel()
	for _, y := range []string{"00", "01", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ec" + strings.Repeat("ff", 30) + "7f", "ed" + strings.Repeat("ff", 30) + "7f", "ee" + strings.Repeat("ff", 30) + "7f"} {
		var k sign.PublicKey
		copy(k[:], unhex(t, y))
		if !eightTimesIsNeutral(k) {
			t.Errorf("%s is not of small order", y)
		}
		for _, signBit := range []byte{0, 0x80} {
			k[31] = k[31]&0x7f | signBit
			if !k.SmallOrder() {
				t.Errorf("%x is not recognised", k)
			}
			if _, err := sign.ParsePublicKey(k.PEM()); !errors.Is(err, sign.ErrSmallOrder) {
				t.Errorf("%x as PEM gives %v", k, err)
			}
			if err := k.Verify("s9pk", nil, sign.Signature{1}); !errors.Is(err, sign.ErrSmallOrder) {
				t.Errorf("verifying with %x gives %v", k, err)
			}
		}
	}
	for i := range 64 {
		k := sign.FromSeed([32]byte{byte(i)}).Public()
		if k.SmallOrder() || eightTimesIsNeutral(k) {
			t.Errorf("%x is called small", k)
		}
	}
}

func eightTimesIsNeutral(k sign.PublicKey) bool {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	mod := func(z *big.Int) *big.Int { return z.Mod(z, p) }
	mul := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Mul(a, b)) }
	inv := func(a *big.Int) *big.Int { return new(big.Int).ModInverse(a, p) }
	d := mul(big.NewInt(-121665), inv(big.NewInt(121666)))
	one := big.NewInt(1)

	little := bytes.Clone(k[:])
	little[31] &= 0x7f
	for i, j := 0, 31; i < j; i, j = i+1, j-1 {
		little[i], little[j] = little[j], little[i]
	}
	y := mod(new(big.Int).SetBytes(little))
	yy := mul(y, y)
	x := new(big.Int).ModSqrt(mul(mod(new(big.Int).Sub(yy, one)), inv(mod(new(big.Int).Add(mul(d, yy), one)))), p)
	if x == nil {
		return false
	}
	for range 3 {
		xx, yy, xy := mul(x, x), mul(y, y), mul(x, y)
		dxy := mul(d, mul(xx, yy))
		x = mul(mod(new(big.Int).Add(xy, xy)), inv(mod(new(big.Int).Add(one, dxy))))
		y = mul(mod(new(big.Int).Add(yy, xx)), inv(mod(new(big.Int).Sub(one, dxy))))
	}
	return x.Sign() == 0 && y.Cmp(one) == 0
}

func TestSignatureWithSmallOrderPointIsRefused(t *testing.T) {
	t.Parallel()
	// S = 0 and R = the neutral element verify for no honest key, but must be refused before any arithmetic.
	if err := sign.FromSeed([32]byte{9}).Public().Verify("s9pk", []byte("x"), sign.Signature{1}); !errors.Is(err, sign.ErrSignature) {
		t.Fatal(err)
	}
}

func TestKeyFileIsCreatedOnceAndPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "developer.key.pem")
	keys := make([]sign.PublicKey, 8)
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() {
			k, err := sign.LoadOrCreateKey(path, rand.Reader)
			if err != nil {
				t.Error(err)
			}
			keys[i] = k.Public()
		})
	}
	wait.Wait()
	for _, k := range keys {
		if k != keys[0] || k == (sign.PublicKey{}) {
			t.Fatalf("callers got different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*"))
	if err != nil || len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := sign.LoadKey(path); err == nil {
		t.Fatal("a key everybody can read was accepted")
	}
}

func TestDamagedKeyFileIsNeverReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sign.LoadOrCreateKey(path, rand.Reader); !errors.Is(err, sign.ErrEncoding) {
		t.Fatalf("%v", err)
	}
	if raw, _ := os.ReadFile(path); string(raw) != "not a key" {
		t.Fatalf("the file was replaced by %q", raw)
	}
}

func TestPrivateKeyIsNeverPrinted(t *testing.T) {
	t.Parallel()
	key := sign.FromSeed([32]byte(bytes.Repeat([]byte{0x42}, 32)))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", key, "in", struct{ K sign.PrivateKey }{key})
	text := log.String() + fmt.Sprintf("%v %+v %#v %s %x %d", key, key, key, key, key, key)
	if strings.Contains(text, "4242") || strings.Contains(text, "66 66") || strings.Contains(text, "BBBB") {
		t.Fatal(text)
	}
	if _, err := (sign.PrivateKey{}).Sign("s9pk", nil); err == nil {
		t.Error("a missing key signed")
	}
}

// The second test vector of RFC 8032, section 7.1.
func TestPlainSignaturesAreThoseOfTheStandard(t *testing.T) {
	t.Parallel()
	key := sign.FromSeed([32]byte(unhex(t, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")))
	s, err := key.SignPlain([]byte{0x72})
	if want := "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"; err != nil || hex.EncodeToString(s[:]) != want {
		t.Fatalf("%x, %v", s, err)
	}
	public := key.Public()
	if err := public.VerifyPlain([]byte{0x72}, s); err != nil {
		t.Error(err)
	}
	prehashed, err := key.Sign("", []byte{0x72})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"other message":       public.VerifyPlain([]byte{0x73}, s),
		"pre-hashed":          public.VerifyPlain([]byte{0x72}, prehashed),
		"under a context":     public.Verify("", []byte{0x72}, s),
		"of another key":      sign.FromSeed([32]byte{1}).Public().VerifyPlain([]byte{0x72}, s),
		"R is of small order": public.VerifyPlain([]byte{0x72}, sign.Signature{}),
	} {
		if !errors.Is(err, sign.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (sign.PublicKey{}).VerifyPlain(nil, s); !errors.Is(err, sign.ErrSmallOrder) {
		t.Error(err)
	}
	if _, err := (sign.PrivateKey{}).SignPlain(nil); err == nil {
		t.Error("no key signs")
	}
}

func FuzzParseKeys(f *testing.F) {
	raw, err := os.ReadFile("testdata/auth.json")
	if err != nil {
		f.Fatal(err)
	}
	var v authVector
	if err := json.Unmarshal(raw, &v); err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{v.PrivateKeyPemV1, v.PrivateKeyPemV2, v.PublicKeyPem, v.SignaturePem} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := sign.ParsePublicKey(s); err == nil {
			if again, err := sign.ParsePublicKey(k.PEM()); err != nil || again != k {
				t.Fatal(err)
			}
		}
		if sig, err := sign.ParseSignature(s); err == nil {
			if again, err := sign.ParseSignature(sig.PEM()); err != nil || again != sig {
				t.Fatal(err)
			}
		}
		if k, err := sign.ParsePrivateKey(s); err == nil {
			text, err := k.PEM()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := sign.ParsePrivateKey(text); err != nil || again.Public() != k.Public() {
				t.Fatal(err)
			}
		}
	})
}

func TestPublicKeysAreReadFromBothKindsOfFiles(t *testing.T) {
	t.Parallel()
	key := sign.FromSeed([32]byte{7})
	private, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		good bool
	}{
		"public, for everybody":  {key.Public().PEM(), 0o644, true},
		"private":                {private, 0o600, true},
		"private, for everybody": {private, 0o644, false},
		"none":                   {"no key", 0o644, false},
		"too long":               {key.Public().PEM() + strings.Repeat("\n", 8192), 0o644, false},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if got, err := sign.LoadPublicKey(path); (err == nil) != c.good || c.good && got != key.Public() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
