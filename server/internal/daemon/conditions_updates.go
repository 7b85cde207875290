package daemon

import (
	"context"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/warn"
)

// What is told of updates are conditions: they hold for as long as there is something to decide. Each is about a package and a version, so
// that one which was put aside is told again for the next version.

// updateCondition tells of newer versions that wait for somebody, since nothing installs them.
func (d *Daemon) updateCondition() warn.Condition {
	return warn.Condition{
		Name:   "update",
		Text:   "{{.Package}} can be updated from {{.From}} to {{.To}}.",
		Remedy: "Update it, or skip that version with 'hearth package skip {{.Package}} {{.To}}'.",
		Check: d.ofUpdates(warn.Notice, func(p *packagesv1.UpdatePolicySpec, u *packagesv1.PackageUpdate) bool {
			return !byItself(p) && !failedOnce(u)
		}),
	}
}

// heldCondition tells of newer versions that a policy wants installed and that it does not decide about.
func (d *Daemon) heldCondition() warn.Condition {
	return warn.Condition{
		Name:   "update-held",
		Text:   "{{.Package}} is not updated to {{.To}} by itself: something speaks against it, or it changes what somebody should decide about.",
		Remedy: "Look at it with 'hearth package update {{.Package}} --validate-only', then update the package yourself or skip the version.",
		Check: d.ofUpdates(warn.Notice, func(p *packagesv1.UpdatePolicySpec, u *packagesv1.PackageUpdate) bool {
			return byItself(p) && !failedOnce(u) && len(u.GetStatus().GetHeldBy()) > 0
		}),
	}
}

// failedCondition tells of newer versions whose installation failed. They are not tried again by themselves.
func (d *Daemon) failedCondition() warn.Condition {
	return warn.Condition{
		Name:   "update-failed",
		Text:   "The update of {{.Package}} to {{.To}} failed, and is not tried again by itself.",
		Remedy: "'hearth package policy {{.Package}}' tells why. Update the package yourself, or skip the version.",
		Check:  d.ofUpdates(warn.Warning, func(_ *packagesv1.UpdatePolicySpec, u *packagesv1.PackageUpdate) bool { return failedOnce(u) }),
	}
}

func byItself(p *packagesv1.UpdatePolicySpec) bool {
	return p.GetMode() == packagesv1.UpdatePolicySpec_MODE_WINDOW || p.GetMode() == packagesv1.UpdatePolicySpec_MODE_AUTOMATIC
}

func failedOnce(u *packagesv1.PackageUpdate) bool {
	return u.GetStatus().GetVersion() == u.GetStatus().GetFailedVersion()
}

// ofUpdates finds the newer versions for which holds is true, but for those that are being installed and those that
// nobody wants to hear of.
func (d *Daemon) ofUpdates(severity warn.Severity, holds func(*packagesv1.UpdatePolicySpec, *packagesv1.PackageUpdate) bool) func(context.Context) ([]warn.Finding, error) {
	return func(context.Context) ([]warn.Finding, error) {
		found, policies, err := d.updates.Offers()
		var list []warn.Finding
		for _, u := range found {
			id, policy := u.GetMeta().GetId(), policies[u.GetMeta().GetId()].GetSpec()
			if policy.GetMode() == packagesv1.UpdatePolicySpec_MODE_MANUAL || u.GetSpec().GetWantedVersion() != "" || !holds(policy, u) {
				continue
			}
			list = append(list, warn.Finding{
				About: id + "/" + u.GetStatus().GetVersion(), Severity: severity,
				Values: map[string]string{"Package": id, "From": u.GetStatus().GetInstalledVersion(), "To": u.GetStatus().GetVersion()},
			})
		}
		return list, err
	}
}
