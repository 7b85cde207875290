package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/audit"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/journal"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/accountsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
	"github.com/hearthos/hearth/server/internal/seal"
)

// A start goes through these steps. The sockets are open from the first on; what can be called before the last has ended
// is said by the phases of each method.
const (
	stepStore = iota
	stepAreas
	stepMachine
	stepServices
	stepDoor
	startSteps
)

func stepName(step int) string {
	return [startSteps]string{
		stepStore: "opens the store", stepAreas: "reads its state", stepMachine: "makes the machine ready",
		stepServices: "takes up the services that run", stepDoor: "reaches the front door",
	}[step]
}

// keptLines is how much of the log a start can be followed back.
const keptLines = 512

// begin tells that a step of the start begins.
func (d *Daemon) begin(ctx context.Context, step int) {
	d.step.Store(int32(step))
	d.hub.Enter(optionsv1.Phase_PHASE_INIT, stepName(step))
	d.log.InfoContext(ctx, "start", "step", stepName(step))
}

// State implements systemrpc.Daemon.
func (d *Daemon) State() *systemv1.GetStateResponse {
	resp := &systemv1.GetStateResponse{
		Phase: d.hub.Phase(), StartTime: timestamppb.New(d.started), StepsDone: startSteps, Steps: startSteps,
	}
	if resp.GetPhase() == optionsv1.Phase_PHASE_INIT {
		step := int(d.step.Load())
		resp.StepsDone, resp.Step = uint32(step), stepName(step)
	}
	if d.opened.Load() {
		if claimed, err := d.accounts.Claimed(); err != nil {
			d.log.Warn("cannot tell whether the server is claimed", "error", err) // and tells nothing
		} else {
			resp.Claimed = proto.Bool(claimed)
		}
	}
	return resp
}

// FollowStart implements systemrpc.Daemon.
func (d *Daemon) FollowStart(ctx context.Context, send func([]journal.Line) error) error {
	var next uint64
	for {
		// Asked before the lines are: the last line of a start is logged when it has ended.
		phase := d.hub.Phase()
		lines, after, more := d.recent.From(next)
		if next = after; len(lines) > 0 {
			if err := send(lines); err != nil {
				return err
			}
		}
		if phase == optionsv1.Phase_PHASE_RUNNING {
			return nil
		}
		if d.hub.Phase() == optionsv1.Phase_PHASE_RUNNING {
			continue // it has ended meanwhile, and the last line may be among these
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rememberedTag is the tag this state had the last time, which the name of its socket tells: so the sockets can be opened
// before the store is. It is empty for a state that is new.
func (d *Daemon) rememberedTag() string {
	target, err := os.Readlink(d.socketLink())
	if err != nil {
		return ""
	}
	if dir := filepath.Dir(target); filepath.Dir(dir) == d.cfg.RunRoot && len(filepath.Base(dir)) == 4 {
		return filepath.Base(dir)
	}
	return ""
}

// holdsData reports whether there are packages or data of services in this state. A new store knows nothing of them and
// would have them removed as left over, so none is begun beside them.
func (d *Daemon) holdsData() bool {
	for _, pattern := range []string{"artifacts/*.s9pk", "artifacts/claimed/*", "volumes/[^.]*"} {
		if found, err := filepath.Glob(filepath.Join(d.cfg.StateDir, pattern)); err != nil || len(found) > 0 {
			return true
		}
	}
	return false
}

// claimTag takes a tag on this machine, where a server of the same would take containers of this one for its own. One that is played has
// none.
func (d *Daemon) claimTag(tag string) (free bool, err error) {
	if d.cfg.Sandbox != nil {
		return true, nil
	}
	return lxc.Claim(tag)
}

// sweep removes what kills left of files that were being replaced. The store is open, so no other daemon writes them; what
// this one writes already is younger than its start.
func (d *Daemon) sweep() error {
	keys, authority := KeyDir(d.cfg.StateDir), filepath.Join(d.cfg.StateDir, "authority")
	for _, dir := range []string{d.cfg.StateDir, keys, filepath.Join(keys, "escrow"), authority, filepath.Join(authority, "leaves")} {
		if err := atomicfile.SweepFolder(dir, d.started); err != nil {
			return err
		}
	}
	return nil
}

// reserve is how much of the disk the store sets aside for when it is full. A machine that is played fills no disk.
func (d *Daemon) reserve() uint64 {
	if d.cfg.Sandbox != nil {
		return 0
	}
	return 128 << 20
}

// holdServices keeps services that go on from an earlier daemon where they are until letGo, if the disk is so full that the
// state needs its reserve to be opened: who filled it would take that, too. It can be called while another daemon has the
// state; a start that was killed in between is made up for by the next.
func (d *Daemon) holdServices(tag string) (letGo func()) {
	if tag == "" || d.cfg.Sandbox != nil {
		return func() {}
	}
	containers, err := lxc.New(lxc.Config{Tag: tag, RunDir: d.runDir, Helper: filepath.Join(d.cfg.BinDir, "hearth-lxc")})
	if err != nil {
		d.log.Warn("services cannot be kept from the disk", "error", err)
		return func() {}
	}
	if r, err := roomOf(d.cfg.StateDir); err == nil && r.free < d.reserve() {
		d.log.Warn("services are held while the state is opened, since the disk is full", "free", r.free)
		if err := containers.FreezeAll(); err != nil {
			d.log.Warn("services cannot be kept from the disk", "error", err)
		}
	}
	return func() {
		if err := errors.Join(containers.ThawAll(), containers.Close()); err != nil {
			d.log.Warn("services may not go on", "error", err)
		}
	}
}

// checkKeys makes sure that no root key is made beside what was sealed with another.
func (d *Daemon) checkKeys() error {
	known, err := seal.Known(KeyDir(d.cfg.StateDir))
	if err != nil || known {
		return err
	}
	sealed, err := filepath.Glob(filepath.Join(d.cfg.StateDir, "authority", "*"))
	if err == nil && len(sealed) > 0 {
		err = fmt.Errorf("cannot open the secrets of this server: there is nothing in %s: %w; bring that folder back from a backup, or its folder escrow and run 'hearthd key recover'",
			KeyDir(d.cfg.StateDir), seal.ErrLost)
	}
	return err
}

// checkAuthority makes sure that a server somebody has claimed, which has copies of its root key since, gets no other
// authority than it had. Who wants one all the same makes its folder.
func (d *Daemon) checkAuthority() error {
	dir := filepath.Join(d.cfg.StateDir, "authority")
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	copies, err := seal.Copies(KeyDir(d.cfg.StateDir))
	if err == nil && copies {
		err = fmt.Errorf("cannot find the certificate authority: there is no %s; bring that folder back from a backup. "+
			"To have a new one, which every device must trust anew, make the empty folder", dir)
	}
	return err
}

// checkTag makes sure that what listens belongs to the store that was opened.
func (d *Daemon) checkTag() error {
	if d.tag == d.store.Tag() {
		return nil
	}
	if err := os.Remove(d.socketLink()); err != nil {
		return err
	}
	return fmt.Errorf("the store in %s has been replaced: its tag is %s and was %s; start again", d.cfg.StateDir, d.store.Tag(), d.tag)
}

func (d *Daemon) socketLink() string { return filepath.Join(d.cfg.StateDir, "hearthd.sock") }

// What the wires are given is there before what it asks: until the areas are, it says so.

// authenticator checks credentials once the accounts can be read.
type authenticator struct{ d *Daemon }

func (a authenticator) Authenticate(ctx context.Context, shown access.Credential, from string) (access.Identity, error) {
	if !a.d.opened.Load() {
		return access.Identity{}, a.d.hub.Starting()
	}
	return accountsrpc.NewAuthenticator(a.d.accounts, time.Now).Authenticate(ctx, shown, from)
}

// revision is the newest revision of the store, 0 before it is open.
func (d *Daemon) revision() uint64 {
	if !d.opened.Load() {
		return 0
	}
	return d.store.Revision()
}

// auditLog is what records calls; nil before the areas are there, when nothing can be changed.
func (d *Daemon) auditLog() *audit.Log {
	if !d.opened.Load() {
		return nil
	}
	return d.audit
}

// transfers serves uploads once there is somewhere to put them.
func (d *Daemon) transfers(w http.ResponseWriter, r *http.Request) {
	if !d.opened.Load() {
		codec.WriteFault(w, d.hub.Starting())
		return
	}
	d.transfer.ServeHTTP(w, r)
}
