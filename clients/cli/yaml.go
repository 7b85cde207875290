package main

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What the library says of a file that a person wrote, in terms of the program's own types.
var (
	unknownField = regexp.MustCompile(`^(line \d+: )field (.*) not found in type \S+$`)
	wrongForm    = regexp.MustCompile(`^(line \d+: )cannot unmarshal .*$`)
)

// readYAML reads a file that people write, in which nothing may stand that is not known. Its errors name lines and fields, and no
// types of the program. An empty file leaves into what it is.
func readYAML(raw []byte, into any) error {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	err := dec.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	mistakes, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return err
	}
	told := make([]string, len(mistakes.Errors))
	for i, text := range mistakes.Errors {
		text = unknownField.ReplaceAllString(text, `${1}there is no field "${2}"`)
		told[i] = wrongForm.ReplaceAllString(text, `${1}something else belongs there`)
	}
	return errors.New(strings.Join(told, "; "))
}
