package rpc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// What cannot be read is told in words of the contract, with the member it is about, and not in words of a library.
func TestMembersOfAQueryThatCannotBeRead(t *testing.T) {
	t.Parallel()
	const (
		list   = "/hearth.packages.v1.PackageService/ListPackages"
		logs   = "/hearth.logs.v1.LogService/ReadLogs"
		audit  = "/hearth.audit.v1.AuditService/ListEntries"
		token  = "/hearth.accounts.v1.AccountService/CreateToken"
		key    = "/hearth.accounts.v1.KeyService/AddKey"
		upload = "/hearth.packages.v1.PackageService/CreateUpload"
	)
	for name, c := range map[string]struct{ method, query, field, says string }{
		"no number":          {list, "pageSize=many", "pageSize", "whole number of 32 bits"},
		"the other name":     {list, "page_size=many", "page_size", "whole number of 32 bits"},
		"too large a number": {list, "pageSize=99999999999", "pageSize", "whole number of 32 bits"},
		"no bool":            {logs, "follow=perhaps", "follow", "true or false"},
		"below 0":            {upload, "size=-1", "size", "not below 0"},
		"no time":            {audit, "since=yesterday", "since", "2026-01-31T12:00:00Z"},
		"no value of a list": {token, "role=ROLE_KING", "role", "ROLE_VIEWER"},
		"no base64":          {key, "publicKey=!!", "publicKey", "base64"},
		"twice":              {list, "pageSize=1&pageSize=2", "pageSize", "once"},
		"unknown":            {list, "pageSize.x=1", "pageSize.x", "not part"},
		"a whole message":    {logs, "tail[x]=1", "tail[x]", "32 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			query, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			got := fault.Proto(rpc.QueryFault(c.method, query))
			if got.GetReason() != metav1.Reason_REASON_INVALID_ARGUMENT || got.GetMetadata()["field"] != c.field {
				t.Fatalf("%v", got)
			}
			if v := got.GetViolations(); len(v) != 1 || v[0].GetField() != c.field || !strings.Contains(v[0].GetMessage(), c.says) {
				t.Errorf("%v", v)
			}
		})
	}
	for method, query := range map[string]url.Values{list: {"pageSize": {"10"}}, audit: {"since": {"2026-01-31T12:00:00Z"}}} {
		if err := rpc.QueryFault(method, query); err != nil {
			t.Errorf("a good query: %v", err)
		}
	}
}

func TestRESTNamesTheMemberItCannotRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for path, field := range map[string]string{
		"/api/v1/packages?pageSize=many":         "pageSize",
		"/api/v1/packages/p/logs?follow=perhaps": "follow",
		"/api/v1/packages/p/logs?tail=1.5":       "tail",
	} {
		resp, data, err := send(s.httpTLS(t), http.MethodGet, "https://"+s.web+path, "viewer", "application/json", nil)
		if err != nil {
			t.Fatal(err)
		}
		got := fault.Proto(jsonFault(data))
		if resp.StatusCode != http.StatusBadRequest || got.GetReason() != metav1.Reason_REASON_INVALID_ARGUMENT ||
			len(got.GetViolations()) != 1 || got.GetViolations()[0].GetField() != field || strings.Contains(string(data), "strconv") {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, data)
		}
	}
}
