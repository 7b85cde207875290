// Package access decides whether a call may be made: who calls, by the connection's origin and the credential shown, and
// whom the method's option lets in. It is the one place for such decisions, so that a refusal is the same on every
// wire. It knows no passwords and no store: credentials are checked through Authenticator.
//
//	access.go   who calls, and the rules of methods
//	browser.go  what a browser shows, and what it tells of the page that calls
//	signed.go   requests that are signed
//	scope.go    what a token is for
//
// Invariants: no origin, no rights, not even those of anonymous methods; a credential that is given and not valid is
// refused, it is never as if none were given; a cookie alone is no credential; roles include all smaller ones; what is
// outside of a scope is refused, also where it cannot be told.
package access

import (
	"cmp"
	"context"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// maxSecret bounds what is handed to the Authenticator.
const maxSecret = 1024

// Kind is how a caller proved who he is.
type Kind int

// The kinds. The zero value stands for callers who proved nothing.
const (
	Nobody Kind = iota
	// Local callers are on the local socket, with the rights of the server's own user.
	Local
	// Session callers show the secrets of a session.
	Session
	// Token callers show a bearer token.
	Token
	// Key callers sign their requests.
	Key
)

// Identity is who calls.
type Identity struct {
	Kind Kind
	// ID names the session, token or key; it is LocalID for local callers and empty for nobody.
	ID string
	// Account is whose it is; empty for local callers and for tokens that they made.
	Account string
	// Role is what the caller may do.
	Role optionsv1.Role
	// Scope narrows it; nil does not.
	Scope *Scope
	// Proven is when the caller of a session proved his password last.
	Proven time.Time
}

// Name is how records name the caller: by his account where he has one.
func (i Identity) Name() string { return cmp.Or(i.Account, i.ID) }

// sameRights tells whether two identities may do the same.
func (i Identity) sameRights(other Identity) bool {
	return i.ID == other.ID && i.Account == other.Account && i.Role == other.Role && i.Scope.equal(other.Scope)
}

// SameRights tells whether the caller, had he come now with this identity, might do the same.
func (c Caller) SameRights(now Identity) bool { return c.Identity.sameRights(now) }

// Credential is what a caller shows: a bearer secret, the two halves of a browser's session, or a signature of the request.
// It is comparable.
type Credential struct {
	Bearer       string
	Cookie, Half string
	// Signed is a request whose headers could be read; whether it counts is for the Authenticator to say.
	Signed *httpsig.Request
}

// Authenticator checks credentials. Authenticate is called for every call and again while a stream is open, so it
// answers from memory; a credential that is not valid is a fault with REASON_UNAUTHENTICATED. From is the address the
// call comes from; it is empty when the credential of an open stream is looked at again, which is no use of it.
type Authenticator interface {
	Authenticate(ctx context.Context, credential Credential, from string) (Identity, error)
}

// Caller is who calls.
type Caller struct {
	Origin   origin.Origin
	Identity Identity
	// Browser is what a browser told of the call.
	Browser Browser
	// Credential is what was shown, kept to check it again while a stream is open; zero without one.
	Credential Credential
}

// Local tells that the call came by the local socket from the server's own user and without another credential.
func (c Caller) Local() bool { return c.Identity.Kind == Local }

// LocalID is the identity of callers on the local socket with the rights of the server's own user.
const LocalID = "local"

// Identify tells who calls from o with these values of the authorization header, by what the browser showed, or by the
// signature of the request, nil without one. A request with two credentials is refused.
func Identify(ctx context.Context, o origin.Origin, authorization []string, browser Browser, signed *Signature, auth Authenticator) (Caller, error) {
	caller := Caller{Origin: o}
	switch o.Listener {
	case origin.None:
		return caller, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot tell where the call comes from")
	case origin.Container, origin.Internal:
		return caller, nil // the socket is the identity; credentials mean nothing here
	case origin.Web, origin.Door:
		caller.Browser = browser
	}
	var err error
	switch {
	case signed != nil && (len(authorization) > 0 || browser.Half != ""):
		err = fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept a signature beside another credential")
	case len(authorization) > 0 && browser.Half != "":
		err = fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept a session beside a token")
	case browser.misplaced(o.Listener):
		err = fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept a browser's session here: it is for the server's own page")
	case signed != nil:
		caller.Credential.Signed, err = signed.usable()
	case len(authorization) > 0:
		caller.Credential.Bearer, err = bearer(authorization)
	case caller.Browser.Half != "":
		caller.Credential, err = browser.credential()
	case o.Listener == origin.Unix && o.Owner:
		caller.Identity = Identity{Kind: Local, ID: LocalID, Role: optionsv1.Role_ROLE_OWNER}
		return caller, nil
	default:
		return caller, nil
	}
	if err != nil {
		return caller, err
	}
	if auth == nil {
		return caller, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept credentials here")
	}
	caller.Identity, err = auth.Authenticate(ctx, caller.Credential, o.Address())
	return caller, err
}

func bearer(values []string) (string, error) {
	if len(values) != 1 {
		return "", fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept more than one authorization header")
	}
	scheme, secret, _ := strings.Cut(values[0], " ")
	if secret = strings.TrimSpace(secret); !strings.EqualFold(scheme, "Bearer") || secret == "" || len(secret) > maxSecret {
		return "", fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot read the authorization header: it holds no bearer token")
	}
	return secret, nil
}

// Class says on which listeners a service is.
type Class int

// The classes.
const (
	// Public services are on the local socket and the network's ports.
	Public Class = iota
	// Container services are on container sockets alone.
	Container
	// Internal services are on the root-only socket alone.
	Internal
)

// Rule is whom one method lets in.
type Rule struct{ option *optionsv1.Access }

// RuleOf reads the rule of a method; false when the method has none.
func RuleOf(method protoreflect.MethodDescriptor) (Rule, bool) {
	option, ok := proto.GetExtension(method.Options(), optionsv1.E_Access).(*optionsv1.Access)
	if !ok || option.GetWho() == nil {
		return Rule{}, false
	}
	return Rule{option}, true
}

// Role returns the rule that lets callers of this role in.
func Role(role optionsv1.Role) Rule {
	return Rule{&optionsv1.Access{Who: &optionsv1.Access_Role{Role: role}}}
}

// Class tells to which class the rule belongs.
func (r Rule) Class() Class {
	switch r.option.GetWho().(type) {
	case *optionsv1.Access_Container:
		return Container
	case *optionsv1.Access_Internal:
		return Internal
	}
	return Public
}

// Check refuses the caller unless the rule lets it in. The zero Rule lets nobody in.
func (r Rule) Check(c Caller) error {
	kind := c.Origin.Listener
	switch who := r.option.GetWho().(type) {
	case *optionsv1.Access_Anonymous:
		if who.Anonymous && kind != origin.None && kind != origin.Container && kind != origin.Internal {
			return nil
		}
	case *optionsv1.Access_Role:
		return checkRole(who.Role, c)
	case *optionsv1.Access_Local:
		if who.Local && c.Local() {
			return nil
		}
		if c.Identity.ID != "" {
			return fault.New(metav1.Reason_REASON_LOCAL_ONLY, "cannot call this but on the local socket as the server's own user")
		}
	case *optionsv1.Access_Container:
		if who.Container && kind == origin.Container && c.Origin.Package != "" {
			return nil
		}
	case *optionsv1.Access_Internal:
		if who.Internal && kind == origin.Internal && c.Origin.Owner {
			return nil
		}
	}
	return unauthenticated()
}

func checkRole(need optionsv1.Role, c Caller) error {
	switch {
	case c.Identity.ID == "":
		return unauthenticated()
	case need == optionsv1.Role_ROLE_UNSPECIFIED || c.Identity.Role < need:
		return fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "cannot call this with the role of the credential").
			With("needed", need.String()).With("role", c.Identity.Role.String())
	}
	return nil
}

func unauthenticated() error {
	return fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot call this without a valid credential")
}
