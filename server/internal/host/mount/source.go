package mount

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/idmap"
)

// Bind shows a file or folder of the host a second time.
type Bind struct {
	// Path is a path that only the host can shape.
	Path string
	// Sub continues below Path through folders that a container may have shaped; empty for Path itself.
	Sub string
	// Recursive takes along what is mounted below.
	Recursive bool
}

func (b Bind) String() string {
	if b.Sub == "" {
		return b.Path
	}
	return b.Path + " (" + b.Sub + ")"
}

func (b Bind) source() (*os.File, error) {
	f, err := OpenBeneath(b.Path, b.Sub)
	if err != nil {
		return nil, fmt.Errorf("cannot open mount source %s: %w", b, err)
	}
	return f, nil
}

func (b Bind) open(*Mounter) (*os.File, error) {
	src, err := b.source()
	if err != nil {
		return nil, err
	}
	defer src.Close()
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH)
	if b.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(int(src.Fd()), "", flags)
	if err != nil {
		return nil, fmt.Errorf("cannot clone mount of %s: %w", b, err)
	}
	return os.NewFile(uintptr(fd), b.String()), nil
}

func (b Bind) isFile() (bool, error) {
	src, err := b.source()
	if err != nil {
		return false, err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return false, fmt.Errorf("cannot inspect mount source %s: %w", b, err)
	}
	return !st.IsDir(), nil
}

func (b Bind) is(i Info, m idmap.Map) (bool, error) {
	src, err := b.source()
	if err != nil {
		return false, err
	}
	defer src.Close()
	var want, have unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &want); err != nil {
		return false, fmt.Errorf("cannot inspect mount source %s: %w", b, err)
	}
	if err := unix.Lstat(i.Path, &have); err != nil {
		return false, fmt.Errorf("cannot inspect mount %s: %w", i.Path, err)
	}
	return want.Dev == have.Dev && want.Ino == have.Ino && translated(want.Uid, m) == have.Uid && translated(want.Gid, m) == have.Gid, nil
}

const overflowID = 65534

// translated is how the owner id of a file appears through m.
func translated(id uint32, m idmap.Map) uint32 {
	if !m.Valid() {
		return id
	}
	if host, ok := m.Host(id); ok {
		return host
	}
	return overflowID
}

// Overlay stacks a writable folder over read-only ones. The upper folder belongs to whoever made the overlay: its files
// have the container's ids of the host, untranslated, so it holds only what may be thrown away.
type Overlay struct {
	// Lower are the read-only layers, topmost first.
	Lower []string
	// Upper and Work are created if missing; they lie on one file system that is no overlay itself. Reusing an Upper
	// with other Lower layers gives undefined content, so the caller empties it when an image changes.
	Upper, Work string
	// Owner is the host's id of the container's root; Upper is given to it before the mount, since the attributes of
	// the merged root are read then.
	Owner uint32
}

func (v Overlay) String() string { return "overlay of " + strings.Join(v.Lower, ", ") }

func (v Overlay) isFile() (bool, error) { return false, nil }

// params are the mount's parameters in order; the kernel takes no value above 255 bytes.
func (v Overlay) params() ([][2]string, error) {
	var p [][2]string
	for _, l := range v.Lower {
		p = append(p, [2]string{"lowerdir+", l})
	}
	p = append(p, [2]string{"upperdir", v.Upper}, [2]string{"workdir", v.Work})
	for _, kv := range p {
		if len(kv[1]) > 255 || !strings.HasPrefix(kv[1], "/") || strings.ContainsAny(kv[1], ",:\\\n") {
			return nil, fmt.Errorf("cannot use %q as %s: %w", kv[1], kv[0], ErrUnsafePath)
		}
	}
	return p, nil
}

func (v Overlay) open(*Mounter) (*os.File, error) {
	params, err := v.params()
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{v.Upper, v.Work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("cannot create overlay folder: %w", err)
		}
	}
	if err := os.Chmod(v.Upper, 0o755); err != nil {
		return nil, fmt.Errorf("cannot prepare overlay folder: %w", err)
	}
	if err := os.Lchown(v.Upper, int(v.Owner), int(v.Owner)); err != nil {
		return nil, fmt.Errorf("cannot prepare overlay folder: %w", err)
	}
	return newFilesystem("overlay", params)
}

func (v Overlay) is(i Info, _ idmap.Map) (bool, error) {
	if i.FSType != "overlay" {
		return false, nil
	}
	var lower []string
	have := map[string]string{}
	for _, opt := range strings.Split(i.SuperOptions, ",") {
		k, val, _ := strings.Cut(opt, "=")
		if k == "lowerdir+" {
			lower = append(lower, val)
		} else {
			have[k] = val
		}
	}
	if len(lower) == 0 {
		lower = strings.Split(have["lowerdir"], ":")
	}
	return strings.Join(lower, "\n") == strings.Join(v.Lower, "\n") && have["upperdir"] == v.Upper && have["workdir"] == v.Work, nil
}

// Tmpfs is an empty file system in memory.
type Tmpfs struct {
	// Bytes bounds its content, Files, unless it is 0, how many files, folders and sockets there may be.
	Bytes, Files int64
	Mode         uint32
	// Owner is the host's id of the owner of its root.
	Owner uint32
}

func (t Tmpfs) String() string { return "tmpfs" }

func (t Tmpfs) isFile() (bool, error) { return false, nil }

func (t Tmpfs) open(*Mounter) (*os.File, error) {
	params := [][2]string{
		{"size", fmt.Sprint(t.Bytes)}, {"mode", fmt.Sprintf("%o", t.Mode)},
		{"uid", fmt.Sprint(t.Owner)}, {"gid", fmt.Sprint(t.Owner)},
	}
	if t.Files > 0 {
		params = append(params, [2]string{"nr_inodes", fmt.Sprint(t.Files)})
	}
	return newFilesystem("tmpfs", params)
}

func (t Tmpfs) is(i Info, _ idmap.Map) (bool, error) { return i.FSType == "tmpfs", nil }

// newFilesystem makes a detached mount of a new file system. A parameter with an empty value is a flag.
func newFilesystem(fstype string, params [][2]string) (*os.File, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot mount %s: %w", fstype, err)
	}
	defer unix.Close(fs)
	for _, p := range params {
		if p[1] == "" {
			err = unix.FsconfigSetFlag(fs, p[0])
		} else {
			err = unix.FsconfigSetString(fs, p[0], p[1])
		}
		if err != nil {
			return nil, fmt.Errorf("cannot mount %s: %s %s: %w", fstype, p[0], p[1], kernelSays(fs, err))
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("cannot mount %s: %w", fstype, kernelSays(fs, err))
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot mount %s: %w", fstype, kernelSays(fs, err))
	}
	return os.NewFile(uintptr(fd), fstype), nil
}

// kernelSays adds the messages the kernel left on a file system context to err.
func kernelSays(fs int, err error) error {
	errs := []error{err}
	buf := make([]byte, 1024)
	for range 8 {
		n, rerr := unix.Read(fs, buf)
		if rerr != nil || n <= 2 {
			break
		}
		errs = append(errs, errors.New(strings.TrimSpace(string(buf[2:n]))))
	}
	if len(errs) == 1 {
		return err
	}
	return fmt.Errorf("%w (%w)", err, errors.Join(errs[1:]...))
}
