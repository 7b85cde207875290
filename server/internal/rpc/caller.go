package rpc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Caller names who calls, for records: the account, "local", or the id of a token without account. It is empty outside of
// a call and for the callers of container and internal sockets.
func Caller(ctx context.Context) string {
	if c := CallFrom(ctx); c != nil {
		return c.Caller.Identity.Name()
	}
	return ""
}

// CallerRole is what the caller may do; ROLE_UNSPECIFIED outside of a call.
func CallerRole(ctx context.Context) optionsv1.Role {
	if c := CallFrom(ctx); c != nil {
		return c.Caller.Identity.Role
	}
	return optionsv1.Role_ROLE_UNSPECIFIED
}

// UserAgent is how the client of a call names itself; a claim, to be shown to people.
func UserAgent(ctx context.Context) string {
	if b := access.BrowserOf(ctx); b.Agent != "" {
		return b.Agent
	}
	if values := metadata.ValueFromIncomingContext(ctx, "user-agent"); len(values) > 0 {
		return values[0]
	}
	return ""
}

// CallerScope is what narrows the caller's role, nil where nothing does.
func CallerScope(ctx context.Context) *access.Scope {
	if c := CallFrom(ctx); c != nil {
		return c.Caller.Identity.Scope
	}
	return nil
}

// MayRead tells whether rows of a kind may be shown to a caller. Within a scope of packages there are only kinds whose
// rows are of packages; which rows is for who shows them.
func MayRead(k store.KindInfo, role optionsv1.Role, scope *access.Scope) bool {
	return k.ReadRole != optionsv1.Role_ROLE_UNSPECIFIED && k.ReadRole <= role &&
		(k.OfPackage || scope == nil || len(scope.Packages) == 0)
}

// CallerPackage is the service whose container calls; empty on every other listener.
func CallerPackage(ctx context.Context) string {
	if c := CallFrom(ctx); c != nil {
		return c.Caller.Origin.Package
	}
	return ""
}

// Repeatable is a request with an id of the caller's making.
type Repeatable interface {
	proto.Message
	GetRequestId() string
}

// Asked is what an operation is to know of the request for it. Its id is the request's, which must be a ULID, or a new one.
func Asked(ctx context.Context, now time.Time, req Repeatable) (operation.Asked, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return operation.Asked{}, err
	}
	digest := sha256.New()
	digest.Write([]byte(req.ProtoReflect().Descriptor().FullName() + "\n"))
	digest.Write(raw)
	asked := operation.Asked{ID: req.GetRequestId(), By: Caller(ctx), Digest: digest.Sum(nil)}
	if asked.ID == "" {
		id, err := ids.NewULID(now, rand.Reader)
		asked.ID = string(id)
		return asked, err
	}
	return asked, CheckRequestID(asked.ID)
}

// CheckRequestID refuses an id of a request that is not a ULID; none is one.
func CheckRequestID(id string) error {
	if id == "" {
		return nil
	}
	if _, err := ids.ParseULID(id); err != nil {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the request id: %w", err).Violation("request_id", "must be a lower-case ULID")
	}
	return nil
}

// Page cuts the page that follows token out of rows, which are in ascending or descending order of their ids, and
// tells the token of the page after it, empty at the end. A size of 0 means def. Tokens stay good while rows come and
// go: they hold the id of the last row seen, not a number. A damaged token begins anew.
func Page[T interface{ GetMeta() *metav1.Meta }](rows []T, size int32, def int, token string) ([]T, string, error) {
	n := int(size)
	if n <= 0 {
		n = def
	}
	last, err := PageAfter(token)
	if err != nil {
		return nil, "", err
	}
	if last != "" {
		rows = after(rows, last)
	}
	if len(rows) <= n {
		return rows, "", nil
	}
	return rows[:n], PageToken(rows[n-1].GetMeta().GetId()), nil
}

// PageToken is the token of the page after the row of this id.
func PageToken(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

// PageAfter is the id after which the page of a token begins, empty for the first page.
func PageAfter(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	last, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		_, err = ids.Split(string(last))
	}
	if err != nil {
		return "", fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot go on from this page token: it is none that this server gave").
			Violation("page_token", "must be what next_page_token of the page before was")
	}
	return string(last), nil
}

// after drops the rows up to and with the one of this id, or up to its place when it has gone.
func after[T interface{ GetMeta() *metav1.Meta }](rows []T, id string) []T {
	if len(rows) == 0 {
		return rows
	}
	descending := rows[0].GetMeta().GetId() > rows[len(rows)-1].GetMeta().GetId()
	for i, r := range rows {
		at := r.GetMeta().GetId()
		if at != id && (at > id) != descending {
			return rows[i:]
		}
	}
	return nil
}
