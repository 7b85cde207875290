package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/s9pk/legacy"
	"github.com/spf13/cobra"
)

func (a *app) s9pkCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "s9pk", Short: "Make package files and look into them",
		Long: `Make package files and look into them.

A FILE is a path, a URL (http or https), or - for standard input. Of a URL only what is
needed is fetched, and whatever is shown was verified against the file's signature, but of
a file of the first format, of which only verify and convert read it all.`,
		Example: `  hearth s9pk inspect https://example.com/hello.s9pk
  hearth s9pk verify hello.s9pk
  hearth s9pk manifest - < hello.s9pk`,
	}
	c.AddCommand(a.packCommand(), a.lintCommand(), a.typesCommand(), a.s9pkPublishCommand(), a.ingredientsCommand(), a.selectCommand(), a.inspectCommand(), a.manifestCommand(), a.membersCommand(), a.catCommand(), a.extractCommand(),
		a.verifyCommand(), a.commitmentCommand(), a.diffCommand(), a.editCommand(), a.signCommand(), a.convertCommand())
	return c
}

// packageFile is an opened package: its bytes, how many they are, and what they hold.
type packageFile struct {
	*s9pk.File
	bytes fetch.File
}

// total is how many bytes its members have, which is about what a copy of it will.
func (p *packageFile) total() (n int64) {
	for e := range p.All() {
		if e.Kind == merkle.File {
			n += e.Size
		}
	}
	return n
}

// sizeText is how large the file is, as far as that is known.
func (p *packageFile) sizeText() string {
	if !p.bytes.Known() {
		return "a stream"
	}
	return sizeText(p.bytes.Size())
}

// openBytes opens a path, a URL or standard input.
func (a *app) openBytes(ctx context.Context, name string) (fetch.File, error) {
	if fetch.IsURL(name) {
		return fetch.Open(ctx, name, fetch.Options{})
	}
	if name != "-" {
		f, err := openFile(name)
		if err != nil {
			return nil, err
		}
		return fromFile(f, name)
	}
	if f, ok := a.In.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return &localFile{f, info.Size()}, nil
		}
	}
	return fetch.NewStream(a.In, -1, "")
}

// localFile is a package file on disk.
type localFile struct {
	*os.File
	size int64
}

// Size is the length of the file when it was opened.
func (f *localFile) Size() int64 { return f.size }

// Known is true.
func (f *localFile) Known() bool { return true }

// fromFile takes over an open file; what is no regular one, as a pipe, is read as a stream.
func fromFile(f *os.File, name string) (fetch.File, error) {
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = unable("failed.not-file", nil, "Name", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if info.Mode().IsRegular() {
		return &localFile{f, info.Size()}, nil
	}
	s, err := fetch.NewStream(f, -1, "")
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &pipe{s, f}, nil
}

// pipe is a package file that arrives through something with a name.
type pipe struct {
	*fetch.Stream
	from *os.File
}

// Close closes what it reads from, too.
func (p *pipe) Close() error { return errors.Join(p.Stream.Close(), p.from.Close()) }

// withPackage opens the package file that a person named, verifies its head, and keeps it open for the time of fn.
func (a *app) withPackage(ctx context.Context, name string, fn func(p *packageFile) error) error {
	return a.withOld(ctx, name, fn, func(*legacy.File, fetch.File) error {
		return &s9pk.Error{Reason: s9pk.OldFormat, Why: "it is in the first S9PK format and must be converted"}
	})
}

// withOld is withPackage for commands that read the first format, too.
func (a *app) withOld(ctx context.Context, name string, fn func(p *packageFile) error, old func(f *legacy.File, bytes fetch.File) error) error {
	file, err := a.openBytes(ctx, name)
	if err != nil {
		return err
	}
	if legacy.Is(file) {
		return errors.Join(openOld(file, old), file.Close())
	}
	f, err := s9pk.Open(file, file.Size(), s9pk.Options{})
	if err == nil {
		err = fn(&packageFile{f, file})
	}
	return errors.Join(err, file.Close())
}

// openOld opens a file of the first format. A stream of unknown length ends where its header says that the last section
// does; no more of it is read than that, and by what looks at the beginning, no more than the beginning.
func openOld(file fetch.File, fn func(f *legacy.File, bytes fetch.File) error) error {
	size := file.Size()
	f, err := legacy.Open(file, size)
	if err != nil {
		return err
	}
	if !file.Known() {
		size = f.End()
		if f, err = legacy.Open(file, size); err != nil {
			return err
		}
	}
	return fn(f, sized{file, size})
}

// sized is a file whose length is known by now.
type sized struct {
	fetch.File
	size int64
}

// Size is the length of the file.
func (s sized) Size() int64 { return s.size }

// print prints a row for programs or, by show, something for people. A row that nothing names is the answer itself and is
// shown with --quiet, too.
func (a *app) print(row any, show func(w io.Writer) error) error {
	if name, err := rowName(row); err != nil || a.rows() && (!a.quiet || name != "") {
		return errors.Join(err, a.printRow(row))
	}
	return show(a.Out)
}
