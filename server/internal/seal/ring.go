package seal

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hearthos/hearth/server/internal/atomicfile"
)

// ErrLost tells that the file of the root key has gone while there was one. It comes back by Recover, or from a backup.
var ErrLost = errors.New("the file of the root key is missing")

// Files in the folder of a ring.
const (
	keyFile    = "root.key" // the root key, and while it is being changed the one before; newest first
	idFile     = "root.id"  // the marks of the same keys: tells that there was a key, and which
	escrowDir  = "escrow"
	maxKeys    = 2
	keyHeader  = "hearth-root-key-1 "
	idHeader   = "hearth-root-id-1 "
	maxKeyFile = 512
)

// Ring seals with the newest root key and opens with each it has. There is one key but for the time in which it is being
// changed. It may be used concurrently, and shows no key when it is printed.
//
// Changing the key, crash-safe at each point because no step forgets a key that something may still be sealed with:
//
//	one key ──▶ escrow has both ──▶ file has both ──▶ all is wrapped anew ──▶ file has the new one ──▶ escrow has it
//	            └───────────── Begin ────────────┘   the caller's Rewrap      └────────────── Finish ─────────────┘
type Ring struct {
	dir  string
	keys atomic.Pointer[[]*key] // newest first, never empty
	mu   sync.Mutex             // serialises what writes files
}

// Format makes every way of printing a Ring show the same: nothing of its keys.
func (r *Ring) Format(f fmt.State, _ rune) { fmt.Fprint(f, "seal.Ring") }

// LogValue does the same for logs.
func (r *Ring) LogValue() slog.Value { return slog.StringValue("seal.Ring") }

func (r *Ring) newest() *key { return (*r.keys.Load())[0] }

func (r *Ring) marked(m mark) *key {
	for _, k := range *r.keys.Load() {
		if k.mark == m {
			return k
		}
	}
	return nil
}

// ID tells the newest root key from others, without telling anything of it.
func (r *Ring) ID() string { return r.newest().mark.String() }

// Changing tells whether a change of the root key has begun and not finished.
func (r *Ring) Changing() bool { return len(*r.keys.Load()) > 1 }

// Load answers the ring in a folder, and makes folder and root key when there was never one. A root key that has gone is
// ErrLost: a new one would open nothing. A file that others could read, or that holds no key, is refused and left alone.
func Load(dir string) (*Ring, error) {
	if err := os.MkdirAll(filepath.Join(dir, escrowDir), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the folder of the root key: %w", err)
	}
	r := &Ring{dir: dir}
	keys, err := readKeys(filepath.Join(dir, keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		if known, err := r.known(); err != nil || known {
			return nil, errors.Join(err, fmt.Errorf("cannot open the secrets of this server: %s: %w; "+
				"bring it back with 'hearthd key recover' and the recovery code or the owner's password, or from a backup",
				filepath.Join(dir, keyFile), ErrLost))
		}
		var first *key
		if first, err = drawKey(); err == nil {
			keys = []*key{first}
			err = r.writeKeys(keys)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the root key: %w", err)
	}
	r.keys.Store(&keys)
	if err := r.checkID(keys); err != nil {
		return nil, err
	}
	if err := r.forgetPrepared(); err != nil {
		return nil, fmt.Errorf("cannot use the root key: %w", err)
	}
	return r, r.writeID(keys) // after a crash the id may be missing or old
}

// checkID refuses root keys of another server: nothing here would open with them.
func (r *Ring) checkID(keys []*key) error {
	have, err := os.ReadFile(filepath.Join(r.dir, idFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot use the root key: %w", err)
	}
	for _, k := range keys {
		if strings.Contains(string(have), k.mark.String()) {
			return nil
		}
	}
	return fmt.Errorf("cannot use the root key: %s is not that of this server, which %s names", filepath.Join(r.dir, keyFile), idFile)
}

// Known tells whether there is a root key in a folder, or something that tells that there was one.
func Known(dir string) (bool, error) {
	if _, err := os.Lstat(filepath.Join(dir, keyFile)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	return (&Ring{dir: dir}).known()
}

// Copies tells whether there are copies of the root key in a folder, which passwords open: there are from the moment on that
// a server is claimed.
func Copies(dir string) (bool, error) {
	slots, err := (&Ring{dir: dir}).slots()
	return len(slots) > 0, err
}

// known tells whether there was ever a root key here.
func (r *Ring) known() (bool, error) {
	if _, err := os.Lstat(filepath.Join(r.dir, idFile)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	return Copies(r.dir)
}

func readKeys(path string) ([]*key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %v: others could read it", path, info.Mode())
	}
	raw := make([]byte, maxKeyFile+1)
	n, err := f.Read(raw)
	if err != nil || n > maxKeyFile {
		return nil, fmt.Errorf("%s holds no key", path)
	}
	keys, err := parseKeys(string(raw[:n]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// parseKeys reads what formatKeys wrote.
func parseKeys(text string) ([]*key, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > maxKeys {
		return nil, fmt.Errorf("it holds %d lines", len(lines))
	}
	var keys []*key
	for _, line := range lines {
		encoded, ok := strings.CutPrefix(line, keyHeader)
		raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if !ok || err != nil {
			return nil, errors.New("it holds no key")
		}
		k, err := newKey(raw)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func formatKeys(keys []*key) []byte {
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(keyHeader + k.text() + "\n")
	}
	return []byte(b.String())
}

func (r *Ring) writeKeys(keys []*key) error {
	return atomicfile.Write(filepath.Join(r.dir, keyFile), formatKeys(keys), 0o600)
}

func formatID(keys []*key) string {
	marks := make([]string, len(keys))
	for i, k := range keys {
		marks[i] = k.mark.String()
	}
	return idHeader + strings.Join(marks, " ") + "\n"
}

func (r *Ring) writeID(keys []*key) error {
	path := filepath.Join(r.dir, idFile)
	if have, err := os.ReadFile(path); err == nil && string(have) == formatID(keys) {
		return nil
	}
	return atomicfile.Write(path, []byte(formatID(keys)), 0o600)
}

// Begin makes a new root key, unless a change is under way already. From then on it seals; the one before still opens.
func (r *Ring) Begin(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Changing() {
		return nil
	}
	fresh, err := drawKey()
	if err != nil {
		return fmt.Errorf("cannot make a root key: %w", err)
	}
	if err := r.become([]*key{fresh, r.newest()}, true); err != nil {
		return fmt.Errorf("cannot begin to change the root key: %w", err)
	}
	return nil
}

// Finish forgets the root key before the newest. It is called once everything has been wrapped anew; what was not cannot
// be opened afterwards.
func (r *Ring) Finish(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.become([]*key{r.newest()}, false); err != nil {
		return fmt.Errorf("cannot finish changing the root key: %w", err)
	}
	return nil
}

// become makes these the keys of the ring. The escrow has a new key before the file does, and loses an old one after.
func (r *Ring) become(keys []*key, escrowFirst bool) error {
	if escrowFirst {
		if err := r.deposit(keys); err != nil {
			return err
		}
	}
	if err := errors.Join(r.writeKeys(keys), r.writeID(keys)); err != nil {
		return err
	}
	r.keys.Store(&keys)
	if !escrowFirst {
		return r.deposit(keys)
	}
	return nil
}
