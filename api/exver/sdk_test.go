package exver_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/exver"
	"pgregory.net/rapid"
)

type sdkRequest struct {
	A       string `json:"a"`
	B       string `json:"b"`
	Version string `json:"version"`
}

type sdkAnswer struct {
	OK          bool   `json:"ok"`
	Text        string `json:"text,omitempty"`
	Normal      string `json:"normal,omitempty"`
	Satisfiable bool   `json:"satisfiable,omitempty"`
	Intersects  bool   `json:"intersects,omitempty"`
	Contains    bool   `json:"contains,omitempty"`
}

func ownAnswer(t *testing.T, r sdkRequest) sdkAnswer {
	a, errA := exver.ParseCodeRange(r.A)
	b, errB := exver.ParseCodeRange(r.B)
	if errA != nil || errB != nil {
		return sdkAnswer{}
	}
	return sdkAnswer{true, a.String(), a.Normal().String(), a.Satisfiable(), a.Intersects(b), a.Contains(mustParse(t, r.Version))}
}

// What package code would answer about a few hundred ranges nobody thought of is asked of the SDK itself.
func TestRangesOfPackageCodeAreThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "node_modules/@start9labs/start-sdk")); err != nil {
		t.Skip("needs the npm package @start9labs/start-sdk: npm install")
	}
	var requests []sdkRequest
	// Package code reads no mixed parts of a tag in a version, and takes an empty flavor for none.
	version := rapid.StringMatching(`(#[ab]:)?[0-3](\.[0-3]){0,3}(-(alpha|beta))?:[0-3](\.[0-3])?`)
	request := rapid.Custom(func(t *rapid.T) sdkRequest {
		return sdkRequest{rangeText().Draw(t, "a"), rangeText().Draw(t, "b"), version.Draw(t, "version")}
	})
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for seed := range 200 {
		r := request.Example(seed)
		requests = append(requests, r)
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(root, "api/exver/testdata/answer.cjs"))
	cmd.Dir, cmd.Stdin = root, &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != len(requests) {
		t.Fatalf("%d answers to %d requests", len(lines), len(requests))
	}
	read := 0
	for i, r := range requests {
		var want sdkAnswer
		if err := json.Unmarshal(lines[i], &want); err != nil {
			t.Fatal(err)
		}
		if want.OK {
			read++
		}
		if diff := cmp.Diff(want, ownAnswer(t, r)); diff != "" {
			t.Errorf("%+v\n%s", r, diff)
		}
	}
	if read < len(requests)/2 {
		t.Errorf("the SDK read only %d of %d pairs", read, len(requests))
	}
}
