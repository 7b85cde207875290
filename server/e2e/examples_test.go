package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// install installs one of the example packages.
func (m *machine) install(name string) {
	m.t.Helper()
	m.hearth("package", "install", filepath.Join(m.bin, name+".s9pk"))
}

// psql asks the database of the example as its owner.
func (m *machine) psql(query string) string {
	m.t.Helper()
	return strings.TrimSpace(m.hearth("package", "attach", "database", "--subcontainer", "postgres", "--", "psql", "-U", "owner", "-d", "postgres", "-Atqc", query))
}

// requested is what curl gets of a URL: the status, and the answer with its head.
func (m *machine) requested(url string, args ...string) (status, answer string) {
	m.t.Helper()
	out := m.must("curl", append([]string{"-sS", "-i", "--cacert", m.root(), "-w", "\n%{http_code}", url}, args...)...)
	cut := strings.LastIndexByte(out, '\n')
	return out[cut+1:], out[:cut]
}

// A service with Postgres beside it, and a second one that needs it and asks people to change its settings: the second does
// not start before, reads the first one's volume and port, and the first comes back from a dump of its database.
func TestExampleDatabaseAndWhatNeedsIt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	// What the second knows of the first's settings is what the first says.
	known, err := os.ReadFile("../../sdk-ts/examples/database-metrics/database.ts")
	if says := m.must(m.cli, "s9pk", "types", filepath.Join(m.bin, "database.s9pk")); err != nil || says != string(known) {
		t.Errorf("the types of the settings are %q, and there are %q, %v", says, known, err)
	}
	m.start()
	m.install("database")
	m.healthy("database")
	if status, answer := m.requested(m.address("database")); status != "200" || !strings.Contains(answer, `name="auth[password]"`) {
		t.Errorf("the page is no login of Adminer: %s\n%s", status, answer)
	}
	m.psql("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('still here')")

	m.install("database-metrics")
	m.eventually(60*time.Second, "the second service asks for a setting of the first", func() error {
		for _, task := range m.rows("package", "tasks") {
			if task["packageId"] == "database" && task["actionId"] == "settings" && task["severity"] == "critical" && task["active"] == true {
				return nil
			}
		}
		return fmt.Errorf("%v", m.rows("package", "tasks"))
	})
	if _, err := m.tryHearth("package", "start", "database-metrics"); err == nil || !strings.Contains(err.Error(), "TASK") {
		t.Errorf("it starts before the critical task is done: %v", err)
	}
	m.hearth("package", "action", "run", "database", "settings", "--input", `{"connections":40,"metrics":true}`)
	m.healthy("database")
	m.hearth("package", "start", "database-metrics")
	m.healthy("database-metrics")
	if _, answer := m.requested(m.address("database-metrics")); !strings.Contains(answer, "\npg_settings_max_connections{server=") || !strings.Contains(answer, "} 40\n") {
		t.Errorf("the metrics are not those of the database:\n%.3000s", answer)
	}
	// The exporter is connected, for which Postgres would wait if it were told to end as other programs are.
	m.hearth("package", "stop", "database")
	if said := m.hearth("package", "logs", "database"); !strings.Contains(said, "received fast shutdown request") || !strings.Contains(said, "database system is shut down") || strings.Contains(said, "is killed") {
		t.Errorf("the database did not end by itself:\n%s", said)
	}
	m.hearth("package", "start", "database")
	m.healthy("database")

	// Switched off again it asks anew.
	m.hearth("package", "action", "run", "database", "settings", "--input", `{"connections":40,"metrics":false}`)
	m.eventually(60*time.Second, "the task is back", func() error {
		if tasks := m.rows("package", "tasks"); len(tasks) == 0 || !strings.Contains(fmt.Sprint(tasks), "database-metrics") {
			return fmt.Errorf("%v", tasks)
		}
		return nil
	})
	m.hearth("package", "uninstall", "database-metrics", "--yes")

	dir := t.TempDir()
	m.healthy("database")
	m.hearth("package", "backup", "database", dir)
	m.hearth("package", "uninstall", "database", "--yes")
	m.hearth("package", "restore", "database", dir)
	m.healthy("database")
	if got := m.psql("SELECT word FROM kept"); got != "still here" {
		t.Errorf("the database came back with %q", got)
	}
	// The account has the password it had, which comes from the settings that came back.
	password := m.inContainer(t, "database", "sed", "-n", `s/.*"owner": "\(.*\)".*/\1/p`, "/media/startos/volumes/main/secrets.json")
	if got := m.hearth("package", "attach", "database", "--subcontainer", "postgres", "--env", "PGPASSWORD="+password, "--", "psql", "-h", "127.0.0.1", "-U", "owner", "-d", "postgres", "-Atqc", "SELECT 1"); strings.TrimSpace(got) != "1" {
		t.Errorf("the owner logs in and gets %q", got)
	}
	m.hearth("package", "uninstall", "database", "--yes")
	m.leftNothing(t)
}

// inContainer runs a command in the container of a service.
func (m *machine) inContainer(t *testing.T, pkg string, command ...string) string {
	t.Helper()
	out, err := m.inside(pkg, command...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// A service behind a proxy of its own, with a secret, accounts that forms make, and settings of the proxy.
func TestExampleCalendar(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.install("calendar")
	m.healthy("calendar")
	page := strings.TrimSuffix(m.address("calendar"), "/")
	if tasks := m.rows("package", "tasks", "calendar"); len(tasks) != 1 || tasks[0]["actionId"] != "credentials" {
		t.Errorf("tasks = %v", tasks)
	}
	shown := m.hearth("package", "action", "run", "calendar", "credentials", "--output", "json")
	password := m.inContainer(t, "calendar", "sed", "-n", `s/.*"admin": "\(.*\)".*/\1/p`, "/media/startos/volumes/main/secrets.json")
	if len(password) != 20 || !strings.Contains(shown, password) {
		t.Errorf("the credentials are not shown: %s", shown)
	}
	asks := func(user string) (string, string) {
		return m.requested(page+"/", "-X", "PROPFIND", "-H", "Depth: 0", "-u", user)
	}
	if status, _ := asks("admin:wrong"); status != "401" {
		t.Errorf("a wrong password: %s", status)
	}
	if status, answer := asks("admin:" + password); status != "207" || !strings.Contains(answer, "multistatus") {
		t.Errorf("the first account: %s\n%s", status, answer)
	}
	if status, answer := m.requested(page + "/.well-known/caldav"); status != "301" || !strings.Contains(strings.ToLower(answer), "location: ") {
		t.Errorf("what devices ask first: %s\n%s", status, answer)
	}

	if _, err := m.tryHearth("package", "action", "run", "calendar", "set-person", "--input", `{"name":"Ada:x","password":"long enough"}`); err == nil || !strings.Contains(err.Error(), "ACTION_INPUT") {
		t.Errorf("a name that does not fit: %v", err)
	}
	m.hearth("package", "action", "run", "calendar", "set-person", "--input", `{"name":"ada","password":"long enough"}`)
	if status, _ := asks("ada:long enough"); status != "207" {
		t.Errorf("a person that was added: %s", status)
	}
	put, _ := m.requested(page+"/ada/diary/", "-X", "MKCALENDAR", "-u", "ada:long enough")
	if put != "201" {
		t.Errorf("a calendar is made: %s", put)
	}

	m.hearth("package", "action", "run", "calendar", "settings", "--input",
		`{"rights":"owner_only","proxy":{"upload":5,"delay":0,"addresses":true,"headers":[{"name":"X-House","value":"of Ada"}]}}`)
	m.eventually(60*time.Second, "the header is sent", func() error {
		out, err := m.run("curl", "-sS", "-i", "--cacert", m.root(), page+"/.web/")
		if err == nil && !strings.Contains(strings.ToLower(out), "x-house: of ada") {
			err = errors.New(out)
		}
		return err
	})
	m.healthy("calendar")
	if status, _ := m.requested(page+"/ada/diary/", "-X", "PROPFIND", "-H", "Depth: 0", "-u", "ada:long enough"); status != "207" {
		t.Errorf("the calendar is still there: %s", status)
	}
	if status, _ := m.requested(page+"/ada/diary/", "-X", "PROPFIND", "-H", "Depth: 0", "-u", "admin:"+password); status != "403" {
		t.Errorf("another one's calendar: %s", status)
	}
	m.eventually(30*time.Second, "the log tells who asked, as the door says it", func() error {
		if log := m.hearth("package", "logs", "calendar"); !strings.Contains(log, "PROPFIND /ada/diary/ 207") {
			return errors.New(log)
		} else if strings.Contains(log, password) || strings.Contains(log, "long enough") {
			t.Fatal("a password is in the log")
		}
		return nil
	})
	m.backedUpRunning(page, password)
	m.hearth("package", "action", "run", "calendar", "remove-person", "--input", `{"name":"ada"}`)
	if status, _ := asks("ada:long enough"); status != "401" {
		t.Errorf("a person that was removed: %s", status)
	}
	m.hearth("package", "uninstall", "calendar", "--yes")
	m.leftNothing(t)
}

// backedUpRunning backs the calendar up while it runs: who reads is answered meanwhile, nothing of it is begun anew, and
// afterwards people write again.
func (m *machine) backedUpRunning(page, password string) {
	m.t.Helper()
	started := m.rows("package", "show", "calendar")[0]["startTime"]
	dir := m.t.TempDir()
	m.hearth("package", "backup", "calendar", dir)
	for _, file := range []string{"data/volumes/main/collections/collection-root/ada/diary", "data/volumes/main/people", "backup.json"} {
		if _, err := os.Stat(filepath.Join(dir, "calendar", file)); err != nil {
			m.t.Errorf("the backup of the running service is not whole: %v", err)
		}
	}
	if now := m.rows("package", "show", "calendar")[0]["startTime"]; started == nil || now != started {
		m.t.Errorf("it runs since %v, and before its backup since %v", now, started)
	}
	if status, answer := m.requested(page+"/admin/later/", "-X", "MKCALENDAR", "-m", "30", "-u", "admin:"+password); status != "201" {
		m.t.Errorf("nobody can write after the backup: %s\n%s", status, answer)
	}

	// Data that do not get quiet are not backed up; the service runs on, and people write.
	m.inContainer(m.t, "calendar", "mv", "/media/startos/volumes/main/collections/.Radicale.lock", "/media/startos/volumes/main/kept")
	m.inContainer(m.t, "calendar", "mkdir", "-m", "700", "/media/startos/volumes/main/collections/.Radicale.lock")
	if _, err := m.tryHearth("package", "backup", "calendar", dir); err == nil || !strings.Contains(err.Error(), "PACKAGE_CODE_FAILED") {
		m.t.Errorf("data that cannot be frozen are backed up: %v", err)
	}
	m.inContainer(m.t, "calendar", "rmdir", "/media/startos/volumes/main/collections/.Radicale.lock")
	m.inContainer(m.t, "calendar", "mv", "/media/startos/volumes/main/kept", "/media/startos/volumes/main/collections/.Radicale.lock")
	m.healthy("calendar")
}

// A package that was made of a compose file, and not changed by hand: its services find each other by their names, the
// password was made up, a file comes along, and what people wrote is there after a restart.
func TestExampleImportedFromCompose(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.install("blog")
	m.healthy("blog")
	site := m.address("blog")
	status, answer := m.requested(site+"/wp-admin/install.php", "-L")
	if status != "200" || !strings.Contains(answer, `name="weblog_title"`) {
		t.Fatalf("the page does not offer to be set up: %s\n%.3000s", status, answer)
	}
	status, answer = m.requested(site+"/wp-admin/install.php?step=2", "--data-urlencode", "weblog_title=Written down", "--data-urlencode", "user_name=ada",
		"--data-urlencode", "admin_password=a long enough one", "--data-urlencode", "admin_password2=a long enough one", "--data-urlencode", "admin_email=ada@example.org", "--data", "language=")
	if status != "200" || strings.Contains(answer, `name="weblog_title"`) {
		t.Fatalf("it cannot be set up: %s\n%.3000s", status, answer)
	}
	written := func() error {
		out, err := m.run("curl", "-sSL", "--fail", "--cacert", m.root(), site)
		if err == nil && !strings.Contains(out, "<title>Written down") {
			err = fmt.Errorf("%.2000s", out)
		}
		return err
	}
	m.eventually(30*time.Second, "the blog is there", written)
	if out := m.hearth("package", "attach", "blog", "--subcontainer", "web", "--", "cat", "/etc/wordpress/php.ini"); !strings.Contains(out, "memory_limit") {
		t.Errorf("the file that comes along: %s", out)
	}
	m.hearth("package", "action", "run", "blog", "settings", "--input", `{"wordpressDebug":false,"uploadLimit":32,"siteTitle":"x"}`)
	m.healthy("blog")
	m.eventually(60*time.Second, "the blog is there after its parts were begun anew", written)
	if shown := m.hearth("package", "action", "run", "blog", "credentials"); !strings.Contains(shown, "Db password") {
		t.Errorf("the credentials: %s", shown)
	}
	m.hearth("package", "uninstall", "blog", "--yes")
	m.leftNothing(t)
}

// A backup that is a dump of MariaDB brings the tables, the routines and the account back.
func TestExampleOfADumpOfMySQL(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	const id = "mysql-dump"
	m.install(id)
	m.healthy(id)
	// As the account of the service, which is the one that dumps.
	password := m.inContainer(t, id, "sed", "-n", `s/.*"app": "\(.*\)".*/\1/p`, "/media/startos/volumes/main/secrets.json")
	sql := func(statement string) string {
		t.Helper()
		return strings.TrimSpace(m.hearth("package", "attach", id, "--subcontainer", "db", "--env", "MYSQL_PWD="+password, "--", "mariadb", "--user=app", "--default-character-set=utf8mb4", "--batch", "--skip-column-names", "--execute", statement, "app's"))
	}
	sql(`CREATE TABLE kept (word TEXT CHARACTER SET utf8mb4, raw BLOB); INSERT INTO kept VALUES ('still “here” ☃', x'00ff27');
		CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2; CREATE VIEW seen AS SELECT word FROM kept;
		CREATE TRIGGER louder BEFORE INSERT ON kept FOR EACH ROW SET NEW.word = UPPER(NEW.word)`)
	dir := t.TempDir()
	m.hearth("package", "backup", id, dir)
	m.hearth("package", "uninstall", id, "--yes")
	m.hearth("package", "restore", id, dir)
	m.healthy(id) // as its account, with its password
	if got := sql(`SELECT word, HEX(raw) FROM kept`); got != "still “here” ☃\t00FF27" {
		t.Errorf("the table came back with %q", got)
	}
	if got := sql(`INSERT INTO kept VALUES ('new', ''); SELECT twice(21), COUNT(*), MAX(word = 'NEW' COLLATE utf8mb4_bin) FROM seen`); got != "42\t2\t1" {
		t.Errorf("the function, the view and the trigger give %q", got)
	}
	m.hearth("package", "uninstall", id, "--yes")
	m.leftNothing(t)
}
