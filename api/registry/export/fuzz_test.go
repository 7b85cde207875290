package export_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/hearthos/hearth/api/registry/export"
)

// FuzzParse reads what strangers may put in place of the signed files.
func FuzzParse(f *testing.F) {
	made, e := folder{}, newExporter(f)
	e.write(made, start, source(f, map[string][]string{"hello": {"1.0.0:0"}}))
	for _, name := range []string{"1.root.json", "timestamp.json", made.newest("snapshot"), made.newest("targets")} {
		f.Add(made[name].Data)
	}
	f.Add([]byte(`{"signed":{"_type":"targets","version":1,"targets":{"a":null}},"signatures":[]}`))
	f.Add([]byte(`{"signed":{"_type":"timestamp","version":1,"meta":{"snapshot.json":null}},"signatures":[]}`))
	f.Add([]byte(`{"signed":{"_type":"root","version":1,"consistent_snapshot":true,"keys":{"a":null},"roles":{"root":null}},"signatures":[]}`))
	f.Fuzz(func(_ *testing.T, raw []byte) { export.Parse(raw) })
}

// FuzzFiles puts other bytes in place of each file of an export: whoever has seen it once gets what was signed, or an error
// that says what is wrong.
func FuzzFiles(f *testing.F) {
	made, e := folder{}, newExporter(f)
	result := e.write(made, start, source(f, map[string][]string{"hello": {"1.0.0:0"}, "needed": {"1.0.0:0"}}))
	trust := trusted(f, made, result.Fingerprint, start)
	names := []string{"1.root.json", "2.root.json", "timestamp.json", made.newest("snapshot"), made.newest("targets"), made.newestTarget(f, "packages.json"), made.newestTarget(f, "hello.json"), made.newestTarget(f, "info.json")}
	for i, name := range names {
		if made[name] != nil {
			f.Add(uint8(i), made[name].Data)
		}
		f.Add(uint8(i), []byte("{}"))
	}
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		changed := made.clone()
		changed[names[int(which)%len(names)]] = &fstest.MapFile{Data: raw, Mode: 0o644}
		if err := look(t.Context(), changed.place(), trust, start); err != nil && !errors.As(err, new(*export.Error)) {
			t.Errorf("the error is %v", err)
		}
	})
}
