package artifact

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/legacy"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/hostcmd"
)

// Converter makes a package file of today's format of one of the first, for one architecture, signed with the key in a file.
// It verifies all of the old one. What it needs of the disk beside the new file it takes in that one's folder.
type Converter func(ctx context.Context, from, to, architecture, key string) error

// ByProgram converts by the command line's own program: what reads foreign archives ends with it, whatever they make of it.
func ByProgram(path string) Converter {
	return func(ctx context.Context, from, to, architecture, key string) error {
		// Its output and its messages are for programs and not for people of another language.
		out, err := hostcmd.Output(ctx, hostcmd.Cmd{
			Path: path, Args: []string{"s9pk", "convert", from, "--out", to, "--arch", architecture, "--key", key, "--output", "json"},
			Env: []string{"TMPDIR=" + filepath.Dir(to)},
		})
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if failed, ok := errors.AsType[*hostcmd.Error](err); ok && failed.ExitCode > 0 {
			return fault.New(metav1.Reason_REASON_PACKAGE_CONVERSION, "the package file of StartOS 0.3 cannot be converted: %s", failed.Stderr).With("output", string(out))
		}
		return err
	}
}

// Convert makes of a claimed file of the first format one of today's, which takes its place; a file of today's format stays as it
// is. Repeating it is harmless, also after a crash at any point: until the new file is whole the old one is claimed, and
// afterwards the new one is found by its name.
func (k *Keeper) Convert(ctx context.Context, operation string) error {
	if row, err := k.recorded(operation); row != nil || err != nil {
		return err // taken already
	}
	made := filepath.Join(k.converting(operation), "converted.s9pk")
	whole := filepath.Join(k.fetching(), operation+".converted")
	if _, err := os.Stat(whole); errors.Is(err, fs.ErrNotExist) {
		f, size, err := k.open(operation)
		if err != nil {
			return err
		}
		defer f.Close()
		if !legacy.Is(f) {
			return nil
		}
		if err := k.convert(ctx, f, size, made, whole); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return k.replaceBy(operation, whole)
}

// converting is where a file is made for an operation.
func (k *Keeper) converting(operation string) string {
	return filepath.Join(k.fetching(), operation+".converting")
}

// convert makes the file in a folder of its own, and gives it the name by which it is known to be whole.
func (k *Keeper) convert(ctx context.Context, old *os.File, size int64, made, whole string) error {
	dir := filepath.Dir(made)
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	_, file, err := k.describeOld(old, size)
	if err != nil {
		return err
	}
	key, err := k.signerFor(file.Signer())
	if err != nil {
		return err
	}
	keyFile := filepath.Join(dir, "key.pem")
	if err := key.Save(keyFile); err != nil {
		return err
	}
	if err := k.converter(ctx, old.Name(), made, k.architecture, keyFile); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	f, err := os.Open(made)
	if err != nil {
		return fmt.Errorf("cannot find what was converted: %w", err)
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), os.Chmod(made, 0o600), os.Rename(made, whole), atomicfile.SyncDir(k.fetching())); err != nil {
		return fmt.Errorf("cannot keep what was converted: %w", err)
	}
	return os.RemoveAll(dir)
}

// replaceBy puts a file that is whole in the place of what an operation has claimed.
func (k *Keeper) replaceBy(operation, whole string) error {
	info, err := os.Stat(whole)
	if err != nil {
		return err
	}
	if path, _, err := k.find(operation); err == nil { // not done before a crash
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if err := os.Rename(whole, filepath.Join(k.claimed(), fmt.Sprintf("%s.%d", operation, info.Size()))); err != nil {
		return err
	}
	return errors.Join(atomicfile.SyncDir(k.claimed()), atomicfile.SyncDir(k.fetching()))
}

// secretSize is the length of what the keys of converted files are made of.
const secretSize = 32

// signerFor is the key with which files are signed that are converted of those of a signer: the server's own for each, so that
// a file signed by somebody else is told from them after the conversion as before.
func (k *Keeper) signerFor(signer sign.PublicKey) (sign.PrivateKey, error) {
	path := filepath.Join(k.dir, "conversion.secret")
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, secretSize)
		_, _ = rand.Read(secret) // never fails
		err = atomicfile.Ensure(path, secret, 0o600)
	}
	if err == nil && len(secret) != secretSize {
		err = fmt.Errorf("%s has %d bytes and should have %d", path, len(secret), secretSize)
	}
	if err != nil {
		return sign.PrivateKey{}, fmt.Errorf("cannot sign what is converted: %w", err)
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write(signer[:])
	return sign.FromSeed([32]byte(mac.Sum(nil))), nil
}

// describeOld tells what a file of the first format will be when it is converted. It has no id before, and nothing of it is
// verified.
func (k *Keeper) describeOld(r io.ReaderAt, size int64) (*packagesv1.Artifact, *legacy.File, error) {
	file, err := legacy.Open(r, size)
	if err != nil {
		return nil, nil, refusal(err)
	}
	if err := k.runsImagesOf(file); err != nil {
		return nil, nil, err
	}
	m, err := file.Manifest().Convert([]string{k.architecture}, file.Manifest().SystemImages()...)
	if err != nil {
		return nil, nil, refusal(err)
	}
	raw, err := m.Encode()
	if err != nil {
		return nil, nil, err
	}
	key, err := k.signerFor(file.Signer())
	if err != nil {
		return nil, nil, err
	}
	return &packagesv1.Artifact{
		Meta: &metav1.Meta{},
		Spec: &packagesv1.ArtifactSpec{
			PackageId: string(m.ID), Version: m.Version.String(), Title: m.Title, Description: m.Description.Short.In("en_US"),
			Size: uint64(size), Signer: key.Public().PEM(), Manifest: raw, Architecture: k.architecture,
		},
	}, file, nil
}

// inspectOld is inspect for a file of the first format.
func (k *Keeper) inspectOld(f *os.File, size int64) (*packagesv1.Artifact, *packagesv1.Document, error) {
	art, file, err := k.describeOld(f, size)
	if err != nil {
		return nil, nil, err
	}
	icon := &packagesv1.Document{Kind: packagesv1.Document_KIND_ICON}
	name := file.Manifest().IconName()
	if content, err := file.ReadSection(legacy.SectionIcon, MaxDocument); err == nil && len(content) > 0 {
		icon.MediaType, icon.Content = s9pk.IconType(name), content
	}
	return art, icon, nil
}

// runsImagesOf refuses a file that has images, and none for this machine.
func (k *Keeper) runsImagesOf(file *legacy.File) error {
	tags, err := file.Manifest().ImageTags()
	if err != nil || len(tags) == len(file.Manifest().SystemImages()) {
		return refusal(err)
	}
	archives, err := file.Archives()
	if err != nil {
		return refusal(err)
	}
	able := file.Manifest().Hardware.Arch
	if _, there := archives[k.architecture]; there && (able == nil || slices.Contains(able, k.architecture)) {
		return nil
	}
	return refusal(&s9pk.Error{Reason: s9pk.ArchUnsupported, Why: "it is not for " + k.architecture + " or has no images for it"})
}

// NeedsConversion tells whether a description is that of a file of the first format.
func (k *Keeper) NeedsConversion(art *packagesv1.Artifact) bool { return art.GetMeta().GetId() == "" }
