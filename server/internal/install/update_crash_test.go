package install_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/hearthos/hearth/server/internal/install"
)

// holds spells the files of data of a version in some folder, as the state of a crash matrix does.
func holds(where, version string) string {
	text := "words of " + version
	return fmt.Sprintf("file volumes/%s/main/precious -rw-r--r-- %d bytes %x", where, len(text), sha256.Sum256([]byte(text)))
}

// recorded spells that the data in some folder say that they are of a version.
func recorded(where, version string) string {
	return fmt.Sprintf("file volumes/%s/.version -rw------- %d bytes %x", where, len(version), sha256.Sum256([]byte(version)))
}

// However often the daemon dies, an update and a rollback end with code and data that belong together, and what there was
// before is whole: as a snapshot where they succeed, as the data where they do not.
func TestUpdatesSurviveEveryCrash(t *testing.T) {
	t.Parallel()
	_, pkg := packageFile()
	snapshots := "volumes/.snapshots/" + pkg
	mine, previous := ".snapshots/"+pkg+"/"+operationID, ".snapshots/"+pkg+"/"+previousSnapshot
	update := scenario{kind: install.KindUpdate, installed: true, version: newVersion}
	with := func(s scenario, change func(*scenario)) scenario { change(&s); return s }
	updated := func(s *scenario) { s.updated = true }
	fails := func(s *scenario) { s.fails = true }
	rare := func(s *scenario) { s.rare = true }
	quick := func(s *scenario) { s.quick = true }
	cancel := func(at string) func(*scenario) { return func(s *scenario) { s.cancelAt = at } }
	again := scenario{kind: install.KindUpdate, installed: true, updated: true}
	rollback := scenario{kind: install.KindRollback, installed: true, updated: true}

	succeeds := []string{"STATE_SUCCEEDED", "DESIRED_RUNNING", holds(pkg, newVersion), recorded(pkg, newVersion), holds(mine, dataVersion), recorded(mine, dataVersion)}
	comesBack := []string{"STATE_FAILED", "DESIRED_RUNNING", holds(pkg, dataVersion), recorded(pkg, dataVersion)}
	cancelled := []string{"STATE_CANCELLED", "DESIRED_RUNNING", holds(pkg, dataVersion), recorded(pkg, dataVersion)}
	told := func(there []string) []string {
		return append([]string{`reverted:{version:"` + dataVersion + `" running:true}`}, there...)
	}
	clean := []string{"file artifacts/incoming", "file artifacts/claimed", "volumes/.partial/", "volumes/.trash/", "-failed", "/.snapshots/.snapshot"}
	nothingLeft := append([]string{snapshots, "\nsnapshot "}, clean...)
	rolledBack := []string{"STATE_SUCCEEDED", "DESIRED_RUNNING", holds(pkg, "0.9:0"), recorded(pkg, "0.9:0"), holds(mine, dataVersion), recorded(mine, dataVersion)}

	for name, c := range map[string]struct {
		scenario
		there, gone []string
	}{
		"update":                       {with(update, quick), succeeds, append([]string{previous}, clean...)},
		"update from a registry":       {with(update, func(s *scenario) { s.listed = true }), succeeds, append([]string{"file artifacts/fetching"}, clean...)},
		"update from a registry fails": {with(with(update, func(s *scenario) { s.listed, s.rare = true, true }), fails), comesBack, append([]string{"file artifacts/fetching"}, nothingLeft...)},
		"update from a registry on a full disk": {with(update, func(s *scenario) { s.listed, s.full = true, true }), append([]string{"DISK_FULL"}, comesBack...),
			append([]string{"file artifacts/fetching"}, nothingLeft...)},
		"update of a service that is well": {with(update, func(s *scenario) { s.well = true }), succeeds, clean},
		"update to one that is not well":   {with(with(update, quick), func(s *scenario) { s.well, s.sick = true, true }), append([]string{"UPDATE_UNHEALTHY"}, told(comesBack)...), nothingLeft},
		"update after an update":           {with(update, updated), succeeds, append([]string{previous}, clean...)},
		"update fails":                     {with(with(update, fails), quick), told(comesBack), nothingLeft},
		"update after an update fails":     {with(with(with(update, fails), updated), rare), append([]string{holds(previous, "0.9:0")}, comesBack...), append([]string{mine}, clean...)},
		"update cleans up badly":           {with(with(update, func(s *scenario) { s.clumsy = true }), rare), succeeds, clean},
		"update has no way for the data":   {with(update, func(s *scenario) { s.version = "0.8:0" }), comesBack, nothingLeft},
		"update is cancelled at first":     {with(with(update, cancel("after do verify")), rare), cancelled, append([]string{"reverted"}, nothingLeft...)},
		"update is cancelled stopped":      {with(with(update, cancel("after do hold")), rare), told(cancelled), nothingLeft},
		"update is cancelled snapshot":     {with(with(update, cancel("after do snapshot")), rare), cancelled, nothingLeft},
		"update is cancelled down":         {with(update, cancel("after do exit")), cancelled, nothingLeft},
		"update is cancelled late":         {with(update, cancel("after do container")), cancelled, nothingLeft},
		"same file":                        {again, []string{"STATE_SUCCEEDED", "DESIRED_RUNNING", holds(pkg, dataVersion), holds(previous, "0.9:0")}, append([]string{mine}, clean...)},
		"same file fails":                  {with(with(again, fails), rare), append([]string{holds(previous, "0.9:0")}, comesBack...), append([]string{mine}, clean...)},
		"rollback":                         {with(rollback, quick), rolledBack, append([]string{previous}, clean...)},
		"rollback fails":                   {with(with(rollback, fails), quick), append([]string{holds(previous, "0.9:0")}, told(comesBack)...), append([]string{mine}, clean...)},
		"rollback cleans up badly":         {with(with(rollback, func(s *scenario) { s.clumsy = true }), rare), rolledBack, clean},
		"rollback is cancelled":            {with(rollback, cancel("after do swap")), append([]string{holds(previous, "0.9:0")}, cancelled...), append([]string{mine}, clean...)},
		"delete a snapshot": {scenario{kind: install.KindDeleteSnapshot, installed: true, updated: true},
			[]string{"STATE_SUCCEEDED", holds(pkg, dataVersion)}, nothingLeft},
		"uninstall after an update": {scenario{kind: install.KindUninstall, installed: true, updated: true}, []string{"STATE_SUCCEEDED"},
			append([]string{"precious", ".s9pk", "\npackage meta:{id:\"hello"}, nothingLeft...)},
	} {
		c.matrix(t, name, c.there, c.gone)
	}
}
