// Package access decides whether a call may be made: who calls, by the connection's origin and the bearer token, and
// whom the method's option lets in. It is the one place for such decisions, so that a refusal is the same on every
// wire. It knows no passwords and no store: tokens are checked through Authenticator.
//
// Invariants: no origin, no rights, not even those of anonymous methods; a credential that is given and not valid is
// refused, it is never as if none were given; roles include all smaller ones.
package access

import (
	"context"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// maxSecret bounds what is handed to the Authenticator.
const maxSecret = 1024

// Identity is who a token belongs to.
type Identity struct {
	// ID names the token.
	ID string
	// Role is what its bearer may do.
	Role optionsv1.Role
}

// Authenticator checks bearer tokens. Authenticate is called for every call and again while a stream is open, so it
// answers from memory; a token that is not valid is a fault with REASON_UNAUTHENTICATED.
type Authenticator interface {
	Authenticate(ctx context.Context, secret string) (Identity, error)
}

// Caller is who calls.
type Caller struct {
	Origin   origin.Origin
	Identity Identity
	// Local tells that the call came by the local socket from the server's own user and without a token.
	Local bool
	// Secret is the token, kept to check it again while a stream is open; empty without one.
	Secret string
}

// LocalID is the identity of callers on the local socket with the rights of the server's own user.
const LocalID = "local"

// Identify tells who calls from o with these values of the authorization header.
func Identify(ctx context.Context, o origin.Origin, authorization []string, auth Authenticator) (Caller, error) {
	caller := Caller{Origin: o}
	switch o.Listener {
	case origin.None:
		return caller, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot tell where the call comes from")
	case origin.Container, origin.Internal:
		return caller, nil // the socket is the identity; tokens mean nothing here
	}
	if len(authorization) == 0 {
		if o.Listener == origin.Unix && o.Owner {
			caller.Local = true
			caller.Identity = Identity{ID: LocalID, Role: optionsv1.Role_ROLE_OWNER}
		}
		return caller, nil
	}
	secret, err := bearer(authorization)
	if err != nil {
		return caller, err
	}
	if auth == nil {
		return caller, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept tokens here")
	}
	caller.Identity, err = auth.Authenticate(ctx, secret)
	caller.Secret = secret
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
		if who.Local && c.Local {
			return nil
		}
		if c.Identity.ID != "" {
			return fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "cannot call this but on the local socket as the server's own user").With("needed", "local")
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
