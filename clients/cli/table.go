package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// table prints rows with aligned columns; the head is in capitals. Heads and states are in the person's language. On a terminal columns of states are painted, and texts
// that would make a line wrap are cut; who wants them whole pipes the table, or asks for JSON.
func (a *app) table(head []string, rows [][]string) error {
	widths := make([]int, len(head))
	shown := make([]string, len(head))
	for i, h := range head {
		shown[i] = strings.ToUpper(a.worded("head." + h))
	}
	tones := make([][]tone, len(rows)) // by the words of the contract, before they are translated
	for n, row := range rows {
		tones[n] = make([]tone, len(row))
		for i, cell := range row {
			if stateful(head[i]) {
				tones[n][i], row[i] = toneOf(cell), a.worded("word."+cell)
			}
		}
	}
	all := append([][]string{shown}, rows...)
	for _, row := range all {
		for i := range row {
			row[i] = printable(row[i])
			widths[i] = max(widths[i], width(row[i]))
		}
	}
	if isTerminal(a.Out) {
		fit(head, all, widths, columns(a.Out))
	}
	for n, row := range all {
		var line strings.Builder
		last := len(row) - 1
		for last > 0 && row[last] == "" {
			last--
		}
		for i, cell := range row[:last+1] {
			shown := cell
			if n > 0 {
				shown = a.paint(a.Out, tones[n-1][i], cell)
			}
			line.WriteString(shown)
			if i < last {
				line.WriteString(strings.Repeat(" ", widths[i]-width(cell)+gap))
			}
		}
		if _, err := fmt.Fprintln(a.Out, line.String()); err != nil {
			return err
		}
	}
	return nil
}

// worded is a word of a table in the person's language; one that the catalogue does not have stays.
func (a *app) worded(key string) string {
	if s, ok := a.texts.Lookup(strings.ReplaceAll(key, " ", "-"), nil); ok {
		return s
	}
	_, word, _ := strings.Cut(key, ".")
	return word
}

// gap is between two columns, least is what of a text stays however narrow the terminal is.
const gap, least = 2, 8

// prose tells whether a column holds texts, which can be cut. Ids and addresses are copied from a table, so they are not.
func prose(head string) bool {
	return slices.Contains([]string{"agent", "detail", "fault", "message", "name", "reason", "summary", "title"}, head)
}

// fit cuts the texts of rows, and widths with them, until a line has room in so many columns: the widest gives first.
func fit(head []string, rows [][]string, widths []int, room int) {
	over := gap*(len(widths)-1) - room
	for _, w := range widths {
		over += w
	}
	for ; over > 0; over-- {
		widest := -1
		for i, w := range widths {
			if prose(head[i]) && w > least && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	for _, row := range rows {
		for i := range row {
			if width(row[i]) > widths[i] {
				row[i] = narrow().Truncate(row[i], widths[i], "…")
			}
		}
	}
}

// width is how many columns of a terminal a text takes: two for a wide character, none for one that joins the one before.
func width(s string) int { return narrow().StringWidth(s) }

// narrow measures characters whose width depends on the font as narrow ones, as terminals do outside of East Asia.
func narrow() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

// cut shortens a text to so many columns. A line of progress that wraps could not be drawn over.
func cut(s string, n int) string { return narrow().Truncate(s, max(n, 0), "") }

// tone is a colour that means something.
type tone string

const (
	plain  tone = ""
	red    tone = "31"
	green  tone = "32"
	yellow tone = "33"
)

// stateful tells whether a column holds states.
func stateful(head string) bool {
	return slices.Contains([]string{"state", "result", "available", "severity"}, head)
}

// toneOf is the colour of a state: what is well, what is under way, what is not well.
func toneOf(state string) tone {
	switch state {
	case "running", "succeeded", "success", "done", "ok", "yes", "connected":
		return green
	case "failed", "failure", "critical", "error", "undone", "no":
		return red
	case "starting", "stopping", "restarting", "pending", "undoing", "loading", "waiting", "important", "warning", "warn", "cancelled":
		return yellow
	}
	return plain
}

// paint colours a text where it is shown on a terminal and the person has not said no.
func (a *app) paint(stream any, t tone, s string) string {
	if t == plain || s == "" || !a.colours(stream) {
		return s
	}
	return "\x1b[" + string(t) + "m" + s + "\x1b[0m"
}

// colours tells whether a stream shows colours: a terminal, without NO_COLOR (https://no-color.org).
func (a *app) colours(stream any) bool {
	return obeys(stream) && os.Getenv("NO_COLOR") == ""
}
