package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/text"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

// unwell is the end of a doctor who found something that does not work. It was told already.
type unwell struct{ failed int }

func (e unwell) Error() string { return fmt.Sprintf("%d checks failed", e.failed) }

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong, here and on the server, and say what helps", Args: cobra.NoArgs,
		Long: `Look at the way to the server and, where it answers, at the server itself: its clock,
disk, store, front door, certificates, network and services. Each line says how something
was found and what to do about it. It works when the server does not: then it says why.

It ends with exit code 0 when nothing fails, warnings or not, and with 1 when something does.`,
		Example: "  hearth doctor\n  hearth doctor --output json | jq 'select(.result != \"ok\")'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			checks := a.examine(cmd.Context())
			failed := 0
			var table [][]string
			for _, c := range checks {
				if c.GetResult() == diagnosticsv1.Check_RESULT_FAIL {
					failed++
				}
				detail, remedy := a.found(c)
				table = append(table, []string{word(c.GetResult()), c.GetName(), detail})
				if remedy != "" {
					table = append(table, []string{"", "", "→ " + remedy})
				}
			}
			var err error
			if a.rows() {
				err = printRows(a, checks)
			} else {
				err = a.table([]string{"result", "check", "found"}, table)
			}
			if err == nil && failed > 0 {
				err = unwell{failed}
			}
			return err
		},
	}
}

// found is what a check found and what to do about it.
func (a *app) found(c *diagnosticsv1.Check) (detail, remedy string) {
	detail, remedy = a.said("check."+c.GetWords(), c.GetDetail(), c.GetRemedy(), a.spoken(c.GetMetadata(), c.GetSpoken()))
	return a.quoting(detail, c.GetQuote()), remedy
}

// said is what the server found and what to do about it, in the person's language where the catalogue has the words. English is the
// server's own.
func (a *app) said(key, detail, remedy string, metadata map[string]string) (string, string) {
	if a.texts.Language() == text.English {
		return detail, remedy
	}
	values := anyValues(metadata)
	if s, ok := a.texts.Lookup(key+".text", values); ok {
		detail = s
	}
	if s, ok := a.texts.Lookup(key+".remedy", values); ok && remedy != "" {
		remedy = s
	}
	return detail, remedy
}

// spoken are the values of words, in the person's language where they are texts of the catalogue themselves.
func (a *app) spoken(values map[string]string, texts map[string]*metav1.Words) map[string]string {
	out := make(map[string]string, len(values))
	maps.Copy(out, values)
	for name, words := range texts {
		if s, ok := a.texts.Lookup(words.GetKey(), anyValues(words.GetMetadata())); ok {
			out[name] = s
		}
	}
	return out
}

// quoting is a text with what a program or the system said itself behind it, as a quotation.
func (a *app) quoting(text, quote string) string {
	if quote == "" {
		return text
	}
	return text + " " + a.say("quotation", map[string]any{"Text": quote})
}

func anyValues(values map[string]string) map[string]any {
	out := make(map[string]any, len(values))
	for name, value := range values {
		out[name] = value
	}
	return out
}

func ok(name, format string, args ...any) *diagnosticsv1.Check {
	return &diagnosticsv1.Check{Name: name, Result: diagnosticsv1.Check_RESULT_OK, Detail: fmt.Sprintf(format, args...)}
}

func failed(name, remedy, format string, args ...any) *diagnosticsv1.Check {
	return &diagnosticsv1.Check{Name: name, Result: diagnosticsv1.Check_RESULT_FAIL, Remedy: remedy, Detail: fmt.Sprintf(format, args...)}
}

func warned(name, remedy, format string, args ...any) *diagnosticsv1.Check {
	return &diagnosticsv1.Check{Name: name, Result: diagnosticsv1.Check_RESULT_WARN, Remedy: remedy, Detail: fmt.Sprintf(format, args...)}
}

// examinePatience is how long the server may take for all of it.
const examinePatience = 30 * time.Second

// examine looks at the way to the server first, then lets the server look at itself.
func (a *app) examine(ctx context.Context) []*diagnosticsv1.Check {
	ctx, cancel := context.WithTimeout(ctx, examinePatience)
	defer cancel()
	to, err := a.connection()
	if err != nil {
		return []*diagnosticsv1.Check{failed("client", "Correct the flag, variable or profile that the message names.", "%v", err)}
	}
	list := []*diagnosticsv1.Check{ok("client", "version %s, speaks with %s (%s)", Version, to.host, to.from)}
	c, err := hearth.Dial(ctx, to.host, to.options)
	if err != nil {
		return append(list, failed("reach", "Correct the address.", "%v", err))
	}
	defer c.Close()
	begun := time.Now()
	server, err := c.System.GetServer(ctx, &systemv1.GetServerRequest{})
	took := time.Since(begun)
	if err != nil {
		return append(append(list, a.unreached(to.host, err)), whatIsHere(to.host)...)
	}
	list = append(list, ok("reach", "%s answers in %s", server.GetHostname(), took.Round(time.Millisecond)), versions(server), skew(server, begun, took))
	resp, err := c.Diagnostics.RunChecks(ctx, &diagnosticsv1.RunChecksRequest{})
	if err != nil {
		return append(list, a.unexamined(err))
	}
	return append(list, resp.GetChecks()...)
}

// unreached says why a server cannot be asked.
func (a *app) unreached(host string, err error) *diagnosticsv1.Check {
	f := fault.Proto(fault.FromStatus(err))
	remedy := a.remedy(f.GetReason())
	if f.GetReason() == metav1.Reason_REASON_UNAVAILABLE && strings.HasPrefix(host, "unix:") {
		remedy = "Start hearthd, or name the server with --host."
	}
	return failed("reach", remedy, "%s", f.GetMessage())
}

func (a *app) unexamined(err error) *diagnosticsv1.Check {
	f := fault.Proto(fault.FromStatus(err))
	if f.GetReason() == metav1.Reason_REASON_METHOD_NOT_FOUND {
		return warned("contract", "Use the same release here and on the server.", "the server does not know how to look at itself: it is older than this program")
	}
	return failed("server", a.remedy(f.GetReason()), "%s", f.GetMessage())
}

func versions(server *systemv1.GetServerResponse) *diagnosticsv1.Check {
	if server.GetVersion() != Version {
		return warned("version", "Use the same release here and on the server; most commands work all the same.", "this program is %s, the server %s", Version, server.GetVersion())
	}
	return ok("version", "this program and the server are %s", Version)
}

// skew compares the clocks of this machine and of the server.
func skew(server *systemv1.GetServerResponse, begun time.Time, took time.Duration) *diagnosticsv1.Check {
	if server.GetTime() == nil {
		return &diagnosticsv1.Check{Name: "clock-here", Result: diagnosticsv1.Check_RESULT_SKIP, Detail: "the server does not tell its time"}
	}
	apart := server.GetTime().AsTime().Sub(begun.Add(took / 2)).Round(time.Second)
	if apart.Abs() > time.Minute+took {
		return warned("clock-here", "Set the clock that is wrong; certificates and signed calls need the right time.", "the clock of the server is %s from that of this machine", apart)
	}
	return ok("clock-here", "this machine and the server agree on the time")
}

// whatIsHere looks, without the server, at what this machine tells of it.
func whatIsHere(host string) []*diagnosticsv1.Check {
	path, local := strings.CutPrefix(host, "unix:")
	if !local && !strings.HasPrefix(host, "/") {
		return nil
	}
	var list []*diagnosticsv1.Check
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		list = append(list, failed("socket", "Start hearthd; with another state folder set $HEARTH_STATE.", "there is no %s: the daemon does not run, or has another state folder", path))
	case err != nil:
		list = append(list, failed("socket", "Run it as a user who may look there.", "%v", err))
	case info.Mode().Type() != os.ModeSocket:
		list = append(list, failed("socket", "Move it away and start hearthd.", "%s is no socket", path))
	default:
		list = append(list, socketAnswers(path))
	}
	return append(list, doorHere(path))
}

func socketAnswers(path string) *diagnosticsv1.Check {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return failed("socket", "Start hearthd: the one that made the socket has gone.", "nobody answers at %s: %v", path, err)
	}
	conn.Close()
	return warned("socket", "Wait for its start to end, and read its log.", "somebody answers at %s, but not as hearthd does", path)
}

// doorHere looks for the log of the front door, which lies beside the daemon's socket and outlives the daemon.
func doorHere(socket string) *diagnosticsv1.Check {
	if real, err := filepath.EvalSymlinks(socket); err == nil {
		socket = real
	} else if target, err := os.Readlink(socket); err == nil {
		socket = target
	}
	path := filepath.Join(filepath.Dir(socket), "door.log")
	raw, err := os.ReadFile(path)
	if err != nil {
		return &diagnosticsv1.Check{Name: "door-log", Result: diagnosticsv1.Check_RESULT_SKIP, Detail: "there is no log of a front door beside the socket"}
	}
	lines := strings.Split(strings.TrimSpace(string(raw[max(0, len(raw)-4096):])), "\n")
	return ok("door-log", "the last line of %s: %s", path, printable(lines[len(lines)-1]))
}
