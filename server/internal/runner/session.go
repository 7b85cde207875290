package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	execv1 "github.com/hearthos/hearth/api/gen/go/hearth/exec/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/atomicfile"
)

// about is what is known of a subcontainer, beside what was written to it: it comes and goes with that.
type about struct {
	Name    string    `json:"name,omitempty"`
	Image   string    `json:"image"`
	Created time.Time `json:"created"`
}

// Limits of what is kept about a subcontainer; the name is the package's.
const (
	aboutFile = "about.json"
	maxAbout  = 4 << 10
	maxName   = 128
	maxListed = 1000
)

func (s *Service) describeSubcontainer(pkg, guid string, a about) error {
	dir := filepath.Join(s.upperDir(pkg), "sub", guid)
	a.Name = strings.ToValidUTF8(a.Name[:min(len(a.Name), maxName)], "")
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(dir, 0o711), atomicfile.Write(filepath.Join(dir, aboutFile), raw, 0o600)); err != nil {
		return fmt.Errorf("cannot describe the subcontainer: %w", err)
	}
	return nil
}

// Subcontainers lists what the code of a package has made of its images in the container that runs, the oldest first.
func (s *Service) Subcontainers(pkg string) ([]*execv1.Subcontainer, error) {
	if s.handle(pkg) == nil {
		return nil, nil
	}
	dir := filepath.Join(s.upperDir(pkg), "sub")
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the subcontainers: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(maxListed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot list the subcontainers: %w", err)
	}
	var list []*execv1.Subcontainer
	for _, guid := range names {
		if !guidPattern.MatchString(guid) {
			continue
		}
		a, err := readAbout(filepath.Join(dir, guid, aboutFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is going, or an older release made it
		}
		if err != nil {
			return nil, err
		}
		list = append(list, &execv1.Subcontainer{Id: guid, Name: a.Name, Image: a.Image, CreateTime: timestamppb.New(a.Created)})
	}
	slices.SortFunc(list, func(a, b *execv1.Subcontainer) int {
		if d := a.GetCreateTime().AsTime().Compare(b.GetCreateTime().AsTime()); d != 0 {
			return d
		}
		return strings.Compare(a.GetId(), b.GetId())
	})
	return list, nil
}

func readAbout(path string) (about, error) {
	var a about
	f, err := os.Open(path)
	if err != nil {
		return a, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxAbout))
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil {
		return a, fmt.Errorf("cannot read what a subcontainer is: %w", err)
	}
	return a, nil
}

// ExecDefaults are the user and the working directory that an image of the running container names.
func (s *Service) ExecDefaults(pkg, image string) (user, dir string, err error) {
	h, err := s.container(pkg)
	if err != nil {
		return "", "", err
	}
	file, f, err := s.openFile(h.spec.GetArtifact())
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	layout, err := file.Layout(Architecture())
	if err != nil {
		return "", "", err
	}
	img, ok := layout.Image(ids.Image(image))
	if !ok || img.JSON == "" || img.Env == "" {
		return "", "", nil
	}
	d, err := file.ImageDefaults(img)
	return d.User, d.Workdir, err
}

// Exec begins a call of the agent's Exec, and is the daemon's end of it: what the agent tells is foreign bytes. It ends
// with ctx.
func (s *Service) Exec(ctx context.Context, pkg string) (agentv1.AgentService_ExecClient, error) {
	h, err := s.container(pkg)
	if err != nil {
		return nil, err
	}
	stream, err := h.agent.client.Exec(ctx)
	return stream, execFault(err)
}

// ExecFault makes a fault of what ended an Exec.
func (s *Service) ExecFault(err error) error { return execFault(err) }

func execFault(err error) error {
	if err == nil {
		return nil
	}
	told := fault.Proto(fault.FromStatus(err))
	switch told.GetReason() {
	case metav1.Reason_REASON_METHOD_NOT_FOUND:
		return fault.New(metav1.Reason_REASON_CONTAINER_TOO_OLD, "the service was started by an older release, whose containers cannot be attached to")
	case metav1.Reason_REASON_INVALID_ARGUMENT:
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot run this: %.1000s", told.GetMessage())
	}
	return fault.New(metav1.Reason_REASON_EXEC_SESSION_ENDED, "the service has ended, and the session with it: %w", err)
}
