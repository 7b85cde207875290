package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/registry/export"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"golang.org/x/sys/unix"
)

const (
	maxSize = 1 << 40
	// reserve stays free on the disk, for the server itself.
	reserve = 512 << 20
	// A place that sends less than slow bytes in patience is given up.
	patience = 30 * time.Second
	slow     = 64 << 10
	// lookPatience bounds how long a look at a file where it lies may take at one place: nobody hears of it meanwhile.
	lookPatience = time.Minute
	// tries is how often a place is asked again that sent something before it broke off.
	tries = 5
)

// Find finds the file to install: of the registry, or of the first that has the package, the version or the newest of a
// range. Of what is installed it takes the flavor, and nothing older where no version is asked for. It takes the newest that suits
// the machine; where none does, the newest, which is then refused for what it lacks.
func (s *Service) Find(ctx context.Context, reg string, w registry.Wanted) (id string, chosen exver.Version, asset registry.Asset, err error) {
	pkg, version, installed := w.Package, w.Version, w.Installed
	target, err := targetOf(version)
	if err != nil {
		return "", chosen, asset, err
	}
	if target, err = w.Narrow(target); err != nil {
		return "", chosen, asset, err
	}
	detail := registry.DetailNone
	p := registry.GetParams{ID: &pkg, TargetVersion: target, OtherVersions: &detail}
	have, err := exver.Parse(installed)
	if isInstalled := err == nil; isInstalled {
		p.SourceVersion = &have
	}
	row, l, err := s.listing(ctx, reg, "", p)
	if err != nil {
		return "", chosen, asset, err
	}
	id = row.GetMeta().GetId()
	q := registry.Question{Target: target, Source: p.SourceVersion, Device: s.device("")}
	best, _ := registry.Choose(registry.Candidates(l.Best), q)
	c, err := pick(best, p.SourceVersion, version != "", pkg)
	if err != nil {
		return id, chosen, asset, err
	}
	if c, err = s.suiting(ctx, row, w, p, q, c); err != nil {
		return id, chosen, asset, err
	}
	if len(c.Version.Files) == 0 || len(c.Version.Files) > maxFiles {
		return id, chosen, asset, invalid(row, "it lists %d files of %s", len(c.Version.Files), pkg)
	}
	asset = c.Version.Files[0].Asset
	return id, c.Exver, asset, check(row, asset)
}

// suiting is the version that was picked, if it suits the machine, or the newest of all that does; if none, the one picked.
func (s *Service) suiting(ctx context.Context, row *registriesv1.Registry, w registry.Wanted, p registry.GetParams, q registry.Question, picked registry.Candidate) (registry.Candidate, error) {
	if fit := w.Suiting([]registry.Candidate{picked}); len(fit) > 0 {
		return fit[0], nil
	}
	client, err := s.source(row, "")
	if err != nil {
		return picked, err
	}
	detail := registry.DetailFull
	p.OtherVersions = &detail
	l, err := client.Get(ctx, p)
	if err != nil {
		return picked, told(row, err)
	}
	if len(l.Best)+len(l.OtherVersions) > maxVersions {
		return picked, invalid(row, "it lists more than %d versions of %s", maxVersions, w.Package)
	}
	all, err := l.All()
	if err != nil {
		return picked, invalid(row, "%s", err)
	}
	best, _ := registry.Choose(w.Suiting(registry.Candidates(all)), q)
	if c, err := pick(best, q.Source, w.Version != "", w.Package); err == nil {
		return c, nil
	}
	return picked, nil // what it lacks is said where it is looked at
}

// pick takes one of the best versions of each flavor.
func pick(best []registry.Candidate, installed *exver.Version, asked bool, pkg string) (registry.Candidate, error) {
	var flavors []string
	upToDate := false
	for _, c := range best {
		name, flavored := c.Exver.Flavor()
		if installed != nil {
			order, same := c.Exver.Compare(*installed)
			if same && (asked || order > 0) {
				return c, nil
			}
			upToDate = upToDate || same
			continue
		}
		if !flavored || len(best) == 1 {
			return c, nil
		}
		flavors = append(flavors, name)
	}
	if installed != nil && asked && len(best) == 1 {
		return best[0], nil
	}
	if len(flavors) > 0 {
		return registry.Candidate{}, fault.New(metav1.Reason_REASON_OFFER_NOT_FOUND, "%q comes in the flavors %s; name a version of one", pkg, strings.Join(flavors, ", ")).With("package", pkg)
	}
	why, reason := "no registry has %q in a version that is newer than the installed one", metav1.Reason_REASON_OFFER_NOT_FOUND
	if upToDate {
		reason = metav1.Reason_REASON_PACKAGE_UP_TO_DATE
	}
	return registry.Candidate{}, fault.New(reason, why, pkg).With("package", pkg)
}

func invalid(row *registriesv1.Registry, format string, args ...any) error {
	id := row.GetMeta().GetId()
	return fault.New(metav1.Reason_REASON_REGISTRY_INVALID, "what the registry %q answers makes no sense: %s", id, fmt.Sprintf(format, args...)).With("registry", id)
}

// check refuses a file that not all who are said to have signed it did sign, or that lies nowhere.
func check(row *registriesv1.Registry, a registry.Asset) error {
	switch {
	case len(a.Signatures) > maxSignatures:
		return invalid(row, "it lists %d signatures of a file", len(a.Signatures))
	case len(a.URLs) == 0 || len(a.URLs) > maxPlaces:
		return invalid(row, "it lists %d places of a file", len(a.URLs))
	case slices.ContainsFunc(a.URLs, func(place string) bool { return len(place) > maxPlace }):
		return invalid(row, "the address of a file has more than %d bytes", maxPlace)
	}
	if _, err := a.Verify(); err != nil {
		return fault.New(metav1.Reason_REASON_OFFER_SIGNATURE, "cannot trust what the registry %q lists: %s", row.GetMeta().GetId(), err).With("registry", row.GetMeta().GetId())
	}
	return nil
}

// errOtherSigner is of a place whose file has the listed content and was signed by somebody else than who is wanted.
var errOtherSigner = errors.New("the file there is signed by somebody else")

// places are where a file may be fetched. Who signs it is pinned, and must not depend on which place answers: of a file that
// several have signed, the first place alone tells whose it is.
func places(a registry.Asset) []string {
	if len(a.Signatures) > 1 {
		return a.URLs[:1]
	}
	return a.URLs
}

// wanted refuses a file that none signed who is listed. An asset without signatures is that of an operation which an earlier
// release began.
func wanted(a registry.Asset, f *s9pk.File) error {
	if len(a.Signatures) == 0 || a.SignedBy(f.Signer()) {
		return nil
	}
	return errOtherSigner
}

// Open gives access to a file where it lies, for a look at it before it is downloaded. The first place counts that gives
// the file which the registry lists, signed by who is listed; where several are, there is one place. A place that does not
// give what a look at it takes within lookPatience is given up, and what is read of the file after that fails.
func (s *Service) Open(ctx context.Context, reg string, a registry.Asset) (fetch.File, error) {
	row, err := s.get(reg)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, place := range places(a) {
		f, err := s.look(ctx, row, place, a)
		if err == nil {
			return f, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		failed = also(failed, err)
	}
	return nil, refused(row, failed)
}

// look is access to the file at a place.
func (s *Service) look(ctx context.Context, row *registriesv1.Registry, place string, a registry.Asset) (fetch.File, error) {
	slow := fmt.Errorf("next to nothing comes from the server: a look at the file took longer than %s", lookPatience)
	ctx, cancel := context.WithTimeoutCause(ctx, lookPatience, slow)
	f, err := fetch.Open(ctx, fetchedPlace(row, place), fetch.Options{Transport: s.via(row)})
	if err == nil {
		var opened *s9pk.File
		if opened, err = s9pk.Open(f, f.Size(), s9pk.Options{Commitment: &a.Commitment}); err == nil {
			err = wanted(a, opened)
		}
		if err == nil {
			return &looked{f, cancel}, nil
		}
		f.Close()
	}
	if context.Cause(ctx) == slow {
		err = slow
	}
	cancel()
	return nil, err
}

// looked is a file whose patience ends with it.
type looked struct {
	fetch.File
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (l *looked) Close() error {
	defer l.cancel()
	return l.File.Close()
}

// refused is why no place gave the file.
func refused(row *registriesv1.Registry, err error) error {
	id := row.GetMeta().GetId()
	var wrong *s9pk.Error
	var absent *fetch.Error
	switch {
	case errors.As(err, &wrong) && wrong.Reason != s9pk.Unreadable && wrong.Reason != s9pk.Truncated:
		return fault.New(metav1.Reason_REASON_OFFER_MISMATCH, "what lies where the registry %q says is another file: %s", id, wrong).With("registry", id)
	case errors.Is(err, fetch.ErrLocalAddress):
		return fault.New(metav1.Reason_REASON_REGISTRY_ADDRESS_LOCAL, "the registry %q leads to an address of this machine or of a private network", id).With("registry", id)
	case errors.Is(err, unix.ENOSPC):
		return fault.New(metav1.Reason_REASON_DISK_FULL, "cannot keep the file: the disk is full")
	case errors.As(err, new(*fault.Error)), errors.Is(err, context.Canceled):
		return err
	case row.GetSpec().GetFingerprint() != "" && errors.As(err, &absent) && notThere(absent.Status):
		return exportFault(row, &export.Error{Kind: export.Incomplete, File: "a package file", Err: errors.New("it is on the list and not there")})
	}
	return fault.New(metav1.Reason_REASON_DOWNLOAD_FAILED, "cannot fetch the file that the registry %q lists: %s", id, strings.ReplaceAll(err.Error(), "\n", "; ")).With("registry", id)
}

// also adds a failure to those before it, once for each way to fail: the same place is tried again and again.
func also(failed, err error) error {
	if failed != nil && slices.Contains(strings.Split(failed.Error(), "\n"), err.Error()) {
		return failed
	}
	return errors.Join(failed, err)
}

// notThere tells of an answer that there is no such file; a store of objects says the last.
func notThere(status int) bool {
	return status == http.StatusNotFound || status == http.StatusGone || status == http.StatusForbidden
}

// Download fetches a file into f, which may hold the beginning of it, from one place after the other, and verifies every
// byte while it arrives. When it returns without an error f holds the file and nothing else.
func (s *Service) Download(ctx context.Context, reg string, a registry.Asset, f *os.File, progress func(done, total uint64)) error {
	row, err := s.get(reg)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: s.via(row), CheckRedirect: fetch.CheckRedirect}
	defer client.CloseIdleConnections()
	var failed error
	for _, place := range places(a) {
		for try := range tries {
			before := sizeOf(f)
			d := &download{client: client, file: f, asset: a, progress: progress}
			err = d.run(ctx, fetchedPlace(row, place))
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if errors.Is(err, unix.ENOSPC) || fault.Is(err, metav1.Reason_REASON_DISK_FULL) {
				return refused(row, err)
			}
			if wrong := s9pk.ReasonOf(err); wrong != "" && wrong != s9pk.Unreadable || errors.Is(err, errOtherSigner) {
				if err := f.Truncate(0); err != nil { // nobody can tell which bytes are wrong
					return err
				}
				failed = also(failed, err)
				break
			}
			failed = also(failed, err)
			if sizeOf(f) <= before || try == tries-1 {
				break
			}
		}
	}
	return refused(row, failed)
}

func sizeOf(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// download is one attempt at one place. One goroutine writes what arrives, another verifies it behind that.
type download struct {
	client   *http.Client
	file     *os.File
	asset    registry.Asset
	progress func(done, total uint64)

	size int64

	mu    sync.Mutex // guards what follows
	moved *sync.Cond
	have  int64
	end   error // why no more arrives; io.EOF when all is there
}

func (d *download) run(ctx context.Context, place string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.moved = sync.NewCond(&d.mu)
	resp, err := d.begin(ctx, place, cancel)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	arrived := make(chan error, 1)
	go func() {
		err := d.receive(ctx, resp.Body, cancel)
		d.finish(err)
		arrived <- err
	}()
	err = d.verify(ctx)
	if err != nil {
		cancel(err) // nothing more of it is wanted
	}
	received := <-arrived
	if received != nil && (err == nil || s9pk.ReasonOf(err) == s9pk.Unreadable || s9pk.ReasonOf(err) == s9pk.Truncated) && !errors.Is(received, err) {
		return received
	}
	return err
}

// begin asks for what is missing of the file.
func (d *download) begin(ctx context.Context, place string, cancel context.CancelCauseFunc) (*http.Response, error) {
	u, err := url.Parse(place)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, errors.New("the place is no address of the web")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, err
	}
	d.have = sizeOf(d.file)
	if d.have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
	}
	timer := time.AfterFunc(patience, func() { cancel(errors.New("the server does not answer")) })
	defer timer.Stop()
	resp, err := d.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, err
	}
	if err := d.sized(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, d.room()
}

// sized reads from an answer how long the file is, and from where on the answer has it.
func (d *download) sized(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusPartialContent && d.have > 0:
		span, total, ok := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "/")
		size, err := strconv.ParseInt(total, 10, 64)
		if !ok || err != nil || !strings.HasPrefix(span, strconv.FormatInt(d.have, 10)+"-") {
			return errors.New("the server answers with another part than was asked for")
		}
		d.size = size
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && d.have > 0:
		d.size = d.have // it may be whole: verifying tells
	case resp.StatusCode == http.StatusOK:
		d.have, d.size = 0, resp.ContentLength
		if err := d.file.Truncate(0); err != nil {
			return err
		}
	default:
		return &fetch.Error{Host: resp.Request.URL.Host, Why: fmt.Sprintf("the server answers %.60s", resp.Status), Status: resp.StatusCode}
	}
	if d.size <= 0 || d.size > maxSize || d.size < d.have {
		return errors.New("the server does not say how long the file is, or that it is longer than may be")
	}
	return nil
}

// room refuses a file for which there is none on the disk.
func (d *download) room() error {
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(d.file.Fd()), &disk); err != nil {
		return err
	}
	needed := uint64(d.size-d.have) + reserve
	if free := disk.Bavail * uint64(disk.Bsize); free < needed {
		return fault.New(metav1.Reason_REASON_DISK_FULL, "cannot fetch a file of %s: %s are free and %s stay reserved", fault.Bytes(d.size), fault.Bytes(free), fault.Bytes(reserve)).
			With("needed", needed).With("free", free)
	}
	return nil
}

// receive writes what arrives, up to the announced size. It gives up a server that sends next to nothing.
func (d *download) receive(ctx context.Context, body io.Reader, cancel context.CancelCauseFunc) error {
	if d.have == d.size {
		return nil
	}
	watch := time.AfterFunc(patience, func() { cancel(errors.New("next to nothing comes from the server")) })
	defer watch.Stop()
	since := d.have
	buffer := make([]byte, 1<<20)
	for d.have < d.size {
		n, err := io.ReadAtLeast(body, buffer[:min(int64(len(buffer)), d.size-d.have)], 1)
		if _, werr := d.file.WriteAt(buffer[:n], d.have); werr != nil {
			return werr
		}
		d.mu.Lock()
		d.have += int64(n)
		d.moved.Broadcast()
		d.mu.Unlock()
		if d.have-since >= slow {
			since = d.have
			watch.Reset(patience)
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return fmt.Errorf("the file breaks off after %s of %s", fault.Bytes(d.have), fault.Bytes(d.size))
		}
	}
	if n, _ := io.ReadFull(body, buffer[:1]); n > 0 {
		return errors.New("the server sends more than it said")
	}
	return nil
}

// finish wakes those who wait for bytes.
func (d *download) finish(err error) {
	if err == nil {
		err = io.EOF
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end = err
	d.moved.Broadcast()
}

// ReadAt waits for the bytes it needs.
func (d *download) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	for d.have < min(off+int64(len(p)), d.size) && d.end == nil {
		d.moved.Wait()
	}
	have, end := d.have, d.end
	d.mu.Unlock()
	switch {
	case off >= d.size:
		return 0, io.EOF
	case have >= off+int64(len(p)), have == d.size:
		return d.file.ReadAt(p, off)
	}
	return 0, end
}

// verify follows the bytes to their end.
func (d *download) verify(ctx context.Context) error {
	f, err := s9pk.Open(d, d.size, s9pk.Options{Commitment: &d.asset.Commitment})
	if err == nil {
		err = wanted(d.asset, f)
	}
	if err != nil {
		return err
	}
	if err := f.CheckExtent(d.size); err != nil { // before the rest is waited for
		return err
	}
	return f.VerifyAll(ctx, func(done, _ int64) { d.progress(uint64(done), uint64(d.size)) })
}
