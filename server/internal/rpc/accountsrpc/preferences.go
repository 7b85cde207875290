package accountsrpc

import (
	"context"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// Preferences implements PreferencesServiceServer: each caller reaches their own and no others.
type Preferences struct {
	accountsv1.UnimplementedPreferencesServiceServer
	preferences *account.Preferences
	clock       func() time.Time
}

// NewPreferences returns the server.
func NewPreferences(p *account.Preferences, clock func() time.Time) *Preferences {
	return &Preferences{preferences: p, clock: clock}
}

// GetPreferences implements PreferencesServiceServer.
func (s *Preferences) GetPreferences(ctx context.Context, _ *accountsv1.GetPreferencesRequest) (*accountsv1.GetPreferencesResponse, error) {
	row, err := s.preferences.Get(rpc.Caller(ctx))
	return &accountsv1.GetPreferencesResponse{Preferences: row}, err
}

// UpdatePreferences implements PreferencesServiceServer.
func (s *Preferences) UpdatePreferences(ctx context.Context, req *accountsv1.UpdatePreferencesRequest) (*accountsv1.UpdatePreferencesResponse, error) {
	row, err := s.preferences.Update(ctx, s.clock(), rpc.Caller(ctx), req)
	return &accountsv1.UpdatePreferencesResponse{Preferences: row}, err
}
