package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"syscall"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/api/text"
)

// What goes wrong here, with files, versions and keys at hand, is told in the person's language. Libraries and the system
// word their errors in English: of those the catalogue says what they are about, and their own words come after.

// failure is an error with a text of the catalogue, and what it came from; nil where the text says it all.
type failure struct {
	worded
	cause error
}

// Error is the English text, with the cause behind it.
func (f failure) Error() string {
	if f.cause == nil {
		return f.worded.Error()
	}
	return f.worded.Error() + ": " + f.cause.Error()
}

func (f failure) Unwrap() error { return f.cause }

// unable is a failure told by a text of the catalogue with values after their names.
func unable(key string, cause error, pairs ...any) error {
	return failure{worded{key, valuesOf(pairs)}, cause}
}

// spoken is an error whose text is in the person's language already.
type spoken string

func (s spoken) Error() string { return string(s) }

// words are those of an error in the person's language, and below them what a library or the system said in English; empty
// where there is nothing of that.
func (a *app) words(err error) (what, said string) {
	if own := ownWords(err); own != nil {
		err = own
	}
	switch e := err.(type) {
	case spoken:
		return string(e), ""
	case worded:
		return a.say(e.key, e.values), ""
	case failure:
		what = a.say(e.key, e.values)
		if e.cause == nil {
			return what, ""
		}
		if a.texts.Language() != text.English && ownWords(e.cause) == nil {
			if about(e.cause).key == "local.other" {
				return what, e.cause.Error()
			}
		}
		why, said := a.words(e.cause)
		return what + ": " + why, said
	}
	if a.texts.Language() == text.English {
		return err.Error(), ""
	}
	subject := about(err)
	what = a.say(subject.key, subject.values)
	if subject.key == "local.no-file" || subject.key == "local.no-right" {
		return what, ""
	}
	return what, err.Error()
}

// ownWords is the outermost error within err that has words of the catalogue; nil where there is none.
func ownWords(err error) error {
	switch e := err.(type) {
	case nil:
		return nil
	case spoken, worded, failure:
		return e
	case absent:
		return e.worded
	case occupied:
		return e.worded
	case interface{ Unwrap() error }:
		return ownWords(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if own := ownWords(one); own != nil {
				return own
			}
		}
	}
	return nil
}

// about is what an error of a library or of the system is about.
func about(err error) worded {
	if e, ok := errors.AsType[*exver.Error](err); ok {
		if e.Range {
			return worded{"local.range", map[string]any{"Value": e.Text}}
		}
		return worded{"local.version", map[string]any{"Value": e.Text}}
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return worded{"local.full", nil}
	case errors.Is(err, sign.ErrSignature):
		return worded{"local.signature", nil}
	case errors.Is(err, sign.ErrEncoding), errors.Is(err, sign.ErrSmallOrder):
		return worded{"local.key", nil}
	case s9pk.ReasonOf(err) != "":
		return worded{"local.package-file", nil}
	case errors.As(err, new(*json.SyntaxError)), errors.As(err, new(*json.UnmarshalTypeError)):
		return worded{"local.json", nil}
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return aboutFile(e.Path, e)
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok && errors.Is(e, fs.ErrNotExist) {
		return worded{"local.no-file", nil}
	} else if ok && errors.Is(e, fs.ErrPermission) {
		return worded{"local.no-right", nil}
	}
	if errors.As(err, new(*net.OpError)) {
		return worded{"local.network", nil}
	}
	return worded{"local.other", nil}
}

func aboutFile(name string, err error) worded {
	values := map[string]any{"Name": name}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return worded{"local.absent", values}
	case errors.Is(err, fs.ErrPermission):
		return worded{"local.denied", values}
	case errors.Is(err, fs.ErrExist):
		return worded{"local.exists", values}
	}
	return worded{"local.file", values}
}
