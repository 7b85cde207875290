package effects

import (
	"context"
	"slices"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// call is one call of an effect, as its context knows it.
type call struct {
	pkg string

	mu      sync.Mutex // guards through: a transaction may outlive the call that began it
	through []string   // what was reached beyond the manifest because the policy is lenient
}

func (c *call) note(target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.through, target) {
		c.through = append(c.through, target)
	}
}

func (c *call) noted() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.through)
}

// recordWithin bounds how long what a package may not have takes to be recorded.
const recordWithin = 10 * time.Second

// Answer lets next answer an effect that a package calls, and records for people what it reached for beyond its manifest,
// whether it was refused or let through.
func (s *Service) Answer(ctx context.Context, pkg, effect string, next func(context.Context) error) error {
	c := &call{pkg: pkg}
	ctx = context.WithValue(ctx, callerKey{}, c)
	err := s.permitted(ctx, pkg, effect)
	if err == nil {
		err = next(ctx)
	}
	denied, through := fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED), c.noted()
	if !denied && len(through) == 0 {
		return err
	}
	// Who ends the call early is recorded like everybody.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	for _, target := range through {
		s.remember(bounded, pkg, effect, target, packagesv1.RefusedEffectStatus_OUTCOME_LET_THROUGH)
	}
	if denied {
		s.remember(bounded, pkg, effect, fault.Proto(err).GetMetadata()["target"], packagesv1.RefusedEffectStatus_OUTCOME_DENIED)
	}
	return err
}

// permissionOf is what a package has to declare for an effect, where it declares what it asks for; "" for most.
func permissionOf(effect string) string {
	switch effect {
	case "get-system-smtp":
		return s9pk.PermissionMail
	case "notification.create":
		return s9pk.PermissionNotifications
	case "get-ssl-certificate", "get-ssl-key":
		return s9pk.PermissionCertificates
	case "get-installed-packages":
		return s9pk.PermissionPackages
	}
	return ""
}

// permitted refuses an effect for which a package has no permission by its own words.
func (s *Service) permitted(ctx context.Context, pkg, effect string) error {
	permission := permissionOf(effect)
	if permission == "" {
		return nil
	}
	return s.Store.View(func(tx *store.Tx) error {
		art, err := artifactOf(tx, pkg)
		if err != nil {
			return err
		}
		d, err := s9pk.ParseDeclared(art.GetSpec().GetManifest())
		if err != nil || d.Asks(permission) {
			return err
		}
		return beyond(ctx, tx, pkg, permission, fault.New(metav1.Reason_REASON_EFFECT_DENIED, "package %q may not use %s: its manifest does not declare the permission %q", pkg, effect, permission).
			With("package", pkg).With("target", permission))
	})
}

// remember is record for callers whose answer does not depend on it.
func (s *Service) remember(ctx context.Context, pkg, effect, target string, outcome packagesv1.RefusedEffectStatus_Outcome) {
	if err := s.record(ctx, pkg, effect, target, outcome); err != nil {
		s.Log.WarnContext(ctx, "cannot record what a package may not have", "pkg", pkg, "effect", effect, "target", target, "error", err)
	}
}

// record writes what a package asked for beyond what it may have. What is recorded with this outcome already changes
// nothing, so a package that asks again and again costs a look each time.
func (s *Service) record(ctx context.Context, pkg, effect, target string, outcome packagesv1.RefusedEffectStatus_Outcome) error {
	name := effect
	if target != "" {
		name += " " + target
	}
	segment, err := ids.Escape(name)
	if err != nil {
		target = ""
		if segment, err = ids.Escape(effect); err != nil {
			return invalid("effect", err.Error())
		}
	}
	id := pkg + "/" + segment
	known := func(tx *store.Tx) (bool, error) {
		row, there, err := store.Lookup[*packagesv1.RefusedEffect](tx, id)
		return there && row.GetStatus().GetOutcome() == outcome, err
	}
	var same bool
	if err := s.Store.View(func(tx *store.Tx) (err error) { same, err = known(tx); return err }); err != nil || same {
		return err
	}
	now := s.Clock()
	_, err = s.Store.Update(ctx, now, func(tx *store.Tx) error {
		row, there, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if err != nil || !there {
			return err
		}
		status := &packagesv1.RefusedEffectStatus{
			FirstTime: timestamppb.New(now), Version: row.GetSpec().GetVersion(), Effect: effect, Target: target, Outcome: outcome,
		}
		before, there, err := store.Lookup[*packagesv1.RefusedEffect](tx, id)
		switch {
		case err != nil:
			return err
		case there:
			status.FirstTime = before.GetStatus().GetFirstTime()
		default:
			// What is refused is refused all the same; a package that tries names at random fills no disk.
			if err := another[*packagesv1.RefusedEffect](tx, pkg, "refused effects", maxRefused); err != nil {
				return nil
			}
		}
		return store.Put(tx, &packagesv1.RefusedEffect{Meta: &metav1.Meta{Id: id}, Status: status})
	})
	return err
}

// beyond decides what happens to a call that reaches for what the manifest does not declare: it is refused with the
// error given, or noted and let through where people chose a lenient policy for the package.
func beyond(ctx context.Context, tx *store.Tx, pkg, target string, refusal error) error {
	policy, _, err := store.Lookup[*packagesv1.EffectPolicy](tx, pkg)
	if err != nil {
		return err
	}
	c, ok := ctx.Value(callerKey{}).(*call)
	if !ok || !policy.GetSpec().GetLenient() {
		return refusal
	}
	c.note(target)
	return nil
}

// Policy answers how a package is held to what its manifest declares, and what it asked for beyond that.
func (s *Service) Policy(pkg string) (policy *packagesv1.EffectPolicy, refused []*packagesv1.RefusedEffect, err error) {
	err = s.Store.View(func(tx *store.Tx) error {
		if policy, err = policyOf(tx, pkg); err != nil {
			return err
		}
		refused, err = store.List[*packagesv1.RefusedEffect](tx, pkg)
		return err
	})
	return policy, refused, err
}

// SetPolicy changes how a package is held to what its manifest declares. One that was lenient and is not any more loses
// what it was let through to: its dependencies, by which the firewall lets it pass, and its container with what is mounted.
func (s *Service) SetPolicy(ctx context.Context, now time.Time, pkg string, lenient bool) (policy *packagesv1.EffectPolicy, err error) {
	_, err = s.Store.Update(ctx, now, func(tx *store.Tx) error {
		if policy, err = policyOf(tx, pkg); err != nil {
			return err
		}
		was := policy.GetSpec().GetLenient()
		policy.Spec = &packagesv1.EffectPolicySpec{Lenient: lenient}
		if err := store.Put(tx, policy); err != nil || lenient || !was {
			return err
		}
		if err := HoldToManifest(tx, pkg); err != nil {
			return err
		}
		through, err := wasLetThrough(tx, pkg)
		if err != nil || !through {
			return err
		}
		return s.Desires.RebuildIn(tx, pkg)
	})
	return policy, err
}

func wasLetThrough(tx *store.Tx, pkg string) (bool, error) {
	rows, err := store.List[*packagesv1.RefusedEffect](tx, pkg)
	return slices.ContainsFunc(rows, func(r *packagesv1.RefusedEffect) bool {
		return r.GetStatus().GetOutcome() == packagesv1.RefusedEffectStatus_OUTCOME_LET_THROUGH
	}), err
}

// HoldToManifest takes from a package the dependencies that its manifest does not name, in the caller's transaction: a new
// version may name fewer, or the policy is lenient no longer.
func HoldToManifest(tx *store.Tx, pkg string) error {
	policy, err := policyOf(tx, pkg)
	if fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		return nil // what is left goes with the uninstallation
	}
	if err != nil || policy.GetSpec().GetLenient() {
		return err
	}
	declared, err := declares(tx, pkg)
	if err != nil {
		return err
	}
	rows, err := store.List[*packagesv1.Dependency](tx, pkg)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if id := r.GetMeta().GetId(); !declared[id[len(pkg)+1:]] {
			if err := store.Delete[*packagesv1.Dependency](tx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// policyOf is the policy of an installed package; one without is held strictly.
func policyOf(tx *store.Tx, pkg string) (*packagesv1.EffectPolicy, error) {
	if _, there, err := store.Lookup[*packagesv1.Package](tx, pkg); err != nil {
		return nil, err
	} else if !there {
		return nil, fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", pkg).With("package", pkg)
	}
	row, there, err := store.Lookup[*packagesv1.EffectPolicy](tx, pkg)
	if err == nil && !there {
		row = &packagesv1.EffectPolicy{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.EffectPolicySpec{}}
	}
	return row, err
}
