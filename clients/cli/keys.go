package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hearthos/hearth/api/sign"
	"github.com/spf13/cobra"
)

// defaultKey is where the packager's key is.
func defaultKey() string {
	if path := os.Getenv("HEARTH_KEY"); path != "" {
		return path
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "developer.key.pem"
	}
	return filepath.Join(dir, "hearth", "developer.key.pem")
}

func (a *app) keysCommand() *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "The key package files are signed with"}
	var path string
	init := &cobra.Command{
		Use: "init", Short: "Make the key, or keep the one that is there", Args: cobra.NoArgs,
		Example: "  hearth keys init",
		RunE: func(*cobra.Command, []string) error {
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
			key, err := sign.LoadKey(path)
			if err != nil {
				return err
			}
			return a.printKey(path, key)
		},
	}
	for _, cmd := range []*cobra.Command{init, show} {
		cmd.Flags().StringVar(&path, "key", defaultKey(), "file of the key; $HEARTH_KEY")
	}
	c.AddCommand(init, show)
	return c
}

func (a *app) printKey(path string, key sign.PrivateKey) error {
	if a.rows() {
		return a.printRow(map[string]any{"file": path, "publicKey": key.Public().PEM()})
	}
	fmt.Fprintf(a.Out, "%s\n%s", path, key.Public().PEM())
	return nil
}
