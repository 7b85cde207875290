package seal

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hearthos/hearth/server/internal/atomicfile"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/nacl/box"
)

// ErrWrongSecret tells that no copy of the root key opens with a secret.
var ErrWrongSecret = errors.New("no copy of the root key opens with it")

// RecoverySlot is the name of the slot that the recovery code opens.
const RecoverySlot = "recovery"

// slotFile is a copy of the root key that one secret opens. The secret opens a private key, and the root keys are
// encrypted to its public half: so they can be changed when nobody who has the secret is there.
type slotFile struct {
	Version    int       `json:"version"`
	CreateTime time.Time `json:"create_time"`
	Salt       []byte    `json:"salt"`
	Memory     uint32    `json:"argon2id_memory_kib"`
	Passes     uint32    `json:"argon2id_passes"`
	Public     []byte    `json:"public"`
	Private    []byte    `json:"private"` // sealed with the key derived from the secret
	Keys       []byte    `json:"keys"`    // the root keys, encrypted to Public
}

// The cost of deriving a key, that of the hash of a password: a thief would guess at the cheaper of the two. A file that
// asks for more than the bounds is refused.
const (
	memory, passes       = 19 << 10, 2
	maxMemory, maxPasses = 256 << 10, 10
	maxSlotFile          = 16 << 10
	maxSlots             = 256
)

var slotName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

// Slot tells of a copy of the root key.
type Slot struct {
	Name       string
	CreateTime time.Time
}

// Deposit makes a copy of the root key that secret opens, in place of the one of that name, if any.
func (r *Ring) Deposit(name, secret string, now time.Time) error {
	if err := r.Prepare(name, secret, now); err != nil {
		return err
	}
	return r.Commit(name)
}

// Prepare makes a copy of the root key that takes the place of the one of that name by Commit and not before. It opens
// nothing until then, and a start forgets it. Preparing again replaces what was prepared.
func (r *Ring) Prepare(name, secret string, now time.Time) error {
	if !slotName.MatchString(name) || len(name) > 100 {
		return fmt.Errorf("cannot name a copy of the root key %q", name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	have, err := r.slots()
	if err != nil {
		return err
	}
	if len(have) >= maxSlots && !slices.Contains(have, name) {
		return fmt.Errorf("cannot keep more than %d copies of the root key", maxSlots)
	}
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("cannot copy the root key: %w", err)
	}
	s := slotFile{Version: version, CreateTime: now.UTC(), Salt: make([]byte, 16), Memory: memory, Passes: passes, Public: public[:]}
	rand.Read(s.Salt) // never fails
	lock, err := s.lock(secret)
	if err != nil {
		return fmt.Errorf("cannot copy the root key: %w", err)
	}
	s.Private = lock.head(private[:], boundTo("escrow", name))
	return writeSlot(r.preparedPath(name), s, *r.keys.Load())
}

// Commit puts what was prepared in its place, in one step: a crash leaves the one copy or the other.
func (r *Ring) Commit(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := os.Rename(r.preparedPath(name), r.slotPath(name)); err != nil {
		return fmt.Errorf("cannot replace a copy of the root key: %w", err)
	}
	return atomicfile.SyncDir(filepath.Join(r.dir, escrowDir))
}

// Abandon forgets what was prepared; nothing is no error.
func (r *Ring) Abandon(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := os.Remove(r.preparedPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot forget a copy of the root key: %w", err)
	}
	return nil
}

// Withdraw removes the copy of this name; one that is not there is no error.
func (r *Ring) Withdraw(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slotName.MatchString(name) {
		return nil
	}
	if err := os.Remove(r.slotPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove a copy of the root key: %w", err)
	}
	return atomicfile.SyncDir(filepath.Join(r.dir, escrowDir))
}

// Slots answers the copies there are, by name.
func (r *Ring) Slots() ([]Slot, error) {
	names, err := r.slots()
	if err != nil {
		return nil, err
	}
	out := make([]Slot, 0, len(names))
	for _, name := range names {
		s, err := readSlot(r.slotPath(name))
		if err != nil {
			return nil, err
		}
		out = append(out, Slot{Name: name, CreateTime: s.CreateTime})
	}
	return out, nil
}

// NewRecoveryCode makes a recovery code of 160 random bits, in groups people can copy.
func NewRecoveryCode() string {
	var raw [20]byte
	rand.Read(raw[:]) // never fails
	text := codeAlphabet.EncodeToString(raw[:])
	var groups []string
	for group := range slices.Chunk([]byte(text), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, "-")
}

// codeAlphabet leaves out letters that look like digits.
var codeAlphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// asCode answers a recovery code as it was made, however it was typed, and false for what cannot be one.
func asCode(secret string) (string, bool) {
	text := strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1").Replace(strings.ToLower(strings.TrimSpace(secret)))
	raw, err := codeAlphabet.DecodeString(text)
	if err != nil || len(raw) != 20 {
		return "", false
	}
	var groups []string
	for group := range slices.Chunk([]byte(text), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, "-"), true
}

// Recover writes the root key's file in dir again, from the copy that secret, a recovery code or a password, opens. It
// answers the name of the copy. A root key that is there is left alone, and an error. It is called while no server runs.
func Recover(dir, secret string) (string, error) {
	r := &Ring{dir: dir}
	if _, err := os.Lstat(filepath.Join(dir, keyFile)); err == nil {
		return "", fmt.Errorf("cannot recover the root key: %s is there", filepath.Join(dir, keyFile))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot recover the root key: %w", err)
	}
	names, err := r.slots()
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fmt.Errorf("cannot recover the root key: there are no copies in %s", filepath.Join(dir, escrowDir))
	}
	for _, name := range names {
		s, err := readSlot(r.slotPath(name))
		if err != nil {
			return "", err
		}
		keys, err := s.open(name, secret)
		if errors.Is(err, ErrWrongSecret) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("cannot use the copy %q of the root key: %w", name, err)
		}
		return name, errors.Join(r.writeKeys(keys), r.writeID(keys))
	}
	return "", fmt.Errorf("cannot recover the root key: %w", ErrWrongSecret)
}

// open answers the root keys in a slot.
func (s *slotFile) open(name, secret string) ([]*key, error) {
	if code, ok := asCode(secret); ok && name == RecoverySlot {
		secret = code
	}
	lock, err := s.lock(secret)
	if err != nil {
		return nil, err
	}
	own, err := lock.openHead(s.Private, boundTo("escrow", name))
	if errors.Is(err, ErrOtherKey) {
		return nil, ErrWrongSecret
	}
	if err != nil {
		return nil, err
	}
	text, ok := box.OpenAnonymous(nil, s.Keys, (*[keySize]byte)(s.Public), (*[keySize]byte)(own))
	if !ok {
		return nil, ErrDamaged
	}
	return parseKeys(string(text))
}

// lock derives the key that protects a slot from its secret.
func (s *slotFile) lock(secret string) (*key, error) {
	if s.Memory < 8 || s.Memory > maxMemory || s.Passes < 1 || s.Passes > maxPasses || len(s.Salt) < 16 || len(s.Salt) > 64 {
		return nil, ErrDamaged
	}
	return newKey(argon2.IDKey([]byte(secret), s.Salt, s.Passes, s.Memory, 1, keySize))
}

// deposit gives these keys to every slot, and to what is prepared. The caller holds mu.
func (r *Ring) deposit(keys []*key) error {
	names, err := r.slots()
	if err != nil {
		return err
	}
	paths, err := r.prepared()
	if err != nil {
		return err
	}
	for _, name := range names {
		paths = append(paths, r.slotPath(name))
	}
	for _, path := range paths {
		s, err := readSlot(path)
		if err != nil {
			return err
		}
		if err := writeSlot(path, s, keys); err != nil {
			return err
		}
	}
	return nil
}

func (r *Ring) slotPath(name string) string { return filepath.Join(r.dir, escrowDir, name+".json") }

// preparedPath is where the copy waits that is to take the place of another. No slot has such a name.
func (r *Ring) preparedPath(name string) string { return r.slotPath(name) + preparedSuffix }

const preparedSuffix = ".next"

// prepared answers the paths of the copies that wait.
func (r *Ring) prepared() ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(r.dir, escrowDir, "*.json"+preparedSuffix))
	if err != nil {
		return nil, fmt.Errorf("cannot list the copies of the root key: %w", err)
	}
	return paths, nil
}

// forgetPrepared removes what a server that stopped had prepared.
func (r *Ring) forgetPrepared() error {
	paths, err := r.prepared()
	for _, path := range paths {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// slots answers the names of the slots in order.
func (r *Ring) slots() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, escrowDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the copies of the root key: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && slotName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func readSlot(path string) (slotFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return slotFile{}, fmt.Errorf("cannot read a copy of the root key: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSlotFile))
	if err != nil {
		return slotFile{}, fmt.Errorf("cannot read a copy of the root key: %w", err)
	}
	s, err := parseSlot(raw)
	if err != nil {
		return slotFile{}, fmt.Errorf("cannot use %s, a copy of the root key: %w", path, err)
	}
	return s, nil
}

func parseSlot(raw []byte) (slotFile, error) {
	var s slotFile
	if err := json.Unmarshal(raw, &s); err != nil || s.Version != version || len(s.Public) != keySize {
		return slotFile{}, ErrDamaged
	}
	return s, nil
}

func writeSlot(path string, s slotFile, keys []*key) error {
	sealed, err := box.SealAnonymous(nil, formatKeys(keys), (*[keySize]byte)(s.Public), rand.Reader)
	if err != nil {
		return fmt.Errorf("cannot copy the root key: %w", err)
	}
	s.Keys = sealed
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot copy the root key: %w", err)
	}
	return atomicfile.Write(path, append(raw, '\n'), 0o600)
}
