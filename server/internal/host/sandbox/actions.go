package sandbox

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"time"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"

	"github.com/hearthos/hearth/api/abi/logseg"
)

// The actions every played service has. The first is that of the sample package, so that what is written about it is true
// of it in a sandbox, too.
const (
	actionGreet  = "set-greeting"
	actionRole   = "play-role"
	actionPermit = "permit"
	actionReport = "report"
	actionTell   = "tell"
)

// group is under which heading the actions that a real package does not have are shown.
const group = "Sandbox"

// object is JSON that is only written.
type object map[string]any

// exportActions says what actions there are. An action of another container of the package that is not among them goes.
func (s *service) exportActions(ctx context.Context) error {
	list := []struct {
		id, name, description, status string
		group                         any
		input                         bool
	}{
		{actionGreet, "Set greeting", "Choose the words and the colour of the page.", "any", nil, true},
		{actionRole, "Play a role", "Choose how the service behaves: healthy or not, slow, crashing.", "any", group, true},
		{actionPermit, "Permit", "Say that the service may run.", "any", group, false},
		{actionReport, "Report", "Show a result of every form.", "only-running", group, false},
		{actionTell, "Tell something", "Have the service tell people something.", "any", group, true},
	}
	var ids []string
	for _, a := range list {
		metadata, err := json.Marshal(object{
			"name": a.name, "description": a.description, "warning": nil, "visibility": "enabled", "allowedStatuses": a.status,
			"hasInput": a.input, "group": a.group,
		})
		if err != nil {
			return err
		}
		if _, err := s.fx.ActionExport(ctx, &effectsv1.ActionExportRequest{Id: a.id, Metadata: metadata}); err != nil {
			return err
		}
		ids = append(ids, a.id)
	}
	_, err := s.fx.ActionClear(ctx, &effectsv1.ActionClearRequest{Except: ids})
	return err
}

func (s *service) createTask(ctx context.Context, action, severity, reason string) error {
	return s.createTaskUntil(ctx, action, severity, reason, nil)
}

// createTaskUntil creates a task that stays until the value of the action is another; any value does when there is none.
func (s *service) createTaskUntil(ctx context.Context, action, severity, reason string, until object) error {
	req := &effectsv1.ActionCreateTaskRequest{ReplayId: action, PackageId: s.pkg, ActionId: action, Severity: &severity, Reason: &reason}
	if until != nil {
		input, err := json.Marshal(object{"accept": []object{until}})
		if err != nil {
			return err
		}
		req.When, req.Input = []byte(`{"condition":"input-not-matches"}`), input
	}
	_, err := s.fx.ActionCreateTask(ctx, req)
	return err
}

// execute answers a procedure as the package's code would.
func (s *service) execute(procedure string, input []byte) ([]byte, error) {
	switch procedure {
	case "/backup/create":
		return nil, s.backUp()
	case "/backup/freeze":
		return nil, nil // what is played writes nothing
	case "/backup/thaw":
		return json.Marshal(object{"held": true})
	}
	id, verb, ok := strings.Cut(strings.TrimPrefix(procedure, "/actions/"), "/")
	if !ok {
		return nil, failed("a played service has no procedure %q", procedure)
	}
	if verb == "getInput" {
		return s.form(id)
	}
	var args struct {
		Input json.RawMessage `json:"input"`
	}
	if err := json.Unmarshal(input, &args); err != nil {
		return nil, failed("cannot read the input: %v", err)
	}
	switch id {
	case actionGreet:
		return s.greet(args.Input)
	case actionRole:
		return s.playRole(args.Input)
	case actionPermit:
		s.host.change(s.pkg, func(p *Play) { p.Blocked = false })
		return result("It may run", "Start it now.", nil)
	case actionReport:
		return s.report()
	case actionTell:
		return s.tell(args.Input)
	}
	return nil, failed("a played service has no action %q", id)
}

// form is the form of an action, with what is set now.
func (s *service) form(id string) ([]byte, error) {
	switch id {
	case actionGreet:
		s.mu.Lock()
		now := s.greeting
		s.mu.Unlock()
		return json.Marshal(object{"value": now, "spec": object{
			"greeting": object{
				"type": "text", "name": "Greeting", "description": "What the page says, in large letters.", "warning": nil, "required": true,
				"default": now.Greeting, "masked": false, "placeholder": nil, "minLength": nil, "maxLength": maxGreeting, "patterns": []any{},
				"inputmode": "text", "generate": nil, "disabled": false, "immutable": false,
			},
			"color": object{
				"type": "color", "name": "Colour", "description": "The background of the page.", "warning": nil, "required": true,
				"default": now.Color, "disabled": false, "immutable": false,
			},
		}})
	case actionRole:
		values := object{}
		for _, r := range roles() {
			values[r.id] = r.name
		}
		return json.Marshal(object{"value": nil, "spec": object{
			"role": object{
				"type": "select", "name": "Role", "description": "It takes effect at once.", "warning": nil, "default": roles()[0].id,
				"values": values, "disabled": false, "immutable": false,
			},
		}})
	case actionTell:
		text := func(name string, most int) object {
			return object{
				"type": "text", "name": name, "description": nil, "warning": nil, "required": true, "default": nil, "masked": false, "placeholder": nil,
				"minLength": nil, "maxLength": most, "patterns": []any{}, "inputmode": "text", "generate": nil, "disabled": false, "immutable": false,
			}
		}
		return json.Marshal(object{"value": nil, "spec": object{
			"level": object{
				"type": "select", "name": "Kind", "description": nil, "warning": nil, "default": "info", "disabled": false, "immutable": false,
				"values": object{"success": "Success", "info": "Information", "warning": "Warning", "error": "Error"},
			},
			"title": text("Title", 80), "message": text("Message", 400),
		}})
	}
	return nil, failed("the action %q takes no input", id)
}

// savedGreeting is where a backup of a played service is, as it sees it.
const savedGreeting = "/media/startos/backup/greeting.json"

// backUp writes what the page says into the backup.
func (s *service) backUp() error {
	s.mu.Lock()
	raw, err := json.Marshal(s.greeting)
	s.mu.Unlock()
	if err == nil {
		err = os.WriteFile(s.c.root(savedGreeting), raw, 0o600)
	}
	if err != nil {
		return failed("cannot write the backup: %v", err)
	}
	return nil
}

// takeBack reads what the page says from a backup.
func (s *service) takeBack() error {
	raw, err := os.ReadFile(s.c.root(savedGreeting))
	var g greeting
	if err == nil {
		err = json.Unmarshal(raw, &g)
	}
	if err != nil {
		return failed("cannot read the backup: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.greeting = g
	return nil
}

// maxGreeting is how long a greeting may be.
const maxGreeting = 80

var colorForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func (s *service) greet(input []byte) ([]byte, error) {
	var g greeting
	if err := json.Unmarshal(input, &g); err != nil || g.Greeting == "" || len(g.Greeting) > maxGreeting || !colorForm.MatchString(g.Color) {
		return nil, failed("the input needs a greeting of at most %d bytes and a color as in #b5442c", maxGreeting)
	}
	s.mu.Lock()
	s.greeting = g
	s.mu.Unlock()
	s.print(logseg.Stdout, "main", "the page says: %s", g.Greeting)
	return result("The greeting is set", "The page shows it.", single(g.Greeting))
}

func (s *service) playRole(input []byte) ([]byte, error) {
	var chosen struct {
		Role string `json:"role"`
	}
	_ = json.Unmarshal(input, &chosen) // what cannot be read is no role
	for _, r := range roles() {
		if r.id != chosen.Role {
			continue
		}
		s.host.Play(s.pkg, r.play)
		s.print(logseg.Stdout, "main", "it plays: %s", r.name)
		if r.play.Blocked {
			if err := s.createTask(s.living, actionPermit, "critical", "Say that it may run"); err != nil {
				return nil, failed("the host refused an effect: %v", err)
			}
		}
		s.agent.group.Go(func() { s.show(r) })
		return result("The role is played", r.name+".", nil)
	}
	return nil, failed("there is no role %q", chosen.Role)
}

// show lets a role be seen: the answer to the action that chose it comes first.
func (s *service) show(r role) {
	const answered = 200 * time.Millisecond
	if sleep(s.living, answered) != nil {
		return
	}
	switch r.effect {
	case crash:
		s.crash()
	case restart:
		_, _ = s.fx.Restart(s.living, &effectsv1.RestartRequest{}) // refused of a service that is stopped
	}
}

// tell tells people what was put in.
func (s *service) tell(input []byte) ([]byte, error) {
	var said struct{ Level, Title, Message string }
	if err := json.Unmarshal(input, &said); err != nil {
		return nil, failed("cannot read the input: %v", err)
	}
	if _, err := s.fx.NotificationCreate(s.living, &effectsv1.NotificationCreateRequest{Level: said.Level, Title: said.Title, Message: said.Message}); err != nil {
		return nil, failed("the host refused an effect: %v", err)
	}
	return result("It is told", "See the notifications.", nil)
}

// report is a result of every form that results have.
func (s *service) report() ([]byte, error) {
	qr, secret := single("https://example.org"), single("correct horse battery staple")
	qr["qr"], secret["masked"] = true, true
	qr["name"], secret["name"] = "Address", "Password"
	return result("All is well", "This is what results can hold.", object{"type": "group", "value": []any{qr, secret}})
}

func single(value string) object {
	return object{"type": "single", "value": value, "copyable": true, "qr": false, "masked": false}
}

func result(title, message string, value any) ([]byte, error) {
	return json.Marshal(object{"version": "1", "title": title, "message": message, "result": value})
}
