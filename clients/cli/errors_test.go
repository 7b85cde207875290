package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	told := func(reason metav1.Reason) error { return fault.New(reason, "so") }
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"nothing":                  {nil, 0},
		"an error of this machine": {errors.New("no"), 1},
		"a defect of the server":   {told(metav1.Reason_REASON_INTERNAL), 1},
		"a damaged file":           {told(metav1.Reason_REASON_PACKAGE_FILE_DAMAGED), 1},
		"wrong usage":              {fmt.Errorf("so: %w", usageError{errors.New("no")}), 2},
		"a wrong value":            {told(metav1.Reason_REASON_INVALID_ARGUMENT), 2},
		"something absent":         {told(metav1.Reason_REASON_PACKAGE_NOT_FOUND), 3},
		"no credential":            {told(metav1.Reason_REASON_UNAUTHENTICATED), 4},
		"no right":                 {told(metav1.Reason_REASON_PERMISSION_DENIED), 4},
		"a conflict":               {fmt.Errorf("so: %w", told(metav1.Reason_REASON_OPERATION_CONFLICT)), 5},
		"a wrong state":            {told(metav1.Reason_REASON_PACKAGE_STATE), 5},
		"something there":          {told(metav1.Reason_REASON_ALREADY_EXISTS), 5},
		"an old bookmark":          {told(metav1.Reason_REASON_BOOKMARK_EXPIRED), 5},
		"a disk without room":      {told(metav1.Reason_REASON_DISK_FULL), 5},
		"no port is left":          {told(metav1.Reason_REASON_PORT_EXHAUSTED), 5},
		"too many calls":           {told(metav1.Reason_REASON_RATE_LIMITED), 6},
		"no server":                {told(metav1.Reason_REASON_UNAVAILABLE), 6},
		"time ran out":             {told(metav1.Reason_REASON_DEADLINE_EXCEEDED), 6},
		"a status of a library":    {status.Error(codes.Unavailable, "gone"), 6},
		"an interruption":          {context.Canceled, 7},
		"a wait given up":          {interrupted{"so"}, 7},
		"a member that is absent":  {&s9pk.Error{Reason: s9pk.NotFound}, 3},
		"a URL with nothing":       {&fetch.Error{Status: http.StatusNotFound}, 3},
		"a URL that is closed":     {&fetch.Error{Status: http.StatusForbidden}, 4},
		"a server that fails":      {&fetch.Error{Status: http.StatusBadGateway}, 6},
		"a server out of reach":    {&fetch.Error{Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, 6},
		"a URL with too much":      {&fetch.Error{Why: "more than is allowed"}, 1},
		"a call withdrawn":         {told(metav1.Reason_REASON_CANCELLED), 7},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%s ends with %d, want %d", name, got, c.want)
		}
	}
}

// Every code of the contract has a class; a code that comes to the contract must get one here.
func TestEveryCodeHasAnExitCode(t *testing.T) {
	t.Parallel()
	other := map[optionsv1.Code]bool{
		optionsv1.Code_CODE_UNSPECIFIED: true, optionsv1.Code_CODE_UNKNOWN: true, optionsv1.Code_CODE_INTERNAL: true,
		optionsv1.Code_CODE_DATA_LOSS: true, optionsv1.Code_CODE_UNIMPLEMENTED: true,
	}
	values := optionsv1.Code(0).Descriptor().Values()
	for i := range values.Len() {
		code := optionsv1.Code(values.Get(i).Number())
		if got := exitOf(&optionsv1.ReasonInfo{Code: code}); (got == exitOther) != other[code] {
			t.Errorf("%s ends with %d", code, got)
		}
	}
}

// A remedy that names a method of the contract names a command here.
func TestRemediesNameCommands(t *testing.T) {
	t.Parallel()
	methods := map[string]bool{}
	for _, m := range publicMethods() {
		methods[string(m.Name())] = true
	}
	if !methods["ListPackages"] || methods["GetHostInfo"] {
		t.Fatalf("the public methods are %v", methods)
	}
	root := newTestApp().newRoot()
	values := metav1.Reason(0).Descriptor().Values()
	for i := range values.Len() {
		for _, name := range methodName.FindAllString(fault.Info(metav1.Reason(values.Get(i).Number())).GetRemedy(), -1) {
			command := commandOf(name)
			if methods[name] && command == "" {
				t.Errorf("%s: its remedy names the method %s: give commandOf the command that does it", values.Get(i).Name(), name)
			}
			if command == "" {
				continue
			}
			words, _, _ := strings.Cut(command, " --")
			words = strings.TrimSuffix(words, " ID")
			if at, _, err := root.Find(strings.Fields(words)[1:]); err != nil || !at.Runnable() {
				t.Errorf("%s: there is no command %q", values.Get(i).Name(), command)
			}
		}
	}
}
