package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The stand-in for the image of hello-world counts in its volume how often it was started, and says so.
func compatHelloWorld(c *compat) {
	c.start()
	c.step("install", func(*testing.T) { c.hearth("package", "install", c.file(c.id)) })
	c.step("configure", func(t *testing.T) {
		if tasks := c.rows("package", "tasks", c.id); len(tasks) == 0 {
			t.Skip("nothing to do")
		}
	})
	starts := func() int {
		page := c.curl(c.address(c.id))
		digits := regexp.MustCompile(`[0-9]+ times`).FindString(page)
		n, err := strconv.Atoi(strings.TrimSuffix(digits, " times"))
		if err != nil {
			c.t.Fatalf("the page does not count: %s", page)
		}
		return n
	}
	var before int
	c.step("healthy", func(*testing.T) {
		c.healthy(c.id)
		before = starts()
	})
	c.step("restart", func(t *testing.T) {
		c.hearth("package", "restart", c.id)
		c.healthy(c.id)
		if now := starts(); now != before+1 {
			t.Errorf("it counts %d starts after %d", now, before)
		}
	})
	c.ends()
}

// File Browser does not start before its critical task, and keeps what people upload.
func compatFileBrowser(c *compat) {
	c.start()
	var files *fileBrowser
	c.step("install", func(*testing.T) { c.hearth("package", "install", c.file(c.id)) })
	c.step("configure", func(*testing.T) {
		c.refusesStart(c.id)
		files = c.configuredFileBrowser()
	})
	c.step("healthy", func(*testing.T) {
		c.hearth("package", "start", c.id)
		c.healthy(c.id)
		files.upload("note.txt", "kept by Hearth")
	})
	c.step("restart", func(t *testing.T) {
		c.hearth("package", "restart", c.id)
		c.healthy(c.id)
		if got := c.curl("-H", "X-Auth: "+files.login(), files.page+"/api/raw/note.txt"); got != "kept by Hearth" {
			t.Errorf("after a restart the file holds %q", got)
		}
	})
	c.ends()
}

// fileBrowser is File Browser with its first user.
type fileBrowser struct {
	*compat
	page, password string
}

// configuredFileBrowser does the task of File Browser.
func (c *compat) configuredFileBrowser() *fileBrowser {
	c.t.Helper()
	password := member(c.t, c.runAction("filebrowser", "reset-admin-user", ""), "Password")
	return &fileBrowser{compat: c, page: c.address("filebrowser"), password: password}
}

func (f *fileBrowser) login() string {
	f.t.Helper()
	body, _ := json.Marshal(map[string]string{"username": "admin", "password": f.password, "recaptcha": ""})
	return f.curl("-X", "POST", "-H", "Content-Type: application/json", "-d", string(body), f.page+"/api/login")
}

func (f *fileBrowser) upload(path, text string) {
	f.t.Helper()
	f.curl("-X", "POST", "-H", "X-Auth: "+f.login(), "-d", text, f.page+"/api/resources/"+path+"?override=true")
}

// Gitea takes its own address from the host's, makes its first user by an action, and keeps its repositories.
func compatGitea(c *compat) {
	c.lan()
	c.start()
	c.step("install", func(*testing.T) { c.hearth("package", "install", c.file(c.id)) })
	var page, password string
	c.step("configure", func(*testing.T) {
		page = c.offeredURL(c.id, "set-primary-url", "url")
		c.runAction(c.id, "set-primary-url", fmt.Sprintf(`{"url":%q}`, page))
	})
	repos := func(method, path string, more ...string) string {
		return c.curl(append([]string{"-u", "ada:" + password, "-X", method, "-H", "Content-Type: application/json", page + path}, more...)...)
	}
	c.step("healthy", func(*testing.T) {
		c.hearth("package", "start", c.id, "--no-wait")
		c.healthy(c.id)
		password = member(c.t, c.runAction(c.id, "create-admin", `{"username":"ada","email":"ada@example.com"}`), "Password")
		repos("POST", "/api/v1/user/repos", "-d", `{"name":"first","auto_init":true}`)
	})
	c.step("restart", func(t *testing.T) {
		c.hearth("package", "restart", c.id, "--no-wait")
		c.eventually(90*time.Second, "the repository is there after a restart", func() error {
			_, err := c.run("curl", "-sS", "--fail", "--max-time", "5", "--cacert", c.root(), "-u", "ada:"+password, page+"/api/v1/repos/ada/first")
			return err
		})
		clone := filepath.Join(t.TempDir(), "first")
		at := strings.Replace(page, "https://", "https://ada:"+url.QueryEscape(password)+"@", 1)
		c.must("env", "GIT_SSL_CAINFO="+c.root(), "git", "clone", "-q", at+"/ada/first.git", clone)
		if _, err := os.Stat(filepath.Join(clone, "README.md")); err != nil {
			t.Errorf("the clone is empty: %v", err)
		}
	})
	c.ends()
}

// Start9 Pages serves folders out of another package's volume, and takes up new ones without a new start.
func compatPages(c *compat) {
	c.start()
	var files *fileBrowser
	site := func(port, name, path string) string {
		return fmt.Sprintf(`{"port":%s,"name":%q,"source":{"selection":"filebrowser","value":{"path":%q}},"cors":false}`, port, name, path)
	}
	served := func(port, want string) {
		c.t.Helper()
		c.says(func() string { return c.httpsAt(c.id, port) }, want)
	}
	c.step("install", func(*testing.T) {
		c.hearth("package", "install", c.file("filebrowser"))
		files = c.configuredFileBrowser()
		c.hearth("package", "start", "filebrowser")
		c.healthy("filebrowser")
		files.upload("one/index.html", "<h1>first page</h1>")
		files.upload("two/index.html", "<h1>second page</h1>")
		c.hearth("package", "install", c.file(c.id))
	})
	c.step("configure", func(*testing.T) {
		c.refusesStart(c.id)
		c.runAction(c.id, "manage", `{"pages":[`+site("null", "First", "one")+`]}`)
	})
	c.step("healthy", func(t *testing.T) {
		c.hearth("package", "start", c.id)
		c.healthy(c.id)
		served("8000", "first page")
		life := c.sameLife(c.id)
		c.runAction(c.id, "manage", `{"pages":[`+site("8000", "First", "one")+","+site("null", "Second", "two")+`]}`)
		served("8001", "second page")
		served("8000", "first page")
		if now := c.sameLife(c.id); fmt.Sprint(now) != fmt.Sprint(life) {
			t.Errorf("a new page began a new life:\n%v\n%v", life, now)
		}
	})
	c.step("restart", func(*testing.T) {
		c.hearth("package", "restart", c.id)
		c.healthy(c.id)
		served("8000", "first page")
		served("8001", "second page")
	})
	c.ends()
}

// Isso asks for a password before it starts, and keeps the comments that people write.
func compatIsso(c *compat) {
	c.start()
	c.step("install", func(*testing.T) { c.hearth("package", "install", c.file(c.id)) })
	var page, password string
	c.step("configure", func(t *testing.T) {
		c.refusesStart(c.id)
		password = member(t, c.runAction(c.id, "set-admin-password", ""), "Admin Password")
		c.runAction(c.id, "set-websites", `{"websites":["https://blog.example.com/"]}`)
		server := c.formValue(c.id, "configure-server")
		server["moderationEnabled"] = false
		raw, _ := json.Marshal(server)
		c.runAction(c.id, "configure-server", string(raw))
	})
	comments := func() string { return c.curl(page + "/?uri=/post/") }
	c.step("healthy", func(t *testing.T) {
		c.hearth("package", "start", c.id)
		c.healthy(c.id)
		page = strings.TrimSuffix(c.httpsAt(c.id, "comments"), "/")
		c.curl("-X", "POST", "-H", "Content-Type: application/json", "-H", "Origin: https://blog.example.com",
			"-d", `{"text":"kept by Hearth","title":"A post"}`, page+"/new?uri=/post/")
		if got := comments(); !strings.Contains(got, "kept by Hearth") {
			t.Errorf("the comments are %s", got)
		}
	})
	c.step("restart", func(t *testing.T) {
		c.hearth("package", "restart", c.id)
		c.healthy(c.id)
		if got := comments(); !strings.Contains(got, "kept by Hearth") {
			t.Errorf("after a restart the comments are %s", got)
		}
		jar := filepath.Join(t.TempDir(), "cookies")
		c.curl("-c", jar, "-d", "password="+password, page+"/login/")
		if out := c.curl("-b", jar, page+"/admin/?mode=1"); !strings.Contains(out, "kept by Hearth") {
			t.Errorf("the panel shows no comment: %.300s", out)
		}
	})
	c.ends()
}

// Ghost has its database in a container of its own beside it, and takes the address it is read at from the host's.
func compatGhost(c *compat) {
	c.lan()
	c.start()
	c.step("install", func(*testing.T) { c.hearth("package", "install", c.file(c.id)) })
	var page string
	c.step("configure", func(*testing.T) {
		page = c.offeredURL(c.id, "set-primary-url", "url")
		c.runAction(c.id, "set-primary-url", fmt.Sprintf(`{"url":%q}`, page))
		c.runAction(c.id, "set-tinfoil", "")
	})
	// Its check looks into the database, which is filled before Ghost listens.
	says := func() { c.says(func() string { return page }, "Kept by Hearth") }
	admin := func(path, body string) string {
		return c.curl("-X", "POST", "-H", "Content-Type: application/json", "-H", "Origin: "+page, "-d", body, page+"/ghost/api/admin"+path)
	}
	c.step("healthy", func(*testing.T) {
		c.hearth("package", "start", c.id)
		c.isWell(15*time.Minute, c.id)
		c.says(func() string { return page }, "Ghost")
		admin("/authentication/setup/", `{"setup":[{"name":"Ada","email":"ada@example.com","password":"first-Pass-word-1","blogTitle":"Kept by Hearth"}]}`)
		says()
	})
	c.step("restart", func(t *testing.T) {
		c.hearth("package", "restart", c.id)
		c.isWell(15*time.Minute, c.id)
		says()
		var result struct {
			Result struct {
				Value string `json:"value"`
			} `json:"result"`
		}
		if err := json.Unmarshal([]byte(c.runAction(c.id, "reset-password", "")), &result); err != nil {
			t.Fatal(err)
		}
		admin("/session/", fmt.Sprintf(`{"username":"ada@example.com","password":%q}`, result.Result.Value))
	})
	c.ends()
}
