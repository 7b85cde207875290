package accountsrpc

import (
	"context"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

// Authenticator has the area account check what callers show.
type Authenticator struct {
	accounts *account.Service
	clock    func() time.Time
}

// NewAuthenticator returns the authenticator of a hub.
func NewAuthenticator(accounts *account.Service, clock func() time.Time) Authenticator {
	return Authenticator{accounts, clock}
}

// Authenticate implements access.Authenticator.
func (a Authenticator) Authenticate(ctx context.Context, shown access.Credential, from string) (access.Identity, error) {
	now := a.clock()
	var id account.Identity
	var err error
	switch {
	case shown.Signed != nil:
		id, err = a.accounts.AuthenticateKey(ctx, now, shown.Signed, from)
	case shown.Bearer != "":
		id, err = a.accounts.AuthenticateBearer(now, shown.Bearer, from)
	default:
		id, err = a.accounts.AuthenticateBrowser(now, shown.Cookie, shown.Half, from)
	}
	if err != nil {
		return access.Identity{}, err
	}
	out := access.Identity{Kind: access.Token, ID: id.ID, Account: id.Account, Role: id.Role, Proven: id.Proven}
	switch id.Credential {
	case accountsv1.GetCallerResponse_CREDENTIAL_SESSION:
		out.Kind = access.Session
	case accountsv1.GetCallerResponse_CREDENTIAL_KEY:
		out.Kind = access.Key
	}
	if s := id.Scope; len(s.GetMethods())+len(s.GetPackages()) > 0 {
		out.Scope = &access.Scope{Methods: s.GetMethods(), Packages: s.GetPackages()}
	}
	return out, nil
}
