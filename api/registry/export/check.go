package export

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hearthos/hearth/api/sign"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// The library takes for granted that members are there, and that keys have the length of their kind. What is looked at here
// comes from strangers, so that is made sure of first.

type rootShape struct {
	Signed struct {
		Version    int64 `json:"version"`
		Consistent bool  `json:"consistent_snapshot"`
		Keys       map[string]*struct {
			Type   string `json:"keytype"`
			Scheme string `json:"scheme"`
			Value  struct {
				Public string `json:"public"`
			} `json:"keyval"`
		} `json:"keys"`
		Roles map[string]*struct {
			KeyIDs    []string `json:"keyids"`
			Threshold int      `json:"threshold"`
		} `json:"roles"`
	} `json:"signed"`
}

// checkRoot refuses a root that has other keys than Ed25519, or not all roles.
func checkRoot(raw []byte) error {
	var shape rootShape
	if err := json.Unmarshal(raw, &shape); err != nil {
		return errors.New("it is no JSON of a root")
	}
	s := shape.Signed
	if s.Version < 1 || !s.Consistent || len(s.Keys) > maxKeys || len(s.Roles) > maxKeys {
		return errors.New("it is no root of a consistent export")
	}
	for id, key := range s.Keys {
		if key == nil || key.Type != metadata.KeyTypeEd25519 || key.Scheme != metadata.KeySchemeEd25519 {
			return fmt.Errorf("the key %.16s is none of Ed25519", id)
		}
		raw, err := hex.DecodeString(key.Value.Public)
		if err != nil || len(raw) != len(sign.PublicKey{}) || sign.PublicKey(raw).SmallOrder() {
			return fmt.Errorf("the key %.16s cannot be used", id)
		}
	}
	for _, name := range metadata.TOP_LEVEL_ROLE_NAMES {
		role := s.Roles[name]
		if role == nil || role.Threshold < 1 || role.Threshold > len(role.KeyIDs) || len(role.KeyIDs) > maxKeys {
			return fmt.Errorf("it does not say who signs as %s", name)
		}
	}
	for name, role := range s.Roles {
		if role == nil {
			return fmt.Errorf("it does not say who signs as %.20s", name)
		}
	}
	return nil
}

type entryShape struct {
	Version int64             `json:"version"`
	Length  int64             `json:"length"`
	Hashes  map[string]string `json:"hashes"`
}

// sum is the SHA-256 of what is described, in hexadecimal; empty where it has none.
func (e *entryShape) sum() string {
	if raw, err := hex.DecodeString(e.Hashes["sha256"]); err == nil && len(raw) == 32 && len(e.Hashes) == 1 {
		return hex.EncodeToString(raw)
	}
	return ""
}

// checkMeta refuses a timestamp or snapshot that describes anything but the one file.
func checkMeta(raw []byte, of string, most int64) error {
	var shape struct {
		Signed struct {
			Version int64                  `json:"version"`
			Meta    map[string]*entryShape `json:"meta"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		return errors.New("it is no JSON of an export")
	}
	entry := shape.Signed.Meta[of]
	if shape.Signed.Version < 1 || len(shape.Signed.Meta) != 1 || entry == nil || entry.Version < 1 || entry.Length < 1 || entry.Length > most || entry.sum() == "" {
		return fmt.Errorf("it does not describe %s and nothing else, with version, length and SHA-256", of)
	}
	return nil
}

// checkTargets refuses a list with files that are not described, or that others sign for.
func checkTargets(raw []byte) error {
	var shape struct {
		Signed struct {
			Targets     map[string]*entryShape `json:"targets"`
			Delegations *json.RawMessage       `json:"delegations"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		return errors.New("it is no JSON of a list")
	}
	if len(shape.Signed.Targets) > maxEntries || shape.Signed.Delegations != nil {
		return errors.New("it lists too many files, or has others sign for it")
	}
	for name, entry := range shape.Signed.Targets {
		if entry == nil || entry.Length < 0 || entry.Length > maxFile || entry.sum() == "" {
			return fmt.Errorf("it does not describe %.80q with length and SHA-256", name)
		}
	}
	return nil
}
