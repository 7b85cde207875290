package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/grpc/status"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/api/text"
)

// The exit codes of every command but attach, whose code is that of what it ran. Scripts decide by them, so they never change.
const (
	exitOK          = 0
	exitOther       = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitDenied      = 4
	exitConflict    = 5
	exitUnavailable = 6
	exitCancelled   = 7
)

// exitCode is the class of the reason of an error.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(usageError)), errors.As(err, new(fetch.URLError)), errors.Is(err, sign.ErrEncoding), errors.Is(err, sign.ErrSmallOrder):
		return exitUsage
	}
	if status, ok := errors.AsType[exitStatus](err); ok {
		return int(status)
	}
	if s9pk.ReasonOf(err) == s9pk.NotFound || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound
	}
	if errors.Is(err, fs.ErrExist) {
		return exitConflict
	}
	if why := reasonOfRegistry(err); why != metav1.Reason_REASON_UNSPECIFIED {
		return exitOf(fault.Info(why))
	}
	if failed, ok := errors.AsType[*fetch.Error](err); ok {
		return exitOfFetch(failed)
	}
	if s9pk.ReasonOf(err) == s9pk.Broken {
		return exitUnavailable
	}
	return exitOf(fault.Info(fault.Reason(err)))
}

// exitOfFetch is the exit code for a file that a server did not give.
func exitOfFetch(err *fetch.Error) int {
	switch {
	case err.Status == http.StatusNotFound, err.Status == http.StatusGone:
		return exitNotFound
	case err.Status == http.StatusUnauthorized, err.Status == http.StatusForbidden:
		return exitDenied
	case err.Status >= http.StatusInternalServerError, err.Status == http.StatusTooManyRequests, errors.As(err, new(*net.OpError)), errors.Is(err, merkle.ErrBroken), os.IsTimeout(err.Err):
		return exitUnavailable
	}
	return exitOther
}

// reasonOfFetch is why a file was not fetched, REASON_UNSPECIFIED where an error is another.
func reasonOfFetch(err error) metav1.Reason {
	switch {
	case errors.As(err, new(fetch.URLError)):
		return metav1.Reason_REASON_FILE_URL_INVALID
	case errors.As(err, new(*fetch.Error)), s9pk.ReasonOf(err) == s9pk.Broken:
		return metav1.Reason_REASON_FILE_NOT_FETCHED
	}
	return metav1.Reason_REASON_UNSPECIFIED
}

// reasonOfRegistry is why a registry that the command line spoke to itself was of no use, REASON_UNSPECIFIED where an error is another.
func reasonOfRegistry(err error) metav1.Reason {
	if refused, ok := errors.AsType[*registry.Refusal](err); ok {
		if known, ok := metav1.Reason_value[refused.Reason]; ok && known != 0 {
			return metav1.Reason(known)
		}
		return metav1.Reason_REASON_REGISTRY_REFUSED
	}
	if refused, ok := errors.AsType[*registry.Error](err); ok {
		switch refused.Code {
		case registry.CodeNotFound:
			return metav1.Reason_REASON_LISTING_NOT_FOUND
		case registry.CodeUnauthorized:
			return metav1.Reason_REASON_PERMISSION_DENIED
		case registry.CodeParams:
			return metav1.Reason_REASON_INVALID_ARGUMENT
		case registry.CodeRateLimited:
			return metav1.Reason_REASON_RATE_LIMITED
		}
		return metav1.Reason_REASON_REGISTRY_REFUSED
	}
	switch {
	case errors.Is(err, registry.ErrUnreachable):
		return metav1.Reason_REASON_REGISTRY_UNREACHABLE
	case errors.Is(err, registry.ErrNotRegistry), errors.Is(err, registry.ErrInvalid), errors.Is(err, registry.ErrTooLarge):
		return metav1.Reason_REASON_REGISTRY_INVALID
	}
	return metav1.Reason_REASON_UNSPECIFIED
}

// exitOf is the exit code for a reason, by the code that the contract gives it. What there is too much of either goes by
// itself, as calls at a time do, and a script may try again; or somebody must remove something first.
func exitOf(reason *optionsv1.ReasonInfo) int {
	switch reason.GetCode() {
	case optionsv1.Code_CODE_RESOURCE_EXHAUSTED:
		if reason.GetRetryable() {
			return exitUnavailable
		}
		return exitConflict
	case optionsv1.Code_CODE_INVALID_ARGUMENT:
		return exitUsage
	case optionsv1.Code_CODE_NOT_FOUND:
		return exitNotFound
	case optionsv1.Code_CODE_PERMISSION_DENIED, optionsv1.Code_CODE_UNAUTHENTICATED:
		return exitDenied
	case optionsv1.Code_CODE_ALREADY_EXISTS, optionsv1.Code_CODE_FAILED_PRECONDITION, optionsv1.Code_CODE_ABORTED, optionsv1.Code_CODE_OUT_OF_RANGE:
		return exitConflict
	case optionsv1.Code_CODE_UNAVAILABLE, optionsv1.Code_CODE_DEADLINE_EXCEEDED:
		return exitUnavailable
	case optionsv1.Code_CODE_CANCELLED:
		return exitCancelled
	}
	return exitOther
}

// usageError is wrong usage of the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// worded is an error with a text of the catalogue. It is told in the person's language when it is printed; where it is made
// nobody needs to know which that is.
type worded struct {
	key    string
	values map[string]any
}

// Error is the English text.
func (e worded) Error() string {
	s, _ := text.In(text.English).Lookup(e.key, e.values)
	return s
}

// wrong is wrong usage, told by a text of the catalogue with values after their names.
func wrong(key string, pairs ...any) error {
	return usageError{worded{key, valuesOf(pairs)}}
}

func valuesOf(pairs []any) map[string]any {
	values := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return values
}

// absent is something that is not there, a file most often, with what to do about it.
type absent struct{ worded }

func (absent) Unwrap() error { return fs.ErrNotExist }

// occupied is a file in whose place another lies already, with what to do about it.
type occupied struct{ worded }

func (occupied) Unwrap() error { return fs.ErrExist }

// exitStatus is how a command ended that was run in a service. It has said itself what there was to say.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// interrupted is the end of a wait because of the person: what was waited for goes on, as the text says.
type interrupted struct{ text string }

func (e interrupted) Error() string { return e.text }

func (interrupted) Unwrap() error { return context.Canceled }

// isRemote tells whether an error is a fault: one that a server told, or one of a contract library.
func isRemote(err error) bool {
	if _, ok := status.FromError(err); ok {
		return true
	}
	return errors.As(err, new(*fault.Error))
}

// printError tells people what went wrong and what they can do, and the reason for those who look it up.
func (a *app) printError(err error) {
	var stop interrupted
	switch {
	case errors.As(err, new(exitStatus)):
		return
	case errors.As(err, &stop):
		a.complain(stop.text)
		return
	case errors.Is(err, context.Canceled) && !errors.As(err, new(*fault.Error)):
		return // the person knows
	case errors.As(err, new(usageError)), !isRemote(err):
		a.printRefusal(err)
		return
	}
	f := fault.Proto(fault.FromStatus(err))
	if f.GetMessage() == context.Canceled.Error() { // a library's words
		f.Message, _ = text.In(text.English).Lookup("reason.CANCELLED", nil)
	}
	name := strings.TrimPrefix(f.GetReason().String(), "REASON_")
	a.complainOf(name, f.GetMessage())
	if failed, ok := errors.AsType[unsuccessful](err); ok {
		if after := a.aftermath(failed.op, failed.runs); after != "" {
			fmt.Fprintf(a.Err, "  %s\n", after)
		}
	}
	for _, v := range f.GetViolations() {
		if strings.Contains(f.GetMessage(), v.GetField()) && strings.Contains(f.GetMessage(), v.GetMessage()) {
			continue // it was told
		}
		fmt.Fprintf(a.Err, "  %s %s\n", printable(v.GetField()), printable(v.GetMessage()))
	}
	for _, key := range slices.Sorted(maps.Keys(f.GetMetadata())) {
		if value := f.GetMetadata()[key]; !strings.Contains(f.GetMessage(), value) {
			fmt.Fprintf(a.Err, "  %s: %s\n", printable(key), printable(value))
		}
	}
	remedy := a.remedy(f.GetReason())
	if here, ok := errors.AsType[notHere](err); ok {
		remedy = a.say("socket.absent", nil)
		if here.denied {
			remedy = a.say("socket.denied", nil)
		}
	}
	if remedy != "" {
		fmt.Fprintf(a.Err, "  %s\n", remedy)
	}
	fmt.Fprintf(a.Err, "  %s %s\n", a.say("error.reason", nil), name)
}

// printRefusal tells what is wrong with the usage or a file. Why a package file is refused is told as servers tell it, with
// the reason of the format.
func (a *app) printRefusal(err error) {
	if why := reasonOfRegistry(err); why != metav1.Reason_REASON_UNSPECIFIED {
		a.complainFor(why, err)
		return
	}
	reason := s9pk.ReasonOf(err)
	if fetched := reasonOfFetch(err); (reason == "" || reason == s9pk.Broken) && fetched != metav1.Reason_REASON_UNSPECIFIED {
		a.complainFor(fetched, err)
		return
	}
	known, ok := s9pk.Fault(reason)
	if !ok || known == metav1.Reason_REASON_PACKAGE_FILE_INVALID { // which is for a publisher, who is the one that asks here
		what, said := a.words(err)
		if a.complain(what); said != "" {
			fmt.Fprintf(a.Err, "  %s\n", printable(said))
		}
	} else {
		a.complainOf(strings.TrimPrefix(known.String(), "REASON_"), a.message(err))
		fmt.Fprintf(a.Err, "  %s\n", a.remedy(known))
	}
	if reason != "" {
		fmt.Fprintf(a.Err, "  %s %s\n", a.say("error.reason", nil), reason)
	}
}

// complainFor prints what went wrong here for a reason of the contract, as servers' refusals are told.
func (a *app) complainFor(why metav1.Reason, err error) {
	name := strings.TrimPrefix(why.String(), "REASON_")
	a.complainOf(name, a.message(err))
	fmt.Fprintf(a.Err, "  %s\n  %s %s\n", a.remedy(why), a.say("error.reason", nil), name)
}

// message is what is told of an error behind the text of its reason.
func (a *app) message(err error) string {
	what, said := a.words(err)
	return cmp.Or(said, what)
}

// complainOf prints what went wrong: in English as it was said, else the text of its reason and then what was said.
func (a *app) complainOf(reason, message string) {
	if what, ok := a.texts.Lookup("reason."+reason, nil); ok && a.texts.Language() != text.English {
		a.complain(what)
		fmt.Fprintf(a.Err, "  %s\n", printable(message))
		return
	}
	a.complain(message)
}

// complain prints the first line of what went wrong. Files and servers have their words in it.
func (a *app) complain(s string) {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	fmt.Fprintf(a.Err, "%s %s\n", a.paint(a.Err, red, "hearth:"), strings.Join(lines, "\n"))
}

// remedy says what helps against a reason, with the commands of this program in place of the methods the contract names.
func (a *app) remedy(reason metav1.Reason) string {
	remedy := fault.Info(reason).GetRemedy()
	if translated, ok := a.texts.Lookup("remedy."+strings.TrimPrefix(reason.String(), "REASON_"), nil); ok && a.texts.Language() != text.English {
		remedy = translated
	}
	return methodName.ReplaceAllStringFunc(remedy, func(name string) string {
		if command := commandOf(name); command != "" {
			return "'" + command + "'"
		}
		return name
	})
}

// methodName is a word that may be the name of a method.
var methodName = regexp.MustCompile(`\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b`)

// commandOf is the command that does what a method does, for the methods that remedies name.
func commandOf(method string) string {
	switch method {
	case "ListPackages":
		return "hearth package list"
	case "GetPackage":
		return "hearth package show ID"
	case "ListOperations":
		return "hearth operations"
	case "ListActions":
		return "hearth package actions ID"
	case "ListTasks":
		return "hearth package tasks"
	case "ListHosts":
		return "hearth package addresses ID"
	case "GetServer":
		return "hearth status --output json"
	}
	return ""
}
