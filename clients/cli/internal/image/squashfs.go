package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Options say how an image is written. Scratch is a folder for copies of compressed layers, on a disk. Progress, when it
// is there, is told how many of the image's bytes went into the squashfs.
type Options struct {
	Scratch  string
	Progress func(done, total int64)
}

// Flags make a squashfs that depends on nothing but the files in it.
func Flags() []string {
	return []string{"-noappend", "-quiet", "-no-progress", "-exit-on-error", "-comp", "zstd", "-Xcompression-level", "9", "-mkfs-time", "0", "-all-time", "0"}
}

// Write makes the squashfs of an image.
func (i *Image) Write(ctx context.Context, out string, o Options) error {
	defer i.removeCopies(o.Scratch)
	t, layers, err := i.index(ctx, o.Scratch)
	if err != nil {
		return err
	}
	root := t.root.header
	if root == nil {
		root = &tar.Header{Mode: 0o755}
	}
	if min(root.Uid, root.Gid) < 0 || max(int64(root.Uid), int64(root.Gid)) >= math.MaxUint32 {
		return malformed("its root folder belongs to %d:%d, whom there cannot be", root.Uid, root.Gid)
	}
	args := append([]string{"-", out, "-tar", "-root-mode", strconv.FormatInt(root.Mode, 8)}, Flags()...)
	cmd := mksquashfs(ctx, args)
	runAs(cmd, root.Uid, root.Gid)
	return feed(cmd, func(_ int, w io.Writer) error { return t.emit(ctx, w, layers, o.Progress) })
}

// index is the first pass over all layers. It answers them as the second pass reads them.
func (i *Image) index(ctx context.Context, scratch string) (*tree, []layer, error) {
	if len(i.layers) > MaxLayers {
		return nil, nil, tooLarge("it has more than %d layers", MaxLayers)
	}
	t := newTree(i.layered)
	layers := make([]layer, len(i.layers))
	budget := int64(MaxBytes)
	for n, l := range i.layers {
		var err error
		if layers[n], err = t.index(ctx, l, n, &budget, i.copyOf(n, scratch)); err != nil {
			return nil, nil, err
		}
	}
	return t, layers, nil
}

func (i *Image) removeCopies(scratch string) {
	for n := range i.layers {
		if name := i.copyOf(n, scratch); name != "" {
			_ = os.Remove(name)
		}
	}
}

// copyOf names the file in which a layer is kept uncompressed between the two passes; "" when it needs none.
func (i *Image) copyOf(n int, scratch string) string {
	if i.local {
		return ""
	}
	return filepath.Join(scratch, fmt.Sprintf("layer-%d.tar", n))
}

// mksquashfs is the program about to be run.
func mksquashfs(ctx context.Context, args []string) *exec.Cmd {
	// By itself it takes a quarter of the machine's memory for what waits; the result is the same with this.
	cmd := exec.CommandContext(ctx, "mksquashfs", append(args, "-mem", "32M")...)
	// It takes its times from the flags and refuses to do so when the environment has one, too.
	cmd.Env = append(withoutEpoch(os.Environ()), "LC_ALL=C")
	return cmd
}

// feed runs mksquashfs; input, when it is there, writes the standard input of the process.
func feed(cmd *exec.Cmd, input func(pid int, w io.Writer) error) error {
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	var in io.WriteCloser
	if input != nil {
		var err error
		if in, err = cmd.StdinPipe(); err != nil {
			return err
		}
	}
	if err := cmd.Start(); err != nil {
		switch {
		case errors.Is(err, exec.ErrNotFound):
			return noProgram("cannot pack: the program mksquashfs is not installed; it is in the package squashfs-tools")
		case refused(cmd, err):
			return fmt.Errorf("cannot pack: the owner of the image's root folder needs a user namespace, which this machine refuses; pack as root: %w", err)
		}
		return err
	}
	var fed error
	if input != nil {
		if fed = input(cmd.Process.Pid, in); fed != nil {
			_ = cmd.Process.Kill()
		}
		_ = in.Close()
	}
	err := cmd.Wait()
	// What it says is told before that nobody read on, which is only what follows from it.
	if fed != nil && !errors.Is(fed, syscall.EPIPE) {
		return fed
	}
	if err != nil {
		return fmt.Errorf("cannot pack: mksquashfs: %w: %s", err, strings.TrimSpace(text.String()))
	}
	return fed
}

func withoutEpoch(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "SOURCE_DATE_EPOCH=") {
			out = append(out, e)
		}
	}
	return out
}

// index reads a layer's headers into the tree and holds its bytes against their digest. It answers the layer as it is
// read the second time: the copy, when there is a name for one.
func (t *tree) index(ctx context.Context, l layer, n int, budget *int64, copyName string) (layer, error) {
	in, err := l.open()
	if err != nil {
		return l, err
	}
	defer in.Close()
	if seeker, ok := in.(io.ReadSeeker); ok && copyName == "" && l.digest == "" {
		return l, t.headers(ctx, seeker, n)
	}
	var sum hash.Hash = sha256.New()
	w := io.Writer(sum)
	var file *os.File
	if copyName != "" {
		if file, err = os.Create(copyName); err != nil {
			return l, err
		}
		defer file.Close()
		w = io.MultiWriter(sum, file)
		l.open = func() (io.ReadCloser, error) { return os.Open(copyName) }
	}
	bounded := &bounded{in: io.TeeReader(in, w), left: budget}
	buffered := bufio.NewReaderSize(bounded, 1<<20)
	if err := t.headers(ctx, buffered, n); err != nil {
		return l, err
	}
	if _, err := io.Copy(io.Discard, buffered); err != nil {
		return l, unreadable(n, err)
	}
	if l.digest != "" && hex.EncodeToString(sum.Sum(nil)) != l.digest {
		return l, malformed("layer %d is not what the image's configuration says", n+1)
	}
	return l, nil
}

func (t *tree) headers(ctx context.Context, in io.Reader, n int) error {
	r := tar.NewReader(in)
	for entry := 0; ; entry++ {
		h, err := next(ctx, r, n)
		if h == nil || err != nil {
			return err
		}
		if err := t.add(h, place{n, entry}); err != nil {
			return err
		}
	}
}

// next answers the next header, nil at the end.
func next(ctx context.Context, r *tar.Reader, layer int) (*tar.Header, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h, err := r.Next()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(layer, err)
	}
	return h, nil
}

func unreadable(layer int, err error) error {
	if errors.Is(err, errBudget) {
		return tooLarge("it has more than %d bytes", int64(MaxBytes))
	}
	return malformed("layer %d is no whole tar archive: %v", layer+1, err)
}

var errBudget = errors.New("over the limit")

// bounded ends with an error when all layers together have too much.
type bounded struct {
	in   io.Reader
	left *int64
}

// Read reads.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	if *b.left -= int64(n); *b.left < 0 {
		return n, errBudget
	}
	return n, err
}

// emit writes one tar of what stays: folders, files in the order of the layers, and at the end their further names.
func (t *tree) emit(ctx context.Context, out io.Writer, layers []layer, progress func(done, total int64)) error {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	buffered := bufio.NewWriterSize(out, 1<<20)
	w := tar.NewWriter(buffered)
	dirs, stay := t.finish()
	for _, h := range dirs {
		if err := w.WriteHeader(h); err != nil {
			return malformed("the folder %q: %v", h.Name, err)
		}
	}
	e := emission{tree: t, stay: stay, w: w, progress: progress, block: make([]byte, 1<<20)}
	for _, i := range stay {
		e.total += i.size
	}
	for n, l := range layers {
		if err := e.layer(ctx, l, n); err != nil {
			return err
		}
	}
	for _, link := range e.links {
		for _, name := range link.paths[1:] {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: link.paths[0], Format: tar.FormatPAX}); err != nil {
				return err
			}
		}
	}
	return errors.Join(w.Close(), buffered.Flush())
}

// emission is the second pass.
type emission struct {
	*tree
	stay     map[place]*inode
	w        *tar.Writer
	links    []*inode
	progress func(done, total int64)
	done     int64
	total    int64
	block    []byte
}

func (e *emission) layer(ctx context.Context, l layer, n int) error {
	in, err := l.open()
	if err != nil {
		return err
	}
	defer in.Close()
	r := tar.NewReader(in)
	for entry := 0; ; entry++ {
		h, err := next(ctx, r, n)
		if h == nil || err != nil {
			return err
		}
		i := e.stay[place{n, entry}]
		if i == nil {
			continue
		}
		if err := e.write(ctx, i, h, r); err != nil {
			return err
		}
	}
}

func (e *emission) write(ctx context.Context, i *inode, h *tar.Header, r io.Reader) error {
	out := header(h)
	out.Name = i.paths[0]
	if err := e.w.WriteHeader(out); err != nil {
		return malformed("%q: %v", h.Name, err)
	}
	if len(i.paths) > 1 {
		e.links = append(e.links, i)
	}
	if out.Typeflag != tar.TypeReg {
		return nil
	}
	for left := out.Size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(r, e.block[:min(left, int64(len(e.block)))])
		if err != nil {
			return unreadable(i.at.layer, err)
		}
		if _, err := e.w.Write(e.block[:n]); err != nil {
			return err
		}
		left -= int64(n)
		e.done += int64(n)
		e.progress(e.done, e.total)
	}
	return nil
}
