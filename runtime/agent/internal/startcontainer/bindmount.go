package startcontainer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"unsafe"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// holdNamespace is the argument with which this program calls itself to live in a user namespace.
const holdNamespace = "hold-user-namespace"

const (
	subcontainers = "/media/startos/subcontainers/"
	volumes       = "/media/startos/volumes/"
)

// bind is what bind-mount is asked to do.
type bind struct {
	source, target            string
	recursive, readonly, file bool
	idmap                     []mapping
}

func bindMount(args []string) error {
	var b bind
	var idmaps []string
	set := pflag.NewFlagSet("bind-mount", pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&b.source, "source", "", "folder or file to show")
	set.StringVar(&b.target, "target", "", "where; made if missing")
	set.BoolVar(&b.recursive, "recursive", false, "with what is mounted below")
	set.BoolVar(&b.readonly, "readonly", false, "not to be written through the target")
	set.BoolVar(&b.file, "file", false, "the source is a file")
	set.StringArrayVar(&idmaps, "idmap", nil, "show ids as others, FROM:TO[:COUNT]")
	if err := set.Parse(args); err != nil {
		if err == pflag.ErrHelp {
			fmt.Printf("usage: start-container bind-mount --source S --target T [flags]\n%s", set.FlagUsages())
			return err
		}
		return usageError("bind-mount: %v", err)
	}
	if b.source == "" || b.target == "" || set.NArg() > 0 {
		return usageError("bind-mount: --source and --target are required, and nothing else")
	}
	if len(idmaps) > maxMappings {
		return usageError("bind-mount: %d id maps, at most %d", len(idmaps), maxMappings)
	}
	for _, s := range idmaps {
		m, err := parseMapping(s)
		if err != nil {
			return err
		}
		b.idmap = append(b.idmap, m)
	}
	return b.mount()
}

func (b *bind) mount() error {
	mnt, err := b.clone()
	if b.idmap != nil && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL)) {
		// Only the owner of the file system may map its ids, which for a volume is the host.
		return b.mountByHost(err)
	}
	if err != nil {
		return fmt.Errorf("cannot bind %s: %w", b.source, err)
	}
	defer unix.Close(mnt)
	if b.readonly {
		flags := uint(unix.AT_EMPTY_PATH)
		if b.recursive {
			flags |= unix.AT_RECURSIVE
		}
		if err := unix.MountSetattr(mnt, "", flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("cannot make the bind of %s read-only: %w", b.source, err)
		}
	}
	target, err := b.openTarget(mnt)
	if err != nil {
		return fmt.Errorf("cannot make mount point %s: %w", b.target, err)
	}
	defer unix.Close(target)
	if err := unix.MoveMount(mnt, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fmt.Errorf("cannot bind %s to %s: %w", b.source, b.target, err)
	}
	return nil
}

// clone returns a mount of the source that is nowhere yet, with the ids mapped.
func (b *bind) clone() (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if b.recursive {
		flags |= unix.AT_RECURSIVE
	}
	if b.idmap == nil {
		return unix.OpenTree(unix.AT_FDCWD, b.source, flags)
	}
	extents, err := compose(b.idmap)
	if err != nil {
		return -1, err
	}
	ns, err := userNamespace(extents)
	if err != nil {
		return -1, err
	}
	defer ns.Close()
	// The volume is id-mapped already, by the host. Only open_tree_attr, from Linux 6.15 on, replaces such a map.
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Attr_clr: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}
	mnt, err := openTreeAttr(b.source, flags, &attr)
	if !errors.Is(err, unix.ENOSYS) {
		return mnt, err
	}
	if mnt, err = unix.OpenTree(unix.AT_FDCWD, b.source, flags); err != nil {
		return -1, err
	}
	attr.Attr_clr = 0
	if err := unix.MountSetattr(mnt, "", unix.AT_EMPTY_PATH|flags&unix.AT_RECURSIVE, &attr); err != nil {
		unix.Close(mnt)
		return -1, err
	}
	return mnt, nil
}

// sysOpenTreeAttr has the same number on every architecture.
const sysOpenTreeAttr = 467

func openTreeAttr(name string, flags uint, attr *unix.MountAttr) (int, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	cwd := unix.AT_FDCWD
	fd, _, errno := unix.Syscall6(sysOpenTreeAttr, uintptr(cwd), uintptr(unsafe.Pointer(p)), uintptr(flags),
		uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// openTarget opens the mount point, which it makes if it is missing: a file where the source is one. Below the root of
// a subcontainer, links of its image are followed as the image means them and never lead out.
func (b *bind) openTarget(source int) (int, error) {
	root, rest := "/", path.Clean("/"+b.target)
	if guid, ok := strings.CutPrefix(rest, subcontainers); ok && strings.Contains(guid, "/") {
		guid, rest, _ = strings.Cut(guid, "/")
		root = subcontainers + guid
	}
	rootFD, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(rootFD)
	var st unix.Stat_t
	if err := unix.Fstat(source, &st); err != nil {
		return -1, err
	}
	return makeIn(rootFD, strings.Trim(rest, "/"), !b.file && st.Mode&unix.S_IFMT == unix.S_IFDIR)
}

// makeIn opens name below root, making folders, and at last a folder or a file, as needed.
func makeIn(root int, name string, folder bool) (int, error) {
	open := func(name string) (int, error) {
		return unix.Openat2(root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	}
	if name == "" {
		return open(".")
	}
	fd, err := open(name)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	dir, base := path.Split(name)
	parent, err := makeIn(root, strings.Trim(dir, "/"), true)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if folder {
		err = unix.Mkdirat(parent, base, 0o755)
	} else if fd, err = unix.Openat(parent, base, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644); err == nil {
		unix.Close(fd)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return open(name)
}

// mountByHost asks the host, by the effect mount, for what the kernel refuses us.
func (b *bind) mountByHost(refusal error) error {
	volume, ok := strings.CutPrefix(path.Clean(b.source)+"/", volumes)
	pkg := ownPackage()
	if !ok || volume == "" || pkg == "" {
		return fmt.Errorf("cannot show %s with other ids: %w; the host does it for volumes only", b.source, refusal)
	}
	volume, sub, _ := strings.Cut(strings.TrimSuffix(volume, "/"), "/")
	target := hostMount{PackageID: pkg, VolumeID: volume, Readonly: b.readonly, Filetype: "directory", Idmap: []hostMapping{}}
	if sub != "" {
		target.Subpath = &sub
	}
	if b.file {
		target.Filetype = "file"
	}
	for _, m := range b.idmap {
		target.Idmap = append(target.Idmap, hostMapping{m.from, m.to, m.count})
	}
	if err := target.mount(b.target); err != nil {
		return fmt.Errorf("cannot show %s with other ids: %w here, and the host: %w", b.source, refusal, err)
	}
	return nil
}

// hostMount and hostMapping are the JSON of the effect mount.
type hostMount struct {
	PackageID string        `json:"packageId"`
	VolumeID  string        `json:"volumeId"`
	Subpath   *string       `json:"subpath"`
	Readonly  bool          `json:"readonly"`
	Filetype  string        `json:"filetype"`
	Idmap     []hostMapping `json:"idmap"`
}

type hostMapping struct {
	From  uint32 `json:"fromId"`
	To    uint32 `json:"toId"`
	Range uint32 `json:"range"`
}

// ownPackage is the id of the package whose container this is, as the agent was told it.
func ownPackage() string {
	const name = "HEARTH_PACKAGE="
	b, err := os.ReadFile("/proc/1/environ")
	if err != nil {
		return ""
	}
	for _, e := range strings.Split(string(b), "\x00") {
		if id, ok := strings.CutPrefix(e, name); ok {
			return id
		}
	}
	return ""
}
