package systemrpc

import (
	"cmp"
	"context"
	"time"

	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/server/internal/settings"
)

// Settings implements SettingsServiceServer.
type Settings struct {
	systemv1.UnimplementedSettingsServiceServer
	keeper   *settings.Keeper
	hostname func() string
	clock    func() time.Time
}

// NewSettings returns the server; hostname is the host name that counts.
func NewSettings(keeper *settings.Keeper, hostname func() string, clock func() time.Time) *Settings {
	return &Settings{keeper: keeper, hostname: hostname, clock: clock}
}

// GetSettings implements SettingsServiceServer.
func (s *Settings) GetSettings(context.Context, *systemv1.GetSettingsRequest) (*systemv1.GetSettingsResponse, error) {
	row, err := s.keeper.Get()
	if err != nil {
		return nil, err
	}
	language, err := s.keeper.Language()
	// What was chosen counts from its commit on, while the machine follows.
	return &systemv1.GetSettingsResponse{Settings: row, Hostname: cmp.Or(row.GetSpec().GetHostname(), s.hostname()), Language: language}, err
}

// SetServerName implements SettingsServiceServer.
func (s *Settings) SetServerName(ctx context.Context, req *systemv1.SetServerNameRequest) (*systemv1.SetServerNameResponse, error) {
	row, err := s.keeper.SetName(ctx, s.clock(), req.GetName(), req.GetHostname())
	return &systemv1.SetServerNameResponse{Settings: row}, err
}

// SetLanguage implements SettingsServiceServer.
func (s *Settings) SetLanguage(ctx context.Context, req *systemv1.SetLanguageRequest) (*systemv1.SetLanguageResponse, error) {
	row, err := s.keeper.SetLanguage(ctx, s.clock(), req.GetLanguage())
	return &systemv1.SetLanguageResponse{Settings: row}, err
}

// GetSmtp implements SettingsServiceServer.
func (s *Settings) GetSmtp(context.Context, *systemv1.GetSmtpRequest) (*systemv1.GetSmtpResponse, error) {
	row, err := s.keeper.SMTP()
	return &systemv1.GetSmtpResponse{Smtp: row}, err
}

// SetSmtp implements SettingsServiceServer.
func (s *Settings) SetSmtp(ctx context.Context, req *systemv1.SetSmtpRequest) (*systemv1.SetSmtpResponse, error) {
	row, err := s.keeper.SetSMTP(ctx, s.clock(), &systemv1.SmtpSpec{
		Host: req.GetHost(), Port: req.GetPort(), Sender: req.GetSender(), Username: req.GetUsername(), Security: req.GetSecurity(),
	}, req.Password)
	return &systemv1.SetSmtpResponse{Smtp: row}, err
}

// ClearSmtp implements SettingsServiceServer.
func (s *Settings) ClearSmtp(ctx context.Context, _ *systemv1.ClearSmtpRequest) (*systemv1.ClearSmtpResponse, error) {
	return &systemv1.ClearSmtpResponse{}, s.keeper.ClearSMTP(ctx, s.clock())
}

// TestSmtp implements SettingsServiceServer.
func (s *Settings) TestSmtp(ctx context.Context, req *systemv1.TestSmtpRequest) (*systemv1.TestSmtpResponse, error) {
	answer, err := s.keeper.TestSMTP(ctx, s.clock(), req.GetTo(), &systemv1.SmtpSpec{
		Host: req.GetHost(), Port: req.GetPort(), Sender: req.GetSender(), Username: req.GetUsername(), Security: req.GetSecurity(),
	}, req.Password)
	return &systemv1.TestSmtpResponse{Answer: answer}, err
}
