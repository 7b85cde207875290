package servertest_test

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
	"github.com/hearthos/hearth/server/internal/host/sandbox"
	"github.com/hearthos/hearth/server/servertest"
)

const pkg = "hello"

// world is a server with a client.
type world struct {
	*servertest.Server
	*hearth.Client
	t *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := servertest.New(t)
	c, err := hearth.Dial(t.Context(), s.Target(), hearth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &world{s, c, t}
}

// install begins the installation of a package.
func (w *world) install(file string) {
	w.t.Helper()
	f, err := os.Open(file)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		w.t.Fatal(err)
	}
	ticket, err := w.Upload(w.t.Context(), f, info.Size(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Packages.InstallPackage(w.t.Context(), &packagesv1.InstallPackageRequest{Ticket: ticket, Start: true}); err != nil {
		w.t.Fatal(err)
	}
}

// until waits for what fn finds; the errors it meets on the way are of a server that is on its way, too.
func (w *world) until(what string, fn func(context.Context) (bool, error)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := fn(ctx)
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("%s: does not come to be: %v", what, err)
		}
	}
}

// state waits until the service is in the state, and healthy where that is asked.
func (w *world) state(want packagesv1.PackageStatus_State, check packagesv1.HealthCheckStatus_Result) *packagesv1.GetPackageResponse {
	w.t.Helper()
	var got *packagesv1.GetPackageResponse
	w.until("state "+want.String(), func(ctx context.Context) (ok bool, err error) {
		got, err = w.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: pkg})
		healthy := check == 0 || slices.ContainsFunc(got.GetHealthChecks(), func(c *packagesv1.HealthCheck) bool { return c.GetStatus().GetResult() == check })
		return got.GetPackage().GetStatus().GetState() == want && healthy, err
	})
	return got
}

const (
	running = packagesv1.PackageStatus_STATE_RUNNING
	success = packagesv1.HealthCheckStatus_RESULT_SUCCESS
)

func TestAServiceIsPlayedFromItsInstallationToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.install(servertest.Package(t, pkg, nil))
	first := w.state(running, success)

	// Its page is served by the front door, at the address that is told.
	var page string
	w.until("address of the page", func(ctx context.Context) (bool, error) {
		list, err := w.Hosts.ListHosts(ctx, &hostsv1.ListHostsRequest{PackageId: pkg})
		for _, h := range list.GetHosts() {
			for _, a := range h.GetStatus().GetAddresses() {
				if a.GetKind() == hostsv1.Address_KIND_LOCALHOST && a.GetSsl() {
					page = a.GetUrl()
				}
			}
		}
		return page != "", err
	})
	resp, err := w.HTTP().Get(page)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), "Hello from hello") {
		t.Errorf("the page is %q (%v)", body, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}

	// A person does its task by the action.
	tasks, err := w.Actions.ListTasks(t.Context(), &actionsv1.ListTasksRequest{})
	if err != nil || len(tasks.GetTasks()) != 1 || tasks.GetTasks()[0].GetSpec().GetActionId() != "set-greeting" {
		t.Fatalf("the tasks are %v (%v)", tasks, err)
	}
	_, err = w.Actions.RunAction(t.Context(), &actionsv1.RunActionRequest{PackageId: pkg, ActionId: "set-greeting", Input: `{"greeting":""}`})
	if !fault.Is(err, metav1.Reason_REASON_PACKAGE_CODE_FAILED) {
		t.Errorf("an empty greeting: %v", err)
	}
	_, err = w.Actions.RunAction(t.Context(), &actionsv1.RunActionRequest{PackageId: pkg, ActionId: "set-greeting", Input: `{"greeting":"Hi","color":"#112233"}`})
	if err != nil {
		t.Fatal(err)
	}
	if tasks, err = w.Actions.ListTasks(t.Context(), &actionsv1.ListTasksRequest{}); err != nil || len(tasks.GetTasks()) != 0 {
		t.Errorf("the tasks are %v (%v)", tasks, err)
	}
	w.until("line in the log", func(ctx context.Context) (bool, error) {
		stream, err := w.Logs.ReadLogs(ctx, &logsv1.ReadLogsRequest{PackageId: pkg, Tail: new(int32(100))})
		for err == nil {
			var got *logsv1.ReadLogsResponse
			if got, err = stream.Recv(); slices.ContainsFunc(got.GetEntries(), func(e *logsv1.LogEntry) bool { return e.GetMessage() == "the page says: Hi" }) {
				return true, nil
			}
		}
		return false, err
	})

	if _, err := w.Packages.StopPackage(t.Context(), &packagesv1.StopPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	w.state(packagesv1.PackageStatus_STATE_STOPPED, 0)
	if _, err := w.Packages.StartPackage(t.Context(), &packagesv1.StartPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	if again := w.state(running, success); again.GetPackage().GetStatus().GetContainer() != first.GetPackage().GetStatus().GetContainer() {
		t.Error("a stop and a start made another container")
	}
	if _, err := w.Packages.UninstallPackage(t.Context(), &packagesv1.UninstallPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	w.until("end of the package", func(ctx context.Context) (bool, error) {
		_, err := w.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: pkg})
		return fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND), err
	})
	if left, err := w.Host.Containers.List(); err != nil || len(left) != 0 {
		t.Errorf("containers are left: %v (%v)", left, err)
	}
}

// The daemon finds what runs when it comes back, and its calls go on.
func TestServicesOutliveTheDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.install(servertest.Package(t, pkg, nil))
	before := w.state(running, success).GetPackage().GetStatus()
	w.Restart()
	after := w.state(running, success).GetPackage().GetStatus()
	if after.GetContainer() != before.GetContainer() || !after.GetStartTime().AsTime().Equal(before.GetStartTime().AsTime()) {
		t.Errorf("before it was %v, after it is %v", before, after)
	}
	w.Host.Play(pkg, sandbox.Play{Unhealthy: true})
	w.state(running, packagesv1.HealthCheckStatus_RESULT_FAILURE)

	// What ends while no daemon is there is made anew by the next.
	w.Stop()
	list, err := w.Host.Containers.List()
	if err != nil || len(list) != 1 {
		t.Fatalf("the containers are %v (%v)", list, err)
	}
	w.Host.Crash(list[0])
	w.Host.Play(pkg, sandbox.Play{})
	w.Start()
	if again := w.state(running, success).GetPackage().GetStatus(); again.GetContainer() == before.GetContainer() {
		t.Error("the container is the one that ended")
	}
}

func TestRolesCanBeSeen(t *testing.T) {
	t.Parallel()
	for role, see := range map[string]func(*world){
		"unhealthy": func(w *world) { w.state(running, packagesv1.HealthCheckStatus_RESULT_FAILURE) },
		"slow":      func(w *world) { w.state(packagesv1.PackageStatus_STATE_STARTING, 0) },
		"crash":     func(w *world) { w.state(packagesv1.PackageStatus_STATE_FAILED, 0); w.state(running, success) },
		"start-fails": func(w *world) {
			if f := w.state(packagesv1.PackageStatus_STATE_FAILED, 0).GetPackage().GetStatus().GetFault(); f.GetReason() != metav1.Reason_REASON_PACKAGE_CODE_FAILED {
				w.t.Errorf("the fault is %v", f)
			}
			w.state(running, success)
		},
		"init-fails": func(w *world) {
			w.until("fault of the init", func(ctx context.Context) (bool, error) {
				got, err := w.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: pkg})
				return strings.Contains(got.GetPackage().GetStatus().GetFault().GetMessage(), "up to date"), err
			})
		},
		"blocked": func(w *world) {
			w.state(packagesv1.PackageStatus_STATE_STOPPED, 0)
			_, err := w.Packages.StartPackage(w.t.Context(), &packagesv1.StartPackageRequest{Id: pkg})
			if !fault.Is(err, metav1.Reason_REASON_TASK_BLOCKS_START) {
				w.t.Errorf("a start behind a critical task: %v", err)
			}
			if _, err := w.Actions.RunAction(w.t.Context(), &actionsv1.RunActionRequest{PackageId: pkg, ActionId: "permit"}); err != nil {
				w.t.Error(err)
			}
			if _, err := w.Packages.StartPackage(w.t.Context(), &packagesv1.StartPackageRequest{Id: pkg}); err != nil {
				w.t.Error(err)
			}
			w.state(running, success)
		},
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.install(servertest.Package(t, pkg, nil))
			w.state(running, success)
			_, err := w.Actions.RunAction(t.Context(), &actionsv1.RunActionRequest{PackageId: pkg, ActionId: "play-role", Input: `{"role":"` + role + `"}`})
			if err != nil {
				t.Fatal(err)
			}
			see(w)
		})
	}
}

func TestTheServerSaysThatItIsASandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got, err := w.System.GetCapabilities(t.Context(), &systemv1.GetCapabilitiesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetPlatform().GetMode() != systemv1.Platform_MODE_SANDBOX {
		t.Errorf("the mode is %v", got.GetPlatform())
	}
	for _, c := range got.GetCapabilities() {
		if c.GetName() == "containers" && (c.GetAvailable() || !strings.Contains(c.GetDetail(), "sandbox")) {
			t.Errorf("%v", c)
		}
	}
	// The page's port is the front door's, with the server's own certificate.
	resp, err := w.HTTP().Get(w.Web() + "/openapi.json")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v: %v", resp, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}
