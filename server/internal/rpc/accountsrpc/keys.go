package accountsrpc

import (
	"context"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// Keys implements KeyServiceServer.
type Keys struct {
	accountsv1.UnimplementedKeyServiceServer
	accounts *account.Service
	clock    func() time.Time
}

// NewKeys returns the server of public keys.
func NewKeys(accounts *account.Service, clock func() time.Time) *Keys {
	return &Keys{accounts: accounts, clock: clock}
}

// AddKey implements KeyServiceServer.
func (k *Keys) AddKey(ctx context.Context, req *accountsv1.AddKeyRequest) (*accountsv1.AddKeyResponse, error) {
	if err := rpc.CheckRequestID(req.GetRequestId()); err != nil {
		return nil, err
	}
	key, err := k.accounts.AddKey(ctx, k.clock(), actor(ctx), req)
	return &accountsv1.AddKeyResponse{Key: key}, err
}

// ListKeys implements KeyServiceServer.
func (k *Keys) ListKeys(ctx context.Context, _ *accountsv1.ListKeysRequest) (*accountsv1.ListKeysResponse, error) {
	keys, err := k.accounts.Keys(actor(ctx))
	return &accountsv1.ListKeysResponse{Keys: keys}, err
}

// DeleteKey implements KeyServiceServer.
func (k *Keys) DeleteKey(ctx context.Context, req *accountsv1.DeleteKeyRequest) (*accountsv1.DeleteKeyResponse, error) {
	return &accountsv1.DeleteKeyResponse{}, k.accounts.DeleteKey(ctx, k.clock(), actor(ctx), req.GetId())
}
