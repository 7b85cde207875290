package sign_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/sign"
)

type requestVector struct {
	Body, Context, Header string
	Timestamp             int64
}

func readRequest(t testing.TB) requestVector {
	t.Helper()
	raw, err := os.ReadFile("testdata/auth.json")
	if err != nil {
		t.Fatal(err)
	}
	var v requestVector
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	v.Header = strings.TrimPrefix(v.Header, sign.RequestHeader+": ")
	return v
}

func seed42() sign.PrivateKey {
	return sign.FromSeed([32]byte([]byte(strings.Repeat("\x42", 32))))
}

func TestRecordedRequestIsReproducedAndAccepted(t *testing.T) {
	t.Parallel()
	v := readRequest(t)
	now := time.Unix(v.Timestamp, 0)
	ours, err := sign.SignRequest(seed42(), v.Context, []byte(v.Body), now, 81985529216486895)
	if err != nil || ours.Header() != v.Header {
		t.Fatalf("got  %s\nwant %s, %v", ours.Header(), v.Header, err)
	}
	r, err := sign.ParseRequest(v.Header)
	if err != nil || r != ours {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := errors.Join(sign.NewGuard(time.Time{}, "other.example", v.Context).Check(r, now), r.CheckBody([]byte(v.Body))); err != nil {
		t.Fatal(err)
	}
}

func TestRequestsAreRefusedWithTheirReason(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	honest, err := sign.SignRequest(seed42(), "server", []byte("body"), now, 7)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*sign.Request)
		now    time.Time
		want   error
	}{
		"honest":         {func(*sign.Request) {}, now, nil},
		"just in time":   {func(*sign.Request) {}, now.Add(sign.RequestWindow), nil},
		"too late":       {func(*sign.Request) {}, now.Add(sign.RequestWindow + time.Second), sign.ErrRequestTime},
		"too early":      {func(*sign.Request) {}, now.Add(-sign.RequestWindow - time.Second), sign.ErrRequestTime},
		"time changed":   {func(r *sign.Request) { r.Timestamp++ }, now, sign.ErrSignature},
		"nonce changed":  {func(r *sign.Request) { r.Nonce++ }, now, sign.ErrSignature},
		"size changed":   {func(r *sign.Request) { r.Size++ }, now, sign.ErrSignature},
		"hash changed":   {func(r *sign.Request) { r.BodyHash[0]++ }, now, sign.ErrSignature},
		"signer changed": {func(r *sign.Request) { r.Signer = sign.FromSeed([32]byte{1}).Public() }, now, sign.ErrSignature},
		"weak signer":    {func(r *sign.Request) { r.Signer = sign.PublicKey{} }, now, sign.ErrSmallOrder},
		"endless time":   {func(r *sign.Request) { r.Timestamp = -1 << 62 }, now, sign.ErrRequestTime},
	} {
		r := honest
		c.change(&r)
		if err := sign.NewGuard(time.Time{}, "server").Check(r, c.now); !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := sign.NewGuard(time.Time{}, "another").Check(honest, now); !errors.Is(err, sign.ErrSignature) {
		t.Error(err)
	}
	for _, body := range []string{"", "bodY", "body "} {
		if err := honest.CheckBody([]byte(body)); !errors.Is(err, sign.ErrRequestBody) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestARequestPassesOnceForAsLongAsItsTimeIsAccepted(t *testing.T) {
	t.Parallel()
	signed := time.Unix(1_800_000_000, 0)
	r, err := sign.SignRequest(seed42(), "server", nil, signed, 7)
	if err != nil {
		t.Fatal(err)
	}
	g := sign.NewGuard(time.Time{}, "server")
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if g.Check(r, signed.Add(-sign.RequestWindow)) == nil {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 1 {
		t.Fatalf("%d of 20 passed", passed.Load())
	}
	for d := -sign.RequestWindow; d <= sign.RequestWindow; d += time.Second {
		if err := g.Check(r, signed.Add(d)); !errors.Is(err, sign.ErrRequestReplay) {
			t.Fatalf("after %s: %v", d, err)
		}
	}
	other, err := sign.SignRequest(sign.FromSeed([32]byte{9}), "server", nil, signed, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Check(other, signed); err != nil {
		t.Fatalf("another signer's nonce: %v", err)
	}
}

func TestOneSignerCannotFillTheMemory(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	g := sign.NewGuard(time.Time{}, "server")
	check := func(key sign.PrivateKey, nonce uint64, now time.Time) error {
		r, err := sign.SignRequest(key, "server", nil, now, nonce)
		if err != nil {
			t.Fatal(err)
		}
		return g.Check(r, now)
	}
	var n uint64
	for ; n < 5000; n++ {
		if err := check(seed42(), n, now); err != nil {
			if !errors.Is(err, sign.ErrRequestRate) {
				t.Fatal(err)
			}
			break
		}
	}
	if n == 5000 {
		t.Fatal("one signer had 5000 requests remembered")
	}
	if err := check(sign.FromSeed([32]byte{9}), 1, now); err != nil {
		t.Fatalf("another signer: %v", err)
	}
	if err := check(seed42(), n, now.Add(3*sign.RequestWindow)); err != nil {
		t.Fatalf("later: %v", err)
	}
}

func FuzzParseRequest(f *testing.F) {
	v := readRequest(f)
	f.Add(v.Header)
	f.Add("timestamp=1&timestamp=2")
	f.Add("timestamp=1&nonce=2&size=3&blake3=&signer=&signature=")
	f.Fuzz(func(t *testing.T, header string) {
		r, err := sign.ParseRequest(header)
		if err != nil {
			if !errors.Is(err, sign.ErrEncoding) && !errors.Is(err, sign.ErrSmallOrder) {
				t.Fatal(err)
			}
			return
		}
		if again, err := sign.ParseRequest(r.Header()); err != nil || again != r {
			t.Fatalf("%+v became %+v, %v", r, again, err)
		}
	})
}
