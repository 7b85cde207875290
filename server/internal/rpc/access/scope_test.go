package access_test

import (
	"testing"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

func contract(file protoreflect.FileDescriptor, service, method string) protoreflect.MethodDescriptor {
	return file.Services().ByName(protoreflect.Name(service)).Methods().ByName(protoreflect.Name(method))
}

func path(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

func TestScope(t *testing.T) {
	t.Parallel()
	var (
		list     = contract(packagesv1.File_hearth_packages_v1_packages_proto, "PackageService", "ListPackages") // heeds the scope by itself
		start    = contract(packagesv1.File_hearth_packages_v1_packages_proto, "PackageService", "StartPackage")
		upload   = contract(packagesv1.File_hearth_packages_v1_packages_proto, "PackageService", "CreateUpload") // names no package
		readLogs = contract(logsv1.File_hearth_logs_v1_logs_proto, "LogService", "ReadLogs")
		caller   = contract(accountsv1.File_hearth_accounts_v1_accounts_proto, "AccountService", "GetCaller")
		create   = contract(accountsv1.File_hearth_accounts_v1_accounts_proto, "AccountService", "CreateToken")
	)
	blog, shop := &packagesv1.StartPackageRequest{Id: "blog"}, &packagesv1.StartPackageRequest{Id: "shop"}
	packages := func(ids ...string) *access.Scope { return &access.Scope{Packages: ids} }
	methods := func(names ...string) *access.Scope { return &access.Scope{Methods: names} }
	for name, c := range map[string]struct {
		scope   *access.Scope
		method  protoreflect.MethodDescriptor
		request proto.Message
		allowed bool
	}{
		"no scope":    {nil, start, shop, true},
		"empty scope": {&access.Scope{}, create, &accountsv1.CreateTokenRequest{}, true},

		"its package":                 {packages("blog"), start, blog, true},
		"another package":             {packages("blog"), start, shop, false},
		"one of two packages":         {packages("blog", "shop"), start, shop, true},
		"no package named":            {packages("blog"), start, &packagesv1.StartPackageRequest{}, false},
		"a package that begins alike": {packages("blog"), start, &packagesv1.StartPackageRequest{Id: "blog-2"}, false},
		"its log":                     {packages("blog"), readLogs, &logsv1.ReadLogsRequest{PackageId: "blog"}, true},
		"another's log":               {packages("blog"), readLogs, &logsv1.ReadLogsRequest{PackageId: "shop"}, false},
		"what concerns all packages":  {packages("blog"), upload, &packagesv1.CreateUploadRequest{}, false},
		"what concerns accounts":      {packages("blog"), create, &accountsv1.CreateTokenRequest{}, false},
		"a list that heeds the scope": {packages("blog"), list, &packagesv1.ListPackagesRequest{}, true},
		"who am I":                    {packages("blog"), caller, &accountsv1.GetCallerRequest{}, true},

		"its method":                         {methods("hearth.packages.v1.PackageService.StartPackage"), start, shop, true},
		"another method of the service":      {methods("hearth.packages.v1.PackageService.StartPackage"), list, &packagesv1.ListPackagesRequest{}, false},
		"a service":                          {methods("hearth.packages.v1.PackageService"), upload, &packagesv1.CreateUploadRequest{}, true},
		"another service":                    {methods("hearth.packages.v1.PackageService"), create, &accountsv1.CreateTokenRequest{}, false},
		"the package of services":            {methods("hearth.packages.v1"), start, blog, false},
		"a name that begins alike":           {methods("hearth.packages.v1.PackageService.Start"), start, blog, false},
		"a path is no name":                  {methods("/hearth.packages.v1.PackageService/StartPackage"), start, blog, false},
		"its method and package":             {&access.Scope{Methods: []string{"hearth.packages.v1.PackageService.StartPackage"}, Packages: []string{"blog"}}, start, blog, true},
		"its method, another package":        {&access.Scope{Methods: []string{"hearth.packages.v1.PackageService.StartPackage"}, Packages: []string{"blog"}}, start, shop, false},
		"its package, another method":        {&access.Scope{Methods: []string{"hearth.packages.v1.PackageService.StartPackage"}, Packages: []string{"blog"}}, readLogs, &logsv1.ReadLogsRequest{PackageId: "blog"}, false},
		"its method that names no package":   {&access.Scope{Methods: []string{"hearth.packages.v1.PackageService.CreateUpload"}, Packages: []string{"blog"}}, upload, &packagesv1.CreateUploadRequest{}, false},
		"its list that heeds packages":       {&access.Scope{Methods: []string{"hearth.packages.v1.PackageService"}, Packages: []string{"blog"}}, list, &packagesv1.ListPackagesRequest{}, true},
		"a token for methods asks who it is": {methods("hearth.packages.v1.PackageService"), caller, &accountsv1.GetCallerRequest{}, false},
	} {
		err := c.scope.CheckMethod(path(c.method), c.method)
		if err == nil {
			err = c.scope.CheckRequest(c.method, c.request)
		}
		if c.allowed != (err == nil) || err != nil && !fault.Is(err, metav1.Reason_REASON_OUT_OF_SCOPE) {
			t.Errorf("%s: %v, should be allowed: %t", name, err, c.allowed)
		}
		if c.scope.Narrowed() && c.method == start && c.scope.Covers(c.request.(*packagesv1.StartPackageRequest).GetId()) != c.allowed && len(c.scope.Methods) == 0 {
			t.Errorf("%s: Covers says otherwise", name)
		}
	}
}

// What is no method of the contract, such as reflection, cannot be told to concern one package.
func TestScopesOfPackagesShutOutWhatHasNoDescription(t *testing.T) {
	t.Parallel()
	const reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	for name, c := range map[string]struct {
		scope   *access.Scope
		allowed bool
	}{
		"none": {nil, true}, "packages": {&access.Scope{Packages: []string{"blog"}}, false},
		"methods": {&access.Scope{Methods: []string{"hearth.packages.v1.PackageService"}}, false},
		"itself":  {&access.Scope{Methods: []string{"grpc.reflection.v1.ServerReflection"}}, true},
	} {
		err := c.scope.CheckMethod(reflection, nil)
		if c.allowed != (err == nil) || err != nil && !fault.Is(err, metav1.Reason_REASON_OUT_OF_SCOPE) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStreamHasOtherRightsWhenItsScopeChanged(t *testing.T) {
	t.Parallel()
	with := func(s *access.Scope) access.Identity {
		return access.Identity{ID: "t", Account: "alex", Role: 2, Scope: s}
	}
	before := access.Caller{Identity: with(&access.Scope{Methods: []string{"m"}, Packages: []string{"blog"}})}
	for name, c := range map[string]struct {
		now  access.Identity
		same bool
	}{
		"the same":        {with(&access.Scope{Methods: []string{"m"}, Packages: []string{"blog"}}), true},
		"no scope":        {with(nil), false},
		"more packages":   {with(&access.Scope{Methods: []string{"m"}, Packages: []string{"blog", "shop"}}), false},
		"other methods":   {with(&access.Scope{Methods: []string{"n"}, Packages: []string{"blog"}}), false},
		"another role":    {access.Identity{ID: "t", Account: "alex", Role: 1, Scope: before.Identity.Scope}, false},
		"another account": {access.Identity{ID: "t", Account: "sam", Role: 2, Scope: before.Identity.Scope}, false},
		"another token":   {access.Identity{ID: "u", Account: "alex", Role: 2, Scope: before.Identity.Scope}, false},
	} {
		if got := before.SameRights(c.now); got != c.same {
			t.Errorf("%s: %t", name, got)
		}
	}
}
