package startcontainer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// maxUserFile bounds passwd and group of an image.
const maxUserFile = 4 << 20

// maxID is the greatest id of a user or group; the one above means "no change" to the kernel.
const maxID = 1<<32 - 2

// identity is who a command runs as.
type identity struct {
	uid, gid int
	groups   []uint32
	home     string
	shell    string // empty when none is named
}

// lookupUser resolves USER[:GROUP] by the files passwd and group of an image. Numbers need no entry, and no file: an
// image of a single static program has none. A group that is named replaces the user's own groups, as container engines
// have it. Without a spec it is root.
func lookupUser(etc fs.FS, spec string) (identity, error) {
	user, group, hasGroup := strings.Cut(spec, ":")
	if user == "" {
		user = "root"
	}
	passwd, err := readOptional(etc, "passwd")
	if err != nil {
		return identity{}, err
	}
	groups, err := readOptional(etc, "group")
	if err != nil {
		return identity{}, err
	}
	who, name, err := findUser(passwd, user)
	if err != nil {
		return identity{}, err
	}
	if hasGroup && group != "" {
		if who.gid, err = findGroup(groups, group); err != nil {
			return identity{}, err
		}
		who.groups = []uint32{uint32(who.gid)}
		return who, nil
	}
	who.groups = []uint32{uint32(who.gid)}
	for f := range entries(groups, 4) {
		gid, ok := parseID(f[2])
		if name == "" || !ok || !slices.Contains(strings.Split(f[3], ","), name) || slices.Contains(who.groups, uint32(gid)) {
			continue
		}
		who.groups = append(who.groups, uint32(gid))
	}
	return who, nil
}

// findUser returns the user and its name, which is empty for a number without an entry.
func findUser(passwd, user string) (identity, string, error) {
	number, isNumber := parseID(user)
	var byNumber *identity
	var nameByNumber string
	for f := range entries(passwd, 6) {
		uid, ok1 := parseID(f[2])
		gid, ok2 := parseID(f[3])
		if !ok1 || !ok2 {
			continue
		}
		who := identity{uid: uid, gid: gid, home: f[5]}
		if who.home == "" {
			who.home = "/"
		}
		if len(f) > 6 {
			who.shell = f[6]
		}
		if f[0] == user {
			return who, f[0], nil
		}
		if isNumber && uid == number && byNumber == nil {
			byNumber, nameByNumber = &who, f[0]
		}
	}
	switch {
	case byNumber != nil:
		return *byNumber, nameByNumber, nil
	case isNumber && number == 0, user == "root":
		return identity{home: "/root"}, "root", nil
	case isNumber:
		return identity{uid: number, home: "/"}, "", nil
	}
	return identity{}, "", fmt.Errorf("cannot find user %q in the image's /etc/passwd", user)
}

func findGroup(groups, group string) (int, error) {
	for f := range entries(groups, 3) {
		if gid, ok := parseID(f[2]); ok && f[0] == group {
			return gid, nil
		}
	}
	if gid, ok := parseID(group); ok {
		return gid, nil
	}
	if group == "root" {
		return 0, nil
	}
	return 0, fmt.Errorf("cannot find group %q in the image's /etc/group", group)
}

// entries yields the lines of a colon-separated file that have at least n fields.
func entries(text string, n int) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(text) {
			f := strings.Split(strings.TrimRight(line, "\r\n"), ":")
			if len(f) >= n && !strings.HasPrefix(f[0], "#") && !yield(f) {
				return
			}
		}
	}
}

func parseID(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err == nil && n <= maxID
}

func readOptional(etc fs.FS, name string) (string, error) {
	text, err := readBounded(etc, name, maxUserFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read /etc/%s of the image: %w", name, err)
	}
	return text, nil
}

// readBounded reads a regular file of bounded size.
func readBounded(dir fs.FS, name string, limit int64) (string, error) {
	st, err := fs.Stat(dir, name)
	if err != nil {
		return "", err
	}
	if !st.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", name)
	}
	f, err := dir.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(b)) > limit {
		return "", fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return string(b), nil
}
