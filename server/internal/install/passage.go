package install

import (
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
)

// passage is how data get from one version of a package to another.
type passage struct {
	// target is what the clean-up of the version that goes is told: to which version, or range, it shall bring the data.
	target string
	// back tells that the version that goes has to bring the data there; otherwise they stay what they are, and the
	// version that comes takes it from there.
	back bool
}

// passageOf finds the way from the installed file to another, for data of a version: their own version where the one
// that comes can migrate from it, else its version where the one that goes can migrate to it, else any that both can.
// Data without a version are as the installed file left them. It refuses where there is no way.
func passageOf(data string, from, to *packagesv1.Artifact) (passage, error) {
	if data == "" {
		return passage{target: from.GetSpec().GetVersion()}, nil
	}
	goes, err := s9pk.ParseManifest(from.GetSpec().GetManifest())
	if err != nil {
		return passage{}, err
	}
	comes, err := s9pk.ParseManifest(to.GetSpec().GetManifest())
	if err != nil {
		return passage{}, err
	}
	takes, err := takes(comes, data)
	if err != nil {
		return passage{}, err
	}
	if takes {
		return passage{target: data}, nil
	}
	if comes.Version.Satisfies(goes.CanMigrateTo) {
		return passage{target: comes.Version.String(), back: true}, nil
	}
	if both := goes.CanMigrateTo.And(comes.CanMigrateFrom); both.Satisfiable() {
		return passage{target: both.String(), back: true}, nil
	}
	return passage{}, fault.New(metav1.Reason_REASON_PACKAGE_VERSION_CONFLICT,
		"cannot replace %s %s by %s: its data are of version %s, from which the new file cannot migrate (%s) and which the installed one cannot bring to it (%s)",
		goes.ID, goes.Version, comes.Version, data, comes.CanMigrateFrom, goes.CanMigrateTo).
		With("package", string(goes.ID)).With("installed", goes.Version.String()).With("offered", comes.Version.String()).With("data", data)
}

// takes tells whether a file can go on with data of a version, as a package recorded it: its own version, or one that it
// migrates from.
func takes(m *s9pk.Manifest, data string) (bool, error) {
	// A package may have left its data between versions; then it recorded a range.
	have, err := exver.ParseRange(data)
	version, exact := exver.Parse(data)
	if exact == nil {
		have, err = exver.Exactly(version), nil
	}
	if err != nil {
		return false, fault.New(metav1.Reason_REASON_PACKAGE_VERSION_CONFLICT,
			"cannot install %s %s: the version of its data, as the package recorded it, is none: %q", m.ID, m.Version, data).
			With("package", string(m.ID)).With("data", data)
	}
	return exact == nil && version.Equal(m.Version) || have.Intersects(m.CanMigrateFrom), nil
}

// mayGoOn refuses a file that cannot go on with the data that are there, with no installed one to bring them to it. Data
// without a version are left to the package.
func mayGoOn(m *s9pk.Manifest, data string) error {
	if data == "" {
		return nil
	}
	if takes, err := takes(m, data); err != nil || takes {
		return err
	}
	return fault.New(metav1.Reason_REASON_PACKAGE_VERSION_CONFLICT,
		"cannot install %s %s: its data are of version %s, from which it cannot migrate (%s)", m.ID, m.Version, data, m.CanMigrateFrom).
		With("package", string(m.ID)).With("offered", m.Version.String()).With("data", data)
}
