package export

import (
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Load is the key of a role, for those who play thieves.
func (k Keys) Load(role, id string) (key, error) { return k.find(role, id) }

// Parse reads a file as each of the roles, as far as it is read before anybody knows who signed it.
func Parse(raw []byte) {
	if trusted, err := openRoot(raw); err == nil {
		if checkMeta(raw, snapshotEntry, maxSnapshot) == nil {
			_, _ = trusted.UpdateTimestamp(raw)
		}
	}
	if checkMeta(raw, snapshotEntry, maxSnapshot) == nil {
		if m, err := metadata.Timestamp().FromBytes(raw); err == nil {
			_ = m.Signed.Meta[snapshotEntry].Version
		}
	}
	if checkMeta(raw, targetsEntry, maxTargets) == nil {
		if m, err := metadata.Snapshot().FromBytes(raw); err == nil {
			_ = m.Signed.Meta[targetsEntry].VerifyLengthHashes(raw)
		}
	}
	if checkTargets(raw) == nil {
		if m, err := metadata.Targets().FromBytes(raw); err == nil {
			for name, t := range m.Signed.Targets {
				_ = consistent(name, sumOf(t))
			}
		}
	}
}
