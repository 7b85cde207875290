package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hearthos/hearth/server/internal/daemon"
	"github.com/hearthos/hearth/server/internal/seal"
	"golang.org/x/term"
)

const keyUsage = `usage: hearthd key recover [--state FOLDER]

Writes the root key's file again when it was lost. Reads the recovery code, or the password
of an owner, from the terminal or from the standard input.
`

// keyCommand carries out "hearthd key ...", for a server that does not run, and answers the exit code.
func keyCommand(args []string, out, errOut io.Writer) int {
	if asksForHelp(args) {
		fmt.Fprint(out, keyUsage)
		return 0
	}
	if len(args) == 0 || args[0] != "recover" {
		fmt.Fprint(errOut, keyUsage)
		return 2
	}
	state := daemon.DefaultConfig().StateDir
	if dir := os.Getenv("HEARTH_STATE"); dir != "" {
		state = dir
	}
	flags := flag.NewFlagSet("hearthd key recover", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() { fmt.Fprint(errOut, keyUsage) }
	flags.StringVar(&state, "state", state, "folder of the server's state; $HEARTH_STATE")
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 {
		return 2
	}
	if err := recoverKey(daemon.KeyDir(state)); err != nil {
		fmt.Fprintln(errOut, err)
		return 1
	}
	return 0
}

func recoverKey(dir string) error {
	secret, err := readSecret()
	if err != nil {
		return err
	}
	name, err := seal.Recover(dir, secret)
	if err != nil {
		return err
	}
	fmt.Printf("%s is back, from the copy %q; hearthd can be started\n", filepath.Join(dir, "root.key"), name)
	return nil
}

// readSecret reads a line without showing it.
func readSecret() (string, error) {
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		fmt.Fprint(os.Stderr, "recovery code or password: ")
		line, err := term.ReadPassword(fd)
		fmt.Fprintln(os.Stderr)
		return string(line), err
	}
	line, err := bufio.NewReader(io.LimitReader(os.Stdin, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("cannot read the recovery code: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
