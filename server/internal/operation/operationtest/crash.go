// Package operationtest runs an operation through crashes: at every point where one makes a difference, once and twice,
// and holds what is durable in the end against a run without any.
//
// The points are those of operation.Engine.Probe: before and after every commit of the engine and of the steps, and
// before and after every Do and Undo. A crash here ends the goroutine of the operation at the point, closes the store and
// starts everything anew on the same folder. What it deliberately cannot do is to stop a step between two of its own
// system calls; a step that needs that gives its own tests such points. A step's deferred calls run when it is ended
// inside one of its commits, which a real crash would not do. That the store keeps what it acknowledged when a process
// dies is the store's own test.
package operationtest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// World is what a process has at boot.
type World struct {
	Definitions []operation.Definition
	// Request is what is asked; the same one after every crash.
	Request operation.Request
	// Beside, if not nil, runs beside the engine, such as the controllers the operation waits for. It ends with its
	// context, after which nothing it started may touch the folder or the store.
	Beside func(ctx context.Context) error
	// CancelAt, if not "", is the point, as in "after do copy", at which somebody asks to cancel.
	CancelAt string
	// GiveUp says that somebody gives up each step that must succeed as soon as an attempt at it has failed.
	GiveUp bool
	// Alike, if not nil, makes alike what of the state a crash may leave otherwise, such as how often something was made anew.
	Alike func(state string) string
}

// Build makes the world of one process on a folder that may hold what a process before it left. What is in the folder
// counts as durable, except below "store". It is called once for each process.
type Build func(t testing.TB, dir string, st *store.Store) World

// pairs is how many of the schedules with two crashes are tried unless HEARTH_SOAK is set, and fewPairs how many by the fast
// lane; they are drawn by a seed that HEARTH_SEED replaces.
const (
	pairs    = 20
	fewPairs = 4
)

// patience bounds one process's part of a schedule: an operation that hangs after a crash is a defect.
const patience = 30 * time.Second

// CrashMatrix fails t unless the operation ends in the same durable state however it is crashed. It answers that state,
// spelled for people.
func CrashMatrix(t *testing.T, build Build) string {
	t.Helper()
	want, differences := matrix(t, build)
	t.Logf("%d points, ends as\n%s", want.points, want.state)
	for _, d := range differences {
		t.Error(d)
	}
	return want.state
}

// matrix answers how the operation ends by itself, and in which schedules otherwise.
func matrix(t *testing.T, build Build) (want outcome, differences []string) {
	t.Helper()
	want = run(t, build, nil)
	if want.points == 0 {
		t.Fatal("the operation has no points at which it could crash")
	}
	schedules := draw(t, want.points)
	for first := want.points; first > 0; first-- {
		schedules = append([][]int{{first}}, schedules...)
	}
	for _, crashes := range schedules {
		if got := run(t, build, crashes); got.state != want.state {
			differences = append(differences, fmt.Sprintf("after crashes at %v (%s) the state is\n%s\nand not\n%s", crashes, got.at, got.state, want.state))
		}
	}
	return want, differences
}

// draw answers schedules with two crashes, the second counted from the start of the second process. One that lies
// behind the end of the operation simply does not happen.
func draw(t *testing.T, points int) [][]int {
	var all [][]int
	for first := 1; first <= points; first++ {
		for second := 1; second <= points; second++ {
			all = append(all, []int{first, second})
		}
	}
	if os.Getenv("HEARTH_SOAK") != "" || len(all) <= drawn() {
		return all
	}
	seed := uint64(1)
	if text := os.Getenv("HEARTH_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("HEARTH_SEED: %v", err)
		}
	}
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:drawn()]
}

// drawn is how many schedules with two crashes are tried.
func drawn() int {
	if testing.Short() {
		return fewPairs
	}
	return pairs
}

// outcome is how a schedule ended.
type outcome struct {
	points int    // passed by the first process
	at     string // names of the points where it crashed
	state  string
}

// run takes one schedule from an empty folder to the end of the operation.
func run(t *testing.T, build Build, crashes []int) outcome {
	t.Helper()
	dir := folder(t)
	defer os.RemoveAll(dir)
	var o outcome
	for i := 0; ; i++ {
		crash := 0
		if i < len(crashes) {
			crash = crashes[i]
		}
		p := &process{t: t, dir: dir, crashAt: crash}
		p.live(build)
		if i == 0 {
			o.points = p.passed
		}
		if p.crashed == "" {
			o.state = p.state
			return o
		}
		o.at = strings.TrimPrefix(o.at+", "+p.crashed, ", ")
	}
}

// folder makes an empty folder, in memory where there is some: hundreds of stores are made.
func folder(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "operationtest")
	if err != nil {
		dir, err = os.MkdirTemp("", "operationtest")
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// process is one life between two crashes.
type process struct {
	t       *testing.T
	dir     string
	crashAt int

	mu      sync.Mutex // guards the following
	passed  int
	crashed string // name of the point, "" while alive
	died    chan struct{}
	state   string
}

func (p *process) live(build Build) {
	t := p.t
	t.Helper()
	st, err := store.Open(filepath.Join(p.dir, "store"), store.Options{MinFree: 1, MemTable: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	w := build(t, p.dir, st)
	e := operation.New(st, slog.New(slog.DiscardHandler), w.Definitions...)
	p.died = make(chan struct{})
	e.Probe(func(point string) { p.point(e, w, point) })
	if _, err := e.Begin(t.Context(), time.Now(), w.Request); err != nil {
		t.Fatalf("cannot begin: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	if w.Beside != nil {
		all.Go(func() {
			if err := w.Beside(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	err = p.await(ctx, st, w.Request.ID)
	if err == nil && !p.dead() {
		p.state = state(t, p.dir, st)
		if w.Alike != nil {
			p.state = w.Alike(p.state)
		}
	}
	stop()
	all.Wait()
	if err != nil {
		t.Fatalf("the operation does not end: %v\n%s", err, state(t, p.dir, st))
	}
}

// point is called at every point; at the one that was chosen, and ever after, it ends the goroutine that calls.
func (p *process) point(e *operation.Engine, w World, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed++
	if p.crashed == "" && p.passed == p.crashAt {
		p.crashed = name
		close(p.died)
	}
	if p.crashed != "" {
		runtime.Goexit()
	}
	if w.CancelAt == name {
		if _, err := e.Cancel(context.WithoutCancel(p.t.Context()), time.Now(), w.Request.ID); err != nil {
			p.t.Errorf("cannot cancel %s: %v", name, err)
		}
	}
	if w.GiveUp {
		p.giveUp(e, w.Request.ID)
	}
}

// giveUp gives up the current step where that can be done now.
func (p *process) giveUp(e *operation.Engine, id string) {
	_, err := e.GiveUp(context.WithoutCancel(p.t.Context()), time.Now(), id, false)
	switch {
	case err == nil, fault.Is(err, metav1.Reason_REASON_OPERATION_NOT_STUCK), fault.Is(err, metav1.Reason_REASON_OPERATION_FINAL):
	default:
		p.t.Errorf("cannot give up: %v", err)
	}
}

func (p *process) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crashed != ""
}

// await waits for the end of the operation or of the process.
func (p *process) await(ctx context.Context, st *store.Store, id string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() {
		select {
		case <-p.died:
			cancel()
		case <-ctx.Done():
		}
	}()
	w, err := st.Watch(store.WatchOptions{Selectors: []store.Selector{{Kind: "operation", ID: id}}})
	if err != nil {
		return err
	}
	for {
		b, err := w.Next(ctx)
		if p.dead() {
			return nil
		}
		if err != nil {
			return err
		}
		for _, c := range b.Changes {
			if op, ok := c.Row.(*operationsv1.Operation); ok && op.GetStatus().GetEndTime() != nil {
				return nil
			}
		}
	}
}

// state spells everything durable: the files but those of the store, and the rows without what tells when and how often
// they were written.
func state(t testing.TB, dir string, st *store.Store) string {
	var b strings.Builder
	files(t, &b, dir)
	w, err := st.Watch(store.WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Changes {
			if !c.Ephemeral {
				fmt.Fprintf(&b, "%s %s\n", c.Kind, spell(c.Row))
			}
		}
		if batch.Bookmark {
			return b.String()
		}
	}
}

// timeless keeps of meta what the writers of the row decide.
func timeless(m *metav1.Meta) *metav1.Meta {
	return &metav1.Meta{Id: m.GetId(), Labels: m.GetLabels(), Finalizers: m.GetFinalizers()}
}
