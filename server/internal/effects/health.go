package effects

import (
	"context"
	"encoding/json"
	"errors"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// healthResults are the results of health checks by the words of packages.
var healthResults = map[string]packagesv1.HealthCheckStatus_Result{
	"success":  packagesv1.HealthCheckStatus_RESULT_SUCCESS,
	"disabled": packagesv1.HealthCheckStatus_RESULT_DISABLED,
	"starting": packagesv1.HealthCheckStatus_RESULT_STARTING,
	"waiting":  packagesv1.HealthCheckStatus_RESULT_WAITING,
	"loading":  packagesv1.HealthCheckStatus_RESULT_LOADING,
	"failure":  packagesv1.HealthCheckStatus_RESULT_FAILURE,
}

// healthWord is the inverse of healthResults.
func healthWord(r packagesv1.HealthCheckStatus_Result) string {
	for word, result := range healthResults {
		if result == r {
			return word
		}
	}
	return "starting"
}

// SetHealth implements EffectsServiceServer. Packages send it at every poll; only a change is written.
func (s *Service) SetHealth(ctx context.Context, req *effectsv1.SetHealthRequest) (*effectsv1.SetHealthResponse, error) {
	result, ok := healthResults[req.GetResult()]
	if !ok {
		return nil, invalid("result", "must be success, disabled, starting, waiting, loading or failure")
	}
	segment, err := ids.Escape(req.GetId())
	if err != nil {
		return nil, invalid("id", err.Error())
	}
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	id := pkg + "/" + segment
	name, message := fault.Cut(req.GetName(), maxName), req.Message
	if message != nil {
		short := fault.Cut(*message, maxText)
		message = &short
	}
	same := false
	err = s.Store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.HealthCheck](tx, id)
		st := row.GetStatus()
		same = ok && st.GetResult() == result && st.GetName() == name && st.GetMessage() == deref(message)
		return err
	})
	if err != nil || same {
		return &effectsv1.SetHealthResponse{}, err
	}
	now := s.Clock()
	return &effectsv1.SetHealthResponse{}, s.update(ctx, func(tx *store.Tx, pkg string) error {
		row, ok, err := store.Lookup[*packagesv1.HealthCheck](tx, id)
		if err != nil {
			return err
		}
		if !ok {
			if err := another[*packagesv1.HealthCheck](tx, pkg, "health checks", maxHealthChecks); err != nil {
				return err
			}
		}
		status := &packagesv1.HealthCheckStatus{Name: name, Result: result, Message: deref(message), Since: timestamppb.New(now)}
		if ok && row.GetStatus().GetResult() == result {
			status.Since = row.GetStatus().GetSince()
		} else if err := remember(tx, pkg, changeOf(req.GetId(), status)); err != nil {
			return err
		}
		return store.Put(tx, &packagesv1.HealthCheck{Meta: &metav1.Meta{Id: id}, Status: status})
	})
}

// ClearHealth deletes the results of a service that no longer runs, in the caller's transaction. What a service may set
// fits it; of more, which an earlier release let in, a part goes each time.
func ClearHealth(tx *store.Tx, pkg string) error {
	if err := rememberEnd(tx, pkg); err != nil {
		return err
	}
	return store.DeleteBelow[*packagesv1.HealthCheck](tx, pkg, store.NewRoom())
}

// FailHealth makes all checks of a service fail that does not answer, in the caller's transaction: what they found last is
// not known to be so any more. The service's next word replaces it.
func FailHealth(tx *store.Tx, pkg, why string) error {
	rows, err := store.List[*packagesv1.HealthCheck](tx, pkg)
	if err != nil {
		return err
	}
	for _, row := range rows {
		was := row.GetStatus()
		if was.GetResult() == packagesv1.HealthCheckStatus_RESULT_FAILURE || was.GetResult() == packagesv1.HealthCheckStatus_RESULT_DISABLED {
			continue
		}
		segments, err := ids.Split(row.GetMeta().GetId())
		if err != nil {
			return err
		}
		status := &packagesv1.HealthCheckStatus{
			Name: was.GetName(), Result: packagesv1.HealthCheckStatus_RESULT_FAILURE, Message: fault.Cut(why, maxText), Since: timestamppb.New(tx.Now()),
		}
		if err := remember(tx, pkg, changeOf(segments[len(segments)-1], status)); err != nil {
			return err
		}
		if err := store.Put(tx, &packagesv1.HealthCheck{Meta: row.GetMeta(), Status: status}); err != nil {
			return err
		}
	}
	return nil
}

// SetInitProgress implements EffectsServiceServer.
func (s *Service) SetInitProgress(ctx context.Context, req *effectsv1.SetInitProgressRequest) (*effectsv1.SetInitProgressResponse, error) {
	return &effectsv1.SetInitProgressResponse{}, s.report(ctx, req.GetProgress())
}

// SetBackupProgress implements EffectsServiceServer.
func (s *Service) SetBackupProgress(ctx context.Context, req *effectsv1.SetBackupProgressRequest) (*effectsv1.SetBackupProgressResponse, error) {
	return &effectsv1.SetBackupProgressResponse{}, s.report(ctx, req.GetProgress())
}

// report shows a progress at the operation that waits for the package's code; without one nobody does.
func (s *Service) report(ctx context.Context, raw []byte) error {
	pkg, err := caller(ctx)
	if err != nil {
		return err
	}
	p, err := parseProgress(raw)
	if err != nil {
		return invalid("progress", err.Error())
	}
	s.Progress.Report(pkg, p.done, p.total, fault.Cut(p.units, maxName), fault.Cut(p.message, maxName))
	return nil
}

// progress is a progress value of a package, made flat.
type progress struct {
	done, total    uint64
	units, message string
}

// parseProgress reads null, a bool, {done,total,units} or {overall, phases}: the overall value counts, the message is
// the name of the first phase that is not complete.
func parseProgress(raw []byte) (progress, error) {
	var full struct {
		Overall json.RawMessage `json:"overall"`
		Phases  []struct {
			Name     string          `json:"name"`
			Progress json.RawMessage `json:"progress"`
		} `json:"phases"`
	}
	if err := json.Unmarshal(raw, &full); err == nil && full.Overall != nil {
		p, err := parsePart(full.Overall)
		for _, phase := range full.Phases {
			if string(phase.Progress) != "true" {
				p.message = phase.Name
				break
			}
		}
		return p, err
	}
	return parsePart(raw)
}

// parsePart reads one value: null, a bool or {done,total,units}.
func parsePart(raw []byte) (progress, error) {
	var flag *bool
	if json.Unmarshal(raw, &flag) == nil {
		if flag != nil && *flag {
			return progress{done: 1, total: 1, units: "steps"}, nil
		}
		return progress{}, nil
	}
	var part struct {
		Done  float64  `json:"done"`
		Total *float64 `json:"total"`
		Units *string  `json:"units"`
	}
	if err := json.Unmarshal(raw, &part); err != nil {
		return progress{}, err
	}
	p := progress{done: clamp(part.Done)}
	if part.Total != nil {
		p.total = clamp(*part.Total)
	}
	if part.Units != nil {
		p.units = *part.Units
	}
	return p, nil
}

// clamp brings a number of JavaScript into the range of a counter.
func clamp(f float64) uint64 {
	const most = 1 << 53
	switch {
	case !(f > 0):
		return 0
	case f > most:
		return most
	}
	return uint64(f)
}

// Forget deletes what the area keeps about a package, in the caller's transaction and as far as there is room.
func Forget(tx *store.Tx, pkg string, room *store.Room) error {
	return errors.Join(
		store.DeleteBelow[*packagesv1.HealthCheck](tx, pkg, room),
		store.DeleteBelow[*packagesv1.HealthChange](tx, pkg, room),
		store.DeleteBelow[*packagesv1.Dependency](tx, pkg, room),
		store.DeleteBelow[*packagesv1.RefusedEffect](tx, pkg, room),
		store.Delete[*packagesv1.EffectPolicy](tx, pkg),
	)
}
