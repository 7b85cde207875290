package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a terminal of so many columns: what is written to one end can be read at the other.
func terminal(t *testing.T, columns uint16) (near, far *os.File) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs /dev/ptmx: %v", err)
	}
	t.Cleanup(func() { near.Close() })
	if err := unix.IoctlSetPointerInt(int(near.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	if err := unix.IoctlSetWinsize(int(far.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func TestTableFitsTheTerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	const columns = 60
	long := strings.Repeat("the disk is nearly full ", 20)
	address := "https://a-very-long-name-of-a-service.example.internal:62933/with/a/path"
	head := []string{"check", "result", "name", "message", "address"}
	rows := func() [][]string {
		return [][]string{{"disk", "failure", "日本語 " + long, long, ""}, {"page", "success", "Page", "", ""}}
	}
	near, far := terminal(t, columns)
	a := newTestApp()
	a.Out = far
	if err := a.table(head[:4:4], [][]string{rows()[0][:4], rows()[1][:4]}); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(near)
	for range 3 {
		if !scan.Scan() {
			t.Fatal(scan.Err())
		}
		line := strings.TrimRight(scan.Text(), "\r")
		if width(line) > columns {
			t.Errorf("%d columns: %s", width(line), line)
		}
		if strings.HasPrefix(line, "disk") && strings.Count(line, "…") != 2 {
			t.Errorf("nothing tells that texts were cut: %s", line)
		}
	}
	// Ids and addresses stay whole whatever becomes of the line.
	whole := rows()
	whole[0][4] = address
	if err := a.table([]string{"check", "result", "name", "message", "address"}, whole); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if !scan.Scan() {
			t.Fatal(scan.Err())
		}
		if line := scan.Text(); strings.HasPrefix(line, "disk") && !strings.Contains(line, address) {
			t.Errorf("the address was cut: %s", line)
		}
	}
	// Who pipes it gets all.
	var out strings.Builder
	a.Out = &out
	if err := a.table([]string{"check", "result", "name", "message", "address"}, rows()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), long) || strings.Contains(out.String(), "…") {
		t.Errorf("what goes into a pipe was cut: %s", out.String())
	}
}

func TestProgressFitsTheTerminal(t *testing.T) {
	for columns, want := range map[uint16]string{
		30: " 50% 14.3 MiB of 28.5 MiB, 2.",
		41: " 50% 14.3 MiB of 28.5 MiB, 2.5 MiB/s",
		48: " 50% verifying  14.3 MiB of 28.5 MiB, 2.5 MiB/s",
		57: "████░░░░  50% verifying  14.3 MiB of 28.5 MiB, 2.5 MiB/s",
		52: " 50% verifying  14.3 MiB of 28.5 MiB, 2.5 MiB/s",
		80: "████████████░░░░░░░░░░░░  50% verifying  14.3 MiB of 28.5 MiB, 2.5 MiB/s",
	} {
		near, far := terminal(t, columns)
		a := newTestApp()
		a.Err = far
		a.newProgress().set("verifying", 0.5, "14.3 MiB of 28.5 MiB, 2.5 MiB/s")
		far.WriteString("\n")
		scan := bufio.NewScanner(near)
		if !scan.Scan() {
			t.Fatal(scan.Err())
		}
		line := strings.TrimRight(scan.Text(), "\r")
		line = strings.TrimPrefix(line, "\r\x1b[K")
		if width(line) >= int(columns) || !strings.HasPrefix(line, want) {
			t.Errorf("%d columns: %q", columns, line)
		}
	}
}
