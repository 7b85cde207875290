package image

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Recipe is a Dockerfile to build an image from. Paths are within Dir, the folder of the project.
type Recipe struct {
	Dir, Workdir, Dockerfile string
	// Args are NAME=value.
	Args []string
	// Engine is the program that builds, one of Engines; "" takes the first there is.
	Engine string
}

// Engines are the programs that can build, in the order in which they are looked for.
func Engines() []string { return []string{"podman", "buildah", "docker"} }

func (r Recipe) engine() (string, error) {
	candidates := Engines()
	if r.Engine != "" {
		candidates = []string{r.Engine}
	}
	for _, program := range candidates {
		if _, err := exec.LookPath(program); err == nil {
			return program, nil
		}
	}
	return "", noProgram("cannot build an image from its Dockerfile: none of %s is installed", strings.Join(candidates, ", "))
}

// build has an engine build the image and reads the archive it saves. done removes the archive; the image stays with the engine,
// whose cache makes the next build quick.
func (r Recipe) build(ctx context.Context, arch, scratch string) (*Image, func(), error) {
	none := func() {}
	engine, err := r.engine()
	if err != nil {
		return nil, none, err
	}
	idFile, archive := filepath.Join(scratch, "built.id"), filepath.Join(scratch, "built.tar")
	done := func() { _ = os.Remove(idFile); _ = os.Remove(archive) }
	p := platform(arch)
	args := []string{"build", "--platform", p.OS + "/" + p.Architecture, "--iidfile", idFile, "--build-arg", "ARCH=" + arch}
	for _, arg := range r.Args {
		args = append(args, "--build-arg", arg)
	}
	workdir := filepath.Join(r.Dir, r.Workdir)
	dockerfile := filepath.Join(workdir, "Dockerfile")
	if r.Dockerfile != "" {
		dockerfile = filepath.Join(r.Dir, r.Dockerfile)
	}
	if _, err := os.Stat(dockerfile); err != nil {
		return nil, none, missing(dockerfile, err)
	}
	if engine == "buildah" {
		args = append(args, "--layers") // so that the same again is the same image, and not another one
	}
	if err := run(ctx, engine, append(args, "-f", dockerfile, workdir)...); err != nil {
		return nil, done, err
	}
	raw, err := os.ReadFile(idFile)
	if err != nil {
		return nil, done, err
	}
	id := strings.TrimSpace(string(raw))
	save := []string{"save", "-o", archive, id}
	switch engine {
	case "podman":
		save = []string{"save", "--format", "docker-archive", "-o", archive, id}
	case "buildah":
		save = []string{"push", id, "docker-archive:" + archive}
	}
	if err := run(ctx, engine, save...); err != nil {
		return nil, done, err
	}
	i, err := fromArchiveFile(archive, "", arch)
	return i, done, err
}

// run runs an engine; when it does not succeed the end of what it said is told.
func run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	var text tail
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("cannot build the image: %s %s: %w\n%s", program, args[0], err, bytes.TrimSpace(text.last))
	}
	return nil
}

// tail keeps the last of what is written.
type tail struct{ last []byte }

// Write keeps the last 4 KiB.
func (t *tail) Write(p []byte) (int, error) {
	t.last = append(t.last, p...)
	if extra := len(t.last) - 4096; extra > 0 {
		t.last = append(t.last[:0], t.last[extra:]...)
	}
	return len(p), nil
}
