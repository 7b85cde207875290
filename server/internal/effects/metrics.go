package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// Limits of what a service publishes about itself.
const (
	maxMetrics     = 32
	maxMetricsJSON = 16 << 10 // bytes of the list
	maxMetricName  = 64       // bytes
	maxMetricUnit  = 16       // bytes
)

var metricID = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)

// SetMetrics implements EffectsServiceServer. Nothing is written: the numbers are gone with the daemon, and the package's
// next word brings new ones.
func (s *Service) SetMetrics(ctx context.Context, req *effectsv1.SetMetricsRequest) (*effectsv1.SetMetricsResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, err := parseMetrics(req.GetMetrics())
	if err != nil {
		return nil, err
	}
	store.SetEphemeral(s.Store, &packagesv1.PackageMetrics{Meta: &metav1.Meta{Id: pkg}, Status: &packagesv1.PackageMetricsStatus{Metrics: list}})
	return &effectsv1.SetMetricsResponse{}, nil
}

// ClearMetrics forgets what a service published that does not run any more.
func (s *Service) ClearMetrics(pkg string) {
	store.DropEphemeral[*packagesv1.PackageMetrics](s.Store, pkg)
}

// parseMetrics reads what a package publishes, in the order of the ids.
func parseMetrics(raw []byte) ([]*packagesv1.Metric, error) {
	if len(raw) > maxMetricsJSON {
		return nil, limit("metrics", "bytes", maxMetricsJSON)
	}
	var list []struct {
		ID    string   `json:"id"`
		Name  string   `json:"name"`
		Unit  *string  `json:"unit"`
		Value *float64 `json:"value"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, invalid("metrics", err.Error())
	}
	if len(list) > maxMetrics {
		return nil, limit("metrics", "numbers", maxMetrics)
	}
	var out []*packagesv1.Metric
	for i, m := range list {
		field := fmt.Sprintf("metrics[%d].", i)
		switch {
		case !metricID.MatchString(m.ID):
			return nil, invalid(field+"id", "must be lower-case letters, digits, dots and dashes, at most 64")
		case slices.ContainsFunc(out, func(o *packagesv1.Metric) bool { return o.GetId() == m.ID }):
			return nil, invalid(field+"id", "is there twice")
		case m.Value == nil:
			return nil, invalid(field+"value", "is missing")
		}
		out = append(out, &packagesv1.Metric{Id: m.ID, Name: fault.Cut(cmp.Or(m.Name, m.ID), maxMetricName), Unit: fault.Cut(deref(m.Unit), maxMetricUnit), Value: *m.Value})
	}
	slices.SortFunc(out, func(a, b *packagesv1.Metric) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return out, nil
}
