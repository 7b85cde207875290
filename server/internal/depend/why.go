package depend

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/ids"
	"google.golang.org/protobuf/proto"
)

// maxLinks bounds a chain; packages that need each other in a circle are told once each anyway.
const maxLinks = 64

// Why is the chain that keeps a service from being healthy, from the service to what is behind it; none for one that is.
// For each package:
//
//	a person wants it stopped, an operation works on it     that alone: nothing else is asked of it
//	a critical task                                         that, and the failure if there is one
//	a failure                                               what it is
//	it does not answer                                      that
//	on its way                                              that, and the checks that wait
//	it runs                                                 the checks that fail, then those that wait
//	what it needs of others                                 each that is missing, followed by that package's own chain
func Why(pkg string, all map[string]*Facts) []*packagesv1.WhyLink {
	w := &walk{all: all, seen: map[string]bool{}}
	w.visit(pkg)
	return w.links[:min(len(w.links), maxLinks)]
}

type walk struct {
	all   map[string]*Facts
	seen  map[string]bool
	links []*packagesv1.WhyLink
}

func (w *walk) add(pkg string, cause packagesv1.WhyLink_Cause, told *metav1.Fault, metadata map[string]string, remedies ...*packagesv1.Remedy) {
	if told != nil {
		told = proto.CloneOf(told)
	}
	w.links = append(w.links, &packagesv1.WhyLink{PackageId: pkg, Cause: cause, Fault: told, Metadata: metadata, Remedies: remedies})
}

func (w *walk) visit(pkg string) {
	f := w.all[pkg]
	if w.seen[pkg] || f == nil || f.Package == nil || len(w.links) >= maxLinks {
		return
	}
	w.seen[pkg] = true
	if op := f.Package.GetSpec().GetOperation(); op != "" {
		w.add(pkg, packagesv1.WhyLink_CAUSE_OPERATION, nil, map[string]string{"operation": op},
			call("hearth.operations.v1.OperationService/GetOperation", map[string]any{"id": op}, "hearth operations show "+op))
		return
	}
	blocked := w.tasks(pkg, f)
	failed := w.failure(pkg, f)
	if f.Package.GetSpec().GetDesired() != packagesv1.PackageSpec_DESIRED_RUNNING {
		if !blocked && !failed {
			w.stopped(pkg, f.Package.GetSpec().GetStoppedFor())
		}
		return
	}
	if !failed && !blocked {
		w.progress(pkg, f)
	}
	w.dependencies(pkg, f)
}

// stopped tells who wants a service stopped: a person, or the server, which has one reason for it.
func (w *walk) stopped(pkg string, reason *metav1.Fault) {
	cause := packagesv1.WhyLink_CAUSE_STOPPED
	if reason != nil {
		cause = packagesv1.WhyLink_CAUSE_DISK_FULL
	}
	w.add(pkg, cause, reason, nil, start(pkg))
}

// tasks tells of the critical tasks that keep a service from starting.
func (w *walk) tasks(pkg string, f *Facts) bool {
	if f.Package.GetSpec().GetPastTasks() {
		return false
	}
	found := false
	for _, t := range f.Tasks {
		if !critical(t) {
			continue
		}
		found = true
		on, action := t.GetSpec().GetPackageId(), t.GetSpec().GetActionId()
		w.add(pkg, packagesv1.WhyLink_CAUSE_TASK, nil, map[string]string{"package": on, "action": action, "reason": t.GetSpec().GetReason()},
			run(on, action), dismiss(pkg, t.GetMeta().GetId()))
	}
	return found
}

// failure tells how a service failed.
func (w *walk) failure(pkg string, f *Facts) bool {
	st := f.Package.GetStatus()
	if st.GetState() != packagesv1.PackageStatus_STATE_FAILED {
		return false
	}
	told := st.GetFault()
	logs := call("", nil, "hearth package logs "+pkg)
	meta := map[string]string{}
	if c := st.GetCrashes(); c != nil {
		meta["count"], meta["how"] = fmt.Sprint(c.GetCount()), c.GetReason()
		meta["retry"] = c.GetRetryTime().AsTime().Format("2006-01-02T15:04:05Z07:00")
	}
	switch told.GetReason() {
	case metav1.Reason_REASON_CRASH_LOOP:
		w.add(pkg, packagesv1.WhyLink_CAUSE_CRASH_LOOP, told, meta, logs, start(pkg), rebuild(pkg))
	case metav1.Reason_REASON_DATA_HELD:
		w.add(pkg, packagesv1.WhyLink_CAUSE_DATA_HELD, told, nil, start(pkg))
	case metav1.Reason_REASON_DISK_FULL:
		w.add(pkg, packagesv1.WhyLink_CAUSE_DISK_FULL, told, nil, call("", nil, "hearth doctor"))
	case metav1.Reason_REASON_PACKAGE_FILE_MISSING, metav1.Reason_REASON_PACKAGE_FILE_DAMAGED:
		w.add(pkg, packagesv1.WhyLink_CAUSE_FILE_MISSING, told, nil, call("", nil, "hearth package install FILE"))
	case metav1.Reason_REASON_PACKAGE_ARCHITECTURE:
		w.add(pkg, packagesv1.WhyLink_CAUSE_HARDWARE, told, nil, call("", nil, "hearth package install FILE"))
	case metav1.Reason_REASON_PACKAGE_CODE_FAILED, metav1.Reason_REASON_PACKAGE_CODE_TIMEOUT:
		cause := packagesv1.WhyLink_CAUSE_CRASHED
		if meta["count"] == "" || st.GetCrashes().GetGeneration() != f.Package.GetMeta().GetGeneration() {
			cause = packagesv1.WhyLink_CAUSE_INIT_FAILED
		}
		w.add(pkg, cause, told, meta, logs, start(pkg), rebuild(pkg))
	default:
		w.add(pkg, packagesv1.WhyLink_CAUSE_FAILED, told, nil, logs, start(pkg), rebuild(pkg))
	}
	return true
}

// progress tells what a service that has not failed is busy with, and what its checks find.
func (w *walk) progress(pkg string, f *Facts) {
	st := f.Package.GetStatus()
	logs := call("", nil, "hearth package logs "+pkg)
	if st.GetFault().GetReason() == metav1.Reason_REASON_SERVICE_STALLED {
		w.add(pkg, packagesv1.WhyLink_CAUSE_STALLED, st.GetFault(), nil, logs, rebuild(pkg))
		return // what its checks found is not known to be so any more
	}
	if st.GetState() != packagesv1.PackageStatus_STATE_RUNNING {
		state := strings.ToLower(strings.TrimPrefix(st.GetState().String(), "STATE_"))
		w.add(pkg, packagesv1.WhyLink_CAUSE_UNDER_WAY, nil, map[string]string{"state": state}, logs)
	}
	for _, failing := range []bool{true, false} {
		for _, c := range f.Checks {
			cause := packagesv1.WhyLink_CAUSE_CHECK_WAITS
			switch c.GetStatus().GetResult() {
			case packagesv1.HealthCheckStatus_RESULT_SUCCESS, packagesv1.HealthCheckStatus_RESULT_DISABLED:
				continue
			case packagesv1.HealthCheckStatus_RESULT_FAILURE:
				cause = packagesv1.WhyLink_CAUSE_CHECK_FAILS
			}
			if failing != (cause == packagesv1.WhyLink_CAUSE_CHECK_FAILS) {
				continue
			}
			remedies := []*packagesv1.Remedy{logs}
			if failing {
				remedies = append(remedies, restart(pkg))
			}
			w.add(pkg, cause, nil, map[string]string{"check": c.GetStatus().GetName(), "message": c.GetStatus().GetMessage()}, remedies...)
		}
	}
}

// dependencies tells what is missing of other packages, and why those are as they are.
func (w *walk) dependencies(pkg string, f *Facts) {
	for _, s := range States(pkg, w.all) {
		on := s.GetPackageId()
		meta := map[string]string{"dependency": on, "range": s.GetVersionRange(), "installed": s.GetInstalledVersion(), "detail": s.GetDetail()}
		install := call("", nil, "hearth package install FILE")
		switch s.GetState() {
		case packagesv1.DependencyState_STATE_NOT_INSTALLED:
			w.add(pkg, packagesv1.WhyLink_CAUSE_DEPENDENCY_NOT_INSTALLED, nil, meta, install)
		case packagesv1.DependencyState_STATE_VERSION:
			w.add(pkg, packagesv1.WhyLink_CAUSE_DEPENDENCY_VERSION, nil, meta, install)
		case packagesv1.DependencyState_STATE_NOT_RUNNING:
			w.add(pkg, packagesv1.WhyLink_CAUSE_DEPENDENCY_NOT_RUNNING, nil, meta, start(on))
			w.visit(on)
		case packagesv1.DependencyState_STATE_UNHEALTHY:
			w.add(pkg, packagesv1.WhyLink_CAUSE_DEPENDENCY_UNHEALTHY, nil, meta, restart(on))
			w.visit(on)
		case packagesv1.DependencyState_STATE_TASK:
			if f.Package.GetSpec().GetPastTasks() { // else the task is a link of its own
				w.add(pkg, packagesv1.WhyLink_CAUSE_DEPENDENCY_TASK, nil, meta, run(on, s.GetDetail()))
			}
		}
	}
}

// call makes a remedy. Requests are of strings and bools, which JSON always takes.
func call(method string, request map[string]any, command string) *packagesv1.Remedy {
	r := &packagesv1.Remedy{Method: method, Command: command}
	if method != "" {
		raw, _ := json.Marshal(request)
		r.Request = string(raw)
	}
	return r
}

func start(pkg string) *packagesv1.Remedy {
	return call("hearth.packages.v1.PackageService/StartPackage", map[string]any{"id": pkg}, "hearth package start "+pkg)
}

func restart(pkg string) *packagesv1.Remedy {
	return call("hearth.packages.v1.PackageService/RestartPackage", map[string]any{"id": pkg}, "hearth package restart "+pkg)
}

func rebuild(pkg string) *packagesv1.Remedy {
	return call("hearth.packages.v1.PackageService/RebuildPackage", map[string]any{"id": pkg}, "hearth package rebuild "+pkg)
}

func run(pkg, action string) *packagesv1.Remedy {
	return call("hearth.actions.v1.ActionService/RunAction", map[string]any{"packageId": pkg, "actionId": action},
		fmt.Sprintf("hearth package action run %s %s", pkg, action))
}

// dismiss is for a task by its id.
func dismiss(pkg, task string) *packagesv1.Remedy {
	_, segment, _ := strings.Cut(task, "/")
	name, err := ids.Unescape(segment)
	if err != nil {
		name = segment
	}
	return call("hearth.actions.v1.ActionService/DismissTask", map[string]any{"packageId": pkg, "replayId": name, "force": true},
		fmt.Sprintf("hearth package tasks dismiss %s %q --force", pkg, name))
}
