package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

const (
	// codeLimit is how long a package's code may take to tell what it is asked.
	codeLimit = time.Minute
	// maxObserved bounds what it tells.
	maxObserved = 16 << 20
)

// packageCode is the code of a package that is to be asked something.
type packageCode struct {
	// dir is the folder that has javascript/index.js.
	dir string
	// foreign: it came in a package file, and not from a project of whoever asks.
	foreign bool
	// trusted: it is run with all rights of whoever asks.
	trusted bool
}

func trustFlag(f *pflag.FlagSet, trust *bool) {
	f.BoolVar(trust, "trust-code", false, "run the package's code with all your rights instead of in a cage")
}

// question is a script that asks a package's code. Its arguments are the bundle, the file for the answer, and args.
type question struct {
	script []byte
	args   []string
	env    []string
}

// ask has node run a script that asks the code, and answers what the script wrote. The code is in a cage: a folder that has a copy
// of the code, which is all that it reads and writes. It starts no program, has no sockets of any kind, reaches no
// other process, and is nobody when whoever asks is root.
func (code packageCode) ask(ctx context.Context, q question) ([]byte, error) {
	c, err := newCage(code)
	if err != nil {
		return nil, err
	}
	defer c.remove()
	out, err := os.OpenFile(c.path("answer"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close() // and is read by this descriptor, whatever the code makes of the name
	script := c.path("ask.cjs")
	if err := os.WriteFile(script, q.script, 0o600); err != nil {
		return nil, err
	}
	args := []string{"--no-warnings", "--enable-source-maps", "--max-old-space-size=512"}
	if !code.trusted {
		fence, err := fenceFlag(ctx)
		if err != nil {
			return nil, err
		}
		args = append(args, fence, "--allow-fs-read="+c.path("*"), "--allow-fs-write="+c.path("*"))
	}
	args = append(args, script, filepath.Join(c.code, "javascript", "index.js"), out.Name())
	ctx, cancel := context.WithTimeout(ctx, codeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append(args, q.args...)...)
	cmd.Dir = c.dir
	cmd.Env = append(q.env, "HEARTH_PACKAGE_ROOT="+c.dir)
	said := &tail{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := c.start(cmd, code); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, lookFailed(ctx, strings.ReplaceAll(string(said.last), c.code+"/", c.shown+"/"))
	}
	return io.ReadAll(io.LimitReader(out, maxObserved))
}

// cage is the folder in which code is asked.
type cage struct {
	*scratch
	// code has javascript: a copy, or where it lies when it is trusted.
	code string
	// shown is where it lies.
	shown string
}

func newCage(code packageCode) (*cage, error) {
	place := ""
	if os.Geteuid() == 0 && !code.trusted {
		place = "/tmp" // where nobody gets to it, wherever root has its own temporary files
	}
	shown, err := filepath.Abs(code.dir)
	if err != nil {
		return nil, err
	}
	made, err := newScratch(place)
	if err != nil {
		return nil, err
	}
	c := &cage{scratch: made, code: shown, shown: shown}
	if c.dir, err = filepath.EvalSymlinks(made.dir); err == nil && !code.trusted {
		c.code = c.path("code")
		err = copyPlain(filepath.Join(shown, "javascript"), filepath.Join(c.code, "javascript"))
	}
	if err != nil {
		c.remove()
		return nil, err
	}
	return c, nil
}

// start starts node in the cage.
func (c *cage) start(cmd *exec.Cmd, code packageCode) error {
	if code.trusted {
		return cmd.Start()
	}
	if os.Geteuid() == 0 {
		if err := c.give(nobody); err != nil {
			return err
		}
	}
	if able, err := startCaged(cmd); able {
		return err
	}
	if code.foreign {
		return unable("failed.no-cage", nil)
	}
	return cmd.Start() // a project is one's own work, for which node's fence will do
}

// give makes all that is in the cage somebody's.
func (c *cage) give(uid int) error {
	if err := os.Chmod(c.dir, 0o711); err != nil { //nolint:gosec // what is in it stays its owner's
		return err
	}
	return filepath.WalkDir(c.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() == scratchMark {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
}

// copyPlain copies the folders and plain files of a folder: a link or a device of a package leads out of it.
func copyPlain(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(target, 0o700)
		case e.Type().IsRegular():
			return copyFile(path, target)
		}
		return nil
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
