package diagnose_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/hearthos/hearth/server/internal/diagnose"
)

func TestChecksThatHangOrPanicFailAloneAndInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := diagnose.Run(t.Context(), slog.New(slog.DiscardHandler), []diagnose.Check{
			{Name: "hangs", Look: func(ctx context.Context) diagnose.Finding {
				<-ctx.Done()
				return diagnose.OK(diagnose.Words{Text: "late"})
			}},
			{Name: "panics", Look: func(context.Context) diagnose.Finding { panic("broken") }},
			{Name: "warns", Look: func(context.Context) diagnose.Finding {
				return diagnose.Warn(diagnose.Words{Name: "left", Text: "{{.Count}} left", Remedy: "Do {{.What}}."}, "Count", 3, "What", "{{.Count}}")
			}},
			{Name: "fine", Look: func(context.Context) diagnose.Finding { return diagnose.OK(diagnose.Words{Text: "all of it"}) }},
			{Name: "unknown", Look: func(context.Context) diagnose.Finding { return diagnose.Skip(diagnose.Words{Text: "not here"}) }},
		})
		var got []string
		for _, c := range list {
			got = append(got, fmt.Sprintf("%s %s", c.GetName(), strings.TrimPrefix(c.GetResult().String(), "RESULT_")))
		}
		if diff := cmp.Diff([]string{"hangs FAIL", "panics FAIL", "warns WARN", "fine OK", "unknown SKIP"}, got); diff != "" {
			t.Error(diff)
		}
		// Values are filled in once: what stands in one is no place for another.
		want := &diagnosticsv1.Check{
			Name: "warns", Result: diagnosticsv1.Check_RESULT_WARN, Detail: "3 left", Remedy: "Do {{.Count}}.",
			Words: "left", Metadata: map[string]string{"Count": "3", "What": "{{.Count}}"},
		}
		if diff := cmp.Diff(want, list[2], protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	})
}

// What a check found is said in any language: values that are texts themselves have their keys, and what a program said stands for
// itself.
func TestWhatAProgramSaidIsBesideTheWordsAndTextsWithinThemHaveKeys(t *testing.T) {
	t.Parallel()
	why := &metav1.Words{Key: "capability.device.missing.text", Metadata: map[string]string{"Path": "/dev/fuse"}}
	list := diagnose.Run(t.Context(), slog.New(slog.DiscardHandler), []diagnose.Check{{Name: "lacks", Look: func(context.Context) diagnose.Finding {
		words := diagnose.Words{Name: "lack", Text: "{{.Name}}: {{.Why}}"}
		return diagnose.Fail(words, "Name", "fuse", "Why", diagnose.Spoken{Text: "there is no /dev/fuse", Words: why}).Quoted("no such device")
	}}})
	want := []*diagnosticsv1.Check{{
		Name: "lacks", Result: diagnosticsv1.Check_RESULT_FAIL, Detail: "fuse: there is no /dev/fuse", Words: "lack", Quote: "no such device",
		Metadata: map[string]string{"Name": "fuse", "Why": "there is no /dev/fuse"}, Spoken: map[string]*metav1.Words{"Why": why},
	}}
	if diff := cmp.Diff(want, list, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

// canary is what must not come through.
const canary = "canary4711xyz"

func TestSecretsDoNotComeThrough(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"token hearth_" + canary + " was used",
		"Authorization: Bearer " + canary,
		"authorization=[Bearer " + canary + "]",
		"Cookie: a=b; session=" + canary,
		"Set-Cookie: __Host-hearth=" + canary + "; Secure",
		`{"password":"` + canary + `","user":"me"}`,
		`{"dbPassword" : "` + canary + `"}`,
		`{"apiKey":"x\"` + canary + `"}`,
		`msg="got {\"rootPassword\":\"` + canary + `\"}"`,
		"password=" + canary + " user=me",
		"POSTGRES_PASSWORD=" + canary,
		"db.password: '" + canary + "'",
		`secret="two words ` + canary + `"`,
		"https://me:" + canary + "@host/path",
		"GET /x?token=" + canary + "&y=1",
		"-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----",
		"-----BEGIN EC PRIVATE KEY----- " + canary + " -----END EC PRIVATE KEY-----",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n" + canary,
		"recovery_code: " + canary,
		"level=INFO msg=\"nobody has claimed this server\" claim_code=" + canary,
	} {
		for _, step := range []int{1, 7, len(text)} {
			var out bytes.Buffer
			r := diagnose.Redact(&out)
			for from := 0; from < len(text); from += step {
				if _, err := io.WriteString(r, text[from:min(from+step, len(text))]); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), canary) || !strings.Contains(out.String(), "[removed]") {
				t.Errorf("%q became %q", text, out.String())
			}
		}
	}
}

func TestWhatIsNotSecretComesThroughAsItIs(t *testing.T) {
	t.Parallel()
	const text = "level=INFO msg=call method=/hearth.packages.v1.PackageService/ListPackages took=1.2ms\n\n{\"state\":\"running\",\"id\":\"hello\"}\n-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\nlast line"
	var out bytes.Buffer
	r := diagnose.Redact(&out)
	if _, err := io.WriteString(r, text); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, out.String()); diff != "" {
		t.Error(diff)
	}
}

func collect(t *testing.T, parts ...diagnose.Part) (files map[string]string, pieces int) {
	t.Helper()
	files = make(map[string]string)
	err := diagnose.Collect(t.Context(), parts, func(p *diagnosticsv1.CollectReportResponse) error {
		if _, there := files[p.GetName()]; there == (p.GetAbout() != "") {
			t.Errorf("piece of %s says about %q", p.GetName(), p.GetAbout())
		}
		files[p.GetName()] += string(p.GetData())
		pieces++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, pieces
}

func TestReportIsCleanedAndBounded(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("x", 1000) + " password=" + canary + "\n"
	files, pieces := collect(t,
		diagnose.Part{Name: "a", About: "much", Write: func(_ context.Context, to io.Writer) error {
			for range 20000 {
				if _, err := io.WriteString(to, line); err != nil {
					return err
				}
			}
			return nil
		}},
		diagnose.Part{Name: "b", About: "nothing", Write: func(context.Context, io.Writer) error { return nil }},
		diagnose.Part{Name: "c", About: "broken", Write: func(_ context.Context, to io.Writer) error {
			io.WriteString(to, "begun\n")
			return errors.New("no: token=" + canary)
		}},
	)
	all := files["a"] + files["b"] + files["c"]
	if strings.Contains(all, canary) {
		t.Error("the secret came through")
	}
	if n := len(files["a"]); n < 7<<20 || n > 9<<20 || !strings.Contains(files["a"], "[cut off after") || pieces < 20 {
		t.Errorf("%d bytes in %d pieces", n, pieces)
	}
	if _, there := files["b"]; !there || !strings.HasPrefix(files["c"], "begun\n") || !strings.Contains(files["c"], "could not be written") {
		t.Errorf("%q", files["c"])
	}
}

func TestCallerWhoGoesEndsTheReport(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	err := diagnose.Collect(t.Context(), []diagnose.Part{{Name: "a", Write: func(_ context.Context, to io.Writer) error {
		_, err := io.WriteString(to, "x")
		return err
	}}}, func(*diagnosticsv1.CollectReportResponse) error { return gone })
	if !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

// What is secret has many shapes; none of them, and no bytes at all, may break the redactor or make it hold on to much.
func FuzzRedact(f *testing.F) {
	f.Add([]byte("a\npassword=b\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"))
	f.Add([]byte(`{"token":"\`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var whole, parts bytes.Buffer
		r := diagnose.Redact(&whole)
		if _, err := r.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		p := diagnose.Redact(&parts)
		for i := range data {
			if _, err := p.Write(data[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(whole.Bytes(), parts.Bytes()) {
			t.Errorf("it matters how it is written: %q and %q", whole.Bytes(), parts.Bytes())
		}
	})
}
