package ids_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/ids"
	"pgregory.net/rapid"
)

var pattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func TestPackageFollowsThePattern(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"a", "0", "hello-world", "a-b-c-9", strings.Repeat("x", 63)} {
		if got, err := ids.ParsePackage(s); err != nil || string(got) != s {
			t.Errorf("ParsePackage(%q) = %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "-a", "a-", "a--b", "A", "a_b", "a/b", "a.b", "ä", "a b", "a\x00", "..", strings.Repeat("x", 64)} {
		_, err := ids.ParsePackage(s)
		var refused *ids.Error
		if !errors.As(err, &refused) || refused.Kind != ids.KindPackage {
			t.Errorf("ParsePackage(%q) gives %v, want a refusal", s, err)
		}
	}
}

func TestNameRuleIsTheRegularExpression(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom([]rune("ab09-A_/.")), 0, 12, -1).Draw(t, "s")
		_, err := ids.ParseImage(s)
		if (err == nil) != pattern.MatchString(s) {
			t.Fatalf("ParseImage(%q): %v", s, err)
		}
	})
}

func TestReservedNamesAreRefusedOnlyForNewPackages(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"startos", "hearth", "server"} {
		if p, err := ids.ParsePackage(s); err != nil || !p.Reserved() {
			t.Errorf("ParsePackage(%q): %v", s, err)
		}
		if _, err := ids.ParseNewPackage(s); err == nil {
			t.Errorf("ParseNewPackage(%q) was accepted", s)
		}
	}
	if _, err := ids.ParseNewPackage("hearth-cam"); err != nil {
		t.Error(err)
	}
}

func TestBackupVolumeIsTheOnlyUpperCaseName(t *testing.T) {
	t.Parallel()
	if v, err := ids.ParseVolume("BACKUP"); err != nil || v != ids.BackupVolume {
		t.Errorf("BACKUP: %q, %v", v, err)
	}
	if _, err := ids.ParseVolume("Backup"); err == nil {
		t.Error("Backup was accepted")
	}
}

func TestErrorsNeverCarryEndlessText(t *testing.T) {
	t.Parallel()
	_, err := ids.ParsePackage(strings.Repeat("é", 1<<20))
	if err == nil || len(err.Error()) > 300 {
		t.Fatalf("error of %d bytes", len(err.Error()))
	}
}

func TestJoinAndSplitAreInverse(t *testing.T) {
	t.Parallel()
	id, err := ids.Join("hello", "main")
	if err != nil || id != "hello/main" || ids.Parent(id) != "hello" {
		t.Fatalf("%q, %v, parent %q", id, err, ids.Parent(id))
	}
	for _, bad := range []string{"", "/", "a/", "/a", "a//b", "a/../b", ".", "a/\x00", "a/\xff", strings.Repeat("a/", 600) + "a"} {
		if parts, err := ids.Split(bad); err == nil {
			t.Errorf("Split(%q) = %q", bad, parts)
		}
	}
	if _, err := ids.Join(); err == nil {
		t.Error("Join of nothing was accepted")
	}
	if _, err := ids.Join("a", "b/c"); err == nil {
		t.Error("a separator inside a segment was accepted")
	}
}

func TestEscapeIsReversibleAndGivesOneSegment(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		free := rapid.StringN(1, 100, ids.MaxFree).Draw(t, "free")
		segment, err := ids.Escape(free)
		if err != nil {
			t.Fatal(err)
		}
		if parts, err := ids.Split(segment); err == nil && len(parts) != 1 {
			t.Fatalf("%q is more than one segment", segment)
		}
		if back, err := ids.Unescape(segment); err != nil || back != free {
			t.Fatalf("%q -> %q -> %q, %v", free, segment, back, err)
		}
	})
	for _, bad := range []string{"%", "%4", "%41", "%zz", "%2F", "a b", ""} {
		if got, err := ids.Unescape(bad); err == nil {
			t.Errorf("Unescape(%q) = %q", bad, got)
		}
	}
}

func TestULIDsSortByTimeAndRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_790_000_000_123).UTC()
	first, err := ids.NewULID(at, bytes.NewReader(bytes.Repeat([]byte{0xff}, 10)))
	if err != nil {
		t.Fatal(err)
	}
	second, err := ids.NewULID(at.Add(time.Millisecond), bytes.NewReader(make([]byte, 10)))
	if err != nil {
		t.Fatal(err)
	}
	if !(first < second) || len(first) != 26 || strings.ToLower(string(first)) != string(first) {
		t.Fatalf("%q, %q", first, second)
	}
	if got, err := ids.ParseULID(string(first)); err != nil || !got.Time().Equal(at) {
		t.Fatalf("%v, %v", got.Time(), err)
	}
	for _, bad := range []string{"", strings.ToUpper(string(first)), "8" + string(first[1:]), string(first) + "0", strings.Repeat("u", 26)} {
		if _, err := ids.ParseULID(bad); err == nil {
			t.Errorf("ParseULID(%q) was accepted", bad)
		}
	}
	if _, err := ids.NewULID(at, bytes.NewReader(nil)); err == nil {
		t.Error("a ulid without entropy was made")
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("hello/main")
	f.Add("a//b")
	f.Fuzz(func(t *testing.T, s string) {
		parts, err := ids.Split(s)
		if err != nil {
			return
		}
		if again, err := ids.Join(parts...); err != nil || again != s {
			t.Fatalf("%q -> %q -> %q, %v", s, parts, again, err)
		}
	})
}
