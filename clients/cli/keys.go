package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hearthos/hearth/api/sign"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// defaultKey is where the packager's key is; "" when that is not known, since there is no home.
func defaultKey() string {
	if path := os.Getenv("HEARTH_KEY"); path != "" {
		return path
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "hearth", "developer.key.pem")
}

// keyFlag adds the flag that names a key. It is empty where nothing was said; help shows where the key is then.
func keyFlag(flags *pflag.FlagSet, said *string, usage string) {
	const name = "key"
	flags.StringVar(said, name, "", usage)
	flags.Lookup(name).DefValue = defaultKey()
}

// keyPath is where the key is: in the file said, in that of $HEARTH_KEY, in that of the project, in the person's own. It refuses
// to guess: in the folder at hand a key would end up in somebody's project.
func (a *app) keyPath(said string) (string, error) {
	if said == "" {
		said = os.Getenv("HEARTH_KEY")
	}
	if said != "" {
		return said, nil
	}
	p, err := a.projectFile()
	if err != nil {
		return "", err
	}
	if p != nil && p.Key != "" {
		return p.key()
	}
	path := defaultKey()
	if path == "" {
		return "", wrong("usage.key-path")
	}
	return path, nil
}

func (a *app) keysCommand() *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "The key package files are signed with"}
	var path string
	init := &cobra.Command{
		Use: "init", Short: "Make the key, or keep the one that is there", Args: cobra.NoArgs,
		Example: "  hearth keys init",
		RunE: func(*cobra.Command, []string) error {
			path, err := a.keyPath(path)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return err
			}
			key, err := sign.LoadOrCreateKey(path, rand.Reader)
			if err != nil {
				return err
			}
			return a.printKey(path, key)
		},
	}
	show := &cobra.Command{
		Use: "show", Short: "Show the public key", Args: cobra.NoArgs,
		Example: "  hearth keys show",
		RunE: func(*cobra.Command, []string) error {
			path, err := a.keyPath(path)
			if err != nil {
				return err
			}
			key, err := a.loadKey(path)
			if err != nil {
				return err
			}
			return a.printKey(path, key)
		},
	}
	take := &cobra.Command{
		Use: "import FILE", Short: "Take over a key that is in another file", Args: cobra.ExactArgs(1),
		Long: `Take over a private key that is in another file, or - for standard input: an Ed25519 key as
PEM (PKCS#8), the form of the developer key of StartOS. A key that is there is kept.`,
		Example: "  hearth keys import ~/.startos/developer.key.pem",
		RunE:    func(_ *cobra.Command, args []string) error { return a.importKey(args[0], path) },
	}
	for _, cmd := range []*cobra.Command{init, show, take} {
		keyFlag(cmd.Flags(), &path, "file of the key; $HEARTH_KEY, else that of hearth.yaml")
	}
	c.AddCommand(init, show, take)
	return c
}

func (a *app) importKey(from, path string) error {
	path, err := a.keyPath(path)
	if err != nil {
		return err
	}
	in := a.In
	if from != "-" {
		f, err := openFile(from)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 64<<10))
	if err != nil {
		return unable("failed.read", err, "Name", from)
	}
	key, err := sign.ParsePrivateKey(string(text))
	if err != nil {
		return err
	}
	err = key.Save(path)
	if errors.Is(err, fs.ErrExist) {
		old, loadErr := sign.LoadKey(path)
		if errors.Is(loadErr, fs.ErrNotExist) {
			return unable("failed.key-link", nil, "Path", path)
		}
		if loadErr != nil || old.Public() != key.Public() {
			return occupied{worded{"usage.key-there", map[string]any{"Path": path}}}
		}
		err = nil
	}
	if err != nil {
		return err
	}
	return a.printKey(path, key)
}

func (a *app) printKey(path string, key sign.PrivateKey) error {
	if a.rows() {
		return a.printRow(map[string]any{"file": path, "publicKey": key.Public().PEM()})
	}
	_, err := fmt.Fprintf(a.Out, "%s\n%s", path, key.Public().PEM())
	return err
}
