package depend

import (
	"slices"
	"strings"
	"testing"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// runs is a package whose service runs and is healthy; the cases change it.
func runs(id string, change ...func(*Facts)) *Facts {
	f := &Facts{
		Package: &packagesv1.Package{
			Meta:   &metav1.Meta{Id: id, Generation: 3},
			Spec:   &packagesv1.PackageSpec{Version: "2.0.0:0", Desired: packagesv1.PackageSpec_DESIRED_RUNNING},
			Status: &packagesv1.PackageStatus{State: packagesv1.PackageStatus_STATE_RUNNING, StartTime: &timestamppb.Timestamp{Seconds: 1}},
		},
		Checks: []*packagesv1.HealthCheck{check(id, "main", packagesv1.HealthCheckStatus_RESULT_SUCCESS)},
	}
	for _, c := range change {
		c(f)
	}
	return f
}

func check(pkg, id string, result packagesv1.HealthCheckStatus_Result) *packagesv1.HealthCheck {
	return &packagesv1.HealthCheck{Meta: &metav1.Meta{Id: pkg + "/" + id}, Status: &packagesv1.HealthCheckStatus{Name: id, Result: result}}
}

func checked(result packagesv1.HealthCheckStatus_Result) func(*Facts) {
	return func(f *Facts) { f.Checks[0].Status.Result = result }
}

func in(state packagesv1.PackageStatus_State) func(*Facts) {
	return func(f *Facts) { f.Package.Status.State = state }
}

func failed(reason metav1.Reason) func(*Facts) {
	return func(f *Facts) {
		f.Package.Status.State = packagesv1.PackageStatus_STATE_FAILED
		f.Package.Status.Fault = &metav1.Fault{Reason: reason, Message: "told"}
	}
}

func crashes(f *Facts) {
	f.Package.Status.Crashes = &packagesv1.Crashes{Count: 2, Reason: "exit", Generation: 3}
}

func stalled(f *Facts) {
	f.Package.Status.Fault = &metav1.Fault{Reason: metav1.Reason_REASON_SERVICE_STALLED, Message: "told"}
}

func stopped(f *Facts) {
	f.Package.Spec.Desired, f.Package.Status.State = packagesv1.PackageSpec_DESIRED_STOPPED, packagesv1.PackageStatus_STATE_STOPPED
}

func task(owner, on string, severity actionsv1.TaskSpec_Severity) func(*Facts) {
	return func(f *Facts) {
		f.Tasks = append(f.Tasks, &actionsv1.Task{
			Meta: &metav1.Meta{Id: owner + "/t"}, Spec: &actionsv1.TaskSpec{PackageId: on, ActionId: "set", Severity: severity},
			Status: &actionsv1.TaskStatus{Active: true},
		})
	}
}

func needs(owner, on, versions string, running bool, checks ...string) func(*Facts) {
	return func(f *Facts) {
		f.Dependencies = append(f.Dependencies, &packagesv1.Dependency{
			Meta: &metav1.Meta{Id: owner + "/" + on},
			Spec: &packagesv1.DependencySpec{Running: running, HealthChecks: checks, VersionRange: versions},
		})
	}
}

func TestWhy(t *testing.T) {
	t.Parallel()
	db := needs("a", "db", ">=1.0:0", true, "main")
	critical := actionsv1.TaskSpec_SEVERITY_CRITICAL
	for name, c := range map[string]struct {
		all  []*Facts
		want string // package:CAUSE, in order
	}{
		"healthy":                          {[]*Facts{runs("a")}, ""},
		"healthy with what it needs":       {[]*Facts{runs("a", db), runs("db")}, ""},
		"stopped by a person":              {[]*Facts{runs("a", stopped)}, "a:STOPPED"},
		"stopped, and what it needs too":   {[]*Facts{runs("a", stopped, db), runs("db", stopped)}, "a:STOPPED"},
		"held by an operation":             {[]*Facts{runs("a", stopped, func(f *Facts) { f.Package.Spec.Operation = "op" })}, "a:OPERATION"},
		"a critical task":                  {[]*Facts{runs("a", stopped, task("a", "a", critical))}, "a:TASK"},
		"a task that is not critical":      {[]*Facts{runs("a", stopped, task("a", "a", actionsv1.TaskSpec_SEVERITY_IMPORTANT))}, "a:STOPPED"},
		"started past a critical task":     {[]*Facts{runs("a", task("a", "a", critical), func(f *Facts) { f.Package.Spec.PastTasks = true })}, ""},
		"its init fails":                   {[]*Facts{runs("a", failed(metav1.Reason_REASON_PACKAGE_CODE_FAILED))}, "a:INIT_FAILED"},
		"its init takes too long":          {[]*Facts{runs("a", failed(metav1.Reason_REASON_PACKAGE_CODE_TIMEOUT))}, "a:INIT_FAILED"},
		"it crashed":                       {[]*Facts{runs("a", crashes, failed(metav1.Reason_REASON_PACKAGE_CODE_FAILED))}, "a:CRASHED"},
		"it crashes again and again":       {[]*Facts{runs("a", crashes, failed(metav1.Reason_REASON_CRASH_LOOP))}, "a:CRASH_LOOP"},
		"it crashed once and runs":         {[]*Facts{runs("a", crashes)}, ""},
		"it does not answer":               {[]*Facts{runs("a", stalled, checked(packagesv1.HealthCheckStatus_RESULT_FAILURE))}, "a:STALLED"},
		"something else runs on the data":  {[]*Facts{runs("a", failed(metav1.Reason_REASON_DATA_HELD))}, "a:DATA_HELD"},
		"the disk is full":                 {[]*Facts{runs("a", failed(metav1.Reason_REASON_DISK_FULL))}, "a:DISK_FULL"},
		"its file is gone":                 {[]*Facts{runs("a", failed(metav1.Reason_REASON_PACKAGE_FILE_MISSING))}, "a:FILE_MISSING"},
		"another architecture":             {[]*Facts{runs("a", failed(metav1.Reason_REASON_PACKAGE_ARCHITECTURE))}, "a:HARDWARE"},
		"another failure":                  {[]*Facts{runs("a", failed(metav1.Reason_REASON_CONTAINER_FAILED))}, "a:FAILED"},
		"stopped and failed":               {[]*Facts{runs("a", stopped, failed(metav1.Reason_REASON_CONTAINER_FAILED))}, "a:FAILED"},
		"it starts":                        {[]*Facts{runs("a", in(packagesv1.PackageStatus_STATE_STARTING), checked(packagesv1.HealthCheckStatus_RESULT_STARTING))}, "a:UNDER_WAY a:CHECK_WAITS"},
		"a check fails":                    {[]*Facts{runs("a", checked(packagesv1.HealthCheckStatus_RESULT_FAILURE))}, "a:CHECK_FAILS"},
		"a check is switched off":          {[]*Facts{runs("a", checked(packagesv1.HealthCheckStatus_RESULT_DISABLED))}, ""},
		"a check loads":                    {[]*Facts{runs("a", checked(packagesv1.HealthCheckStatus_RESULT_LOADING))}, "a:CHECK_WAITS"},
		"what it needs is not installed":   {[]*Facts{runs("a", db)}, "a:DEPENDENCY_NOT_INSTALLED"},
		"what it needs is too old":         {[]*Facts{runs("a", needs("a", "db", ">=3.0:0", true)), runs("db")}, "a:DEPENDENCY_VERSION"},
		"what it needs is as good as new":  {[]*Facts{runs("a", needs("a", "db", ">=3.0:0", true)), runs("db", func(f *Facts) { f.Satisfies = []string{"3.1:0"} })}, ""},
		"what it needs does not run":       {[]*Facts{runs("a", db), runs("db", stopped)}, "a:DEPENDENCY_NOT_RUNNING db:STOPPED"},
		"it need not run":                  {[]*Facts{runs("a", needs("a", "db", "*", false)), runs("db", stopped)}, ""},
		"what it needs is not healthy":     {[]*Facts{runs("a", db), runs("db", checked(packagesv1.HealthCheckStatus_RESULT_FAILURE))}, "a:DEPENDENCY_UNHEALTHY db:CHECK_FAILS"},
		"a check that does not matter":     {[]*Facts{runs("a", needs("a", "db", "*", true)), runs("db", checked(packagesv1.HealthCheckStatus_RESULT_FAILURE))}, ""},
		"a task about what it needs":       {[]*Facts{runs("a", stopped, db, task("a", "db", critical)), runs("db")}, "a:TASK"},
		"a chain":                          {[]*Facts{runs("a", db), runs("db", needs("db", "disk", "*", true), failed(metav1.Reason_REASON_CONTAINER_FAILED)), runs("disk", stopped)}, "a:DEPENDENCY_NOT_RUNNING db:FAILED db:DEPENDENCY_NOT_RUNNING disk:STOPPED"},
		"a circle":                         {[]*Facts{runs("a", needs("a", "b", "*", true), in(packagesv1.PackageStatus_STATE_STARTING)), runs("b", needs("b", "a", "*", true), in(packagesv1.PackageStatus_STATE_STARTING))}, "a:UNDER_WAY a:DEPENDENCY_NOT_RUNNING b:UNDER_WAY b:DEPENDENCY_NOT_RUNNING"},
		"a range that cannot be read":      {[]*Facts{runs("a", needs("a", "db", "no range", true)), runs("db")}, "a:DEPENDENCY_VERSION"},
		"nothing of that name":             {nil, ""},
		"a failed one waits for the other": {[]*Facts{runs("a", db, failed(metav1.Reason_REASON_PACKAGE_CODE_FAILED)), runs("db", stopped)}, "a:INIT_FAILED a:DEPENDENCY_NOT_RUNNING db:STOPPED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := map[string]*Facts{}
			for _, f := range c.all {
				all[f.Package.GetMeta().GetId()] = f
			}
			var got []string
			for _, l := range Why("a", all) {
				got = append(got, l.GetPackageId()+":"+strings.TrimPrefix(l.GetCause().String(), "CAUSE_"))
				if len(l.GetRemedies()) == 0 || slices.ContainsFunc(l.GetRemedies(), func(r *packagesv1.Remedy) bool {
					return r.GetCommand() == "" || (r.GetMethod() == "") != (r.GetRequest() == "")
				}) {
					t.Errorf("what can be done about %s: %v", l.GetCause(), l.GetRemedies())
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
