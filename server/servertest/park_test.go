package servertest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/server/internal/host/sandbox"
	"github.com/hearthos/hearth/server/servertest"
)

// parked waits until the service is stopped and has no container, and answers the id of the last one that it had.
func (w *world) parked() {
	w.t.Helper()
	w.until("parked service", func(ctx context.Context) (bool, error) {
		list, err := w.Host.Containers.List()
		resp, failed := w.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: pkg})
		st := resp.GetPackage().GetStatus()
		return len(list) == 0 && st.GetState() == packagesv1.PackageStatus_STATE_STOPPED && st.GetContainer() == "", errors.Join(err, failed)
	})
}

// states follows the states of the service from now on, until it is in the last.
func (w *world) states(last packagesv1.PackageStatus_State) <-chan []packagesv1.PackageStatus_State {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	var once sync.Once
	begun, ended := make(chan struct{}), make(chan []packagesv1.PackageStatus_State, 1)
	go func() {
		defer cancel()
		var seen []packagesv1.PackageStatus_State
		_ = w.Watch(ctx, []*statev1.Target{{Selectors: []*statev1.Selector{{Kind: "package", Id: pkg}}}}, func(u *statev1.Update) (bool, error) {
			for _, c := range u.GetChanges() {
				if p := c.GetResource().GetPackage(); p != nil {
					seen = append(seen, p.GetStatus().GetState())
				}
			}
			once.Do(func() { close(begun) })
			return len(seen) > 1 && seen[len(seen)-1] == last, nil
		})
		ended <- seen
	}()
	select {
	case <-begun:
	case <-ctx.Done():
		w.t.Fatal("the feed does not begin")
	}
	return ended
}

func TestAStoppedServiceGivesItsContainerBackAndGetsOneWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Park(20 * time.Millisecond)
	w.install(servertest.Package(t, pkg, nil))
	address := w.state(running, success).GetPackage().GetStatus().GetIpv4()
	if _, err := w.Packages.StopPackage(t.Context(), &packagesv1.StopPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	w.parked()
	if got := w.state(packagesv1.PackageStatus_STATE_STOPPED, 0).GetPackage().GetStatus(); got.GetIpv4() != address || got.GetFault() != nil {
		t.Errorf("a parked service has the status %v; others find it at %s", got, address)
	}

	// An action brings it up, and leaves it stopped.
	form, err := w.Actions.GetActionInput(t.Context(), &actionsv1.GetActionInputRequest{PackageId: pkg, ActionId: "set-greeting"})
	if err != nil || len(form.GetSpec()) == 0 {
		t.Fatalf("the form of a parked service's action is %v (%v)", form, err)
	}
	w.parked()

	// So does a value that its code waited for, also where another daemon had parked it.
	for i, another := range []bool{false, true} {
		if another {
			w.Restart()
			w.parked()
		}
		states := w.states(packagesv1.PackageStatus_STATE_STOPPED)
		if _, err := w.Settings.SetSmtp(t.Context(), &systemv1.SetSmtpRequest{
			Host: fmt.Sprintf("mail%d.example.com", i), Port: 587, Sender: "a@example.com", Username: "a", Security: systemv1.SmtpSpec_SECURITY_STARTTLS,
		}); err != nil {
			t.Fatal(err)
		}
		if seen := <-states; len(seen) < 3 || seen[1] != packagesv1.PackageStatus_STATE_CREATING {
			t.Errorf("when mail is sent in another way the service goes through %v", seen)
		}
		w.parked()
	}

	// It starts.
	if _, err := w.Packages.StartPackage(t.Context(), &packagesv1.StartPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	w.state(running, success)
	if _, err := w.Packages.StopPackage(t.Context(), &packagesv1.StopPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	w.parked()

	// Its clean-up is asked of its own code.
	states := w.states(packagesv1.PackageStatus_STATE_ABSENT)
	if _, err := w.Packages.UninstallPackage(t.Context(), &packagesv1.UninstallPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	seen := <-states
	want := []packagesv1.PackageStatus_State{packagesv1.PackageStatus_STATE_CREATING, packagesv1.PackageStatus_STATE_INITIALIZING, packagesv1.PackageStatus_STATE_EXITING}
	for _, s := range seen {
		if len(want) > 0 && s == want[0] {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("a parked service is removed by way of %v, without %v", seen, want)
	}
	if list, err := os.ReadDir(w.Server.State + "/upper"); err == nil && len(list) != 0 {
		t.Errorf("what containers wrote stays: %v", list)
	}
}

// The value that a task asks for is read from the package's code when its init has ended, also where the init is that of a
// container which comes back.
func TestAParkedServiceWhoseTaskAsksForAValueStarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Park(20 * time.Millisecond)
	w.Host.Play(pkg, sandbox.Play{Picky: true})
	w.install(servertest.Package(t, pkg, nil))
	w.state(running, success)
	if _, err := w.Packages.StopPackage(t.Context(), &packagesv1.StopPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	w.parked()
	if _, err := w.Packages.StartPackage(t.Context(), &packagesv1.StartPackageRequest{Id: pkg}); err != nil {
		t.Fatal(err)
	}
	w.state(running, success)
	tasks, err := w.Actions.ListTasks(t.Context(), &actionsv1.ListTasksRequest{})
	if err != nil || len(tasks.GetTasks()) != 1 || !tasks.GetTasks()[0].GetStatus().GetActive() {
		t.Errorf("the tasks are %v (%v)", tasks.GetTasks(), err)
	}
}
