package export

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

const (
	snapshotEntry = metadata.SNAPSHOT + ".json"
	targetsEntry  = metadata.TARGETS + ".json"
)

// Trust is what is kept of an export between two looks. Timestamp and Snapshot are empty before the first.
type Trust struct{ Root, Timestamp, Snapshot []byte }

// Export is one state of an export, verified. It is safe for concurrent use.
type Export struct {
	place   *Place
	trust   Trust
	targets map[string]*metadata.TargetFiles
	until   time.Time // when the first of its parts expires
	// Version is that of its list, and rises.
	Version int64
}

// Begin reads the roots of an export of which nothing is known yet, each signed by the one before. The trust begins with
// the one of the fingerprint that a person has confirmed, and is OtherRoot where none of them has it. Without a fingerprint
// it answers the newest, for its fingerprint to be shown.
func Begin(ctx context.Context, p *Place, fingerprint string) (Trust, error) {
	raw, err := p.read(ctx, rootName(1), maxRoot)
	if err != nil {
		return Trust{}, err
	}
	trusted, err := openRoot(raw)
	if err != nil {
		return Trust{}, err
	}
	newest, found := raw, raw
	confirmed := sameFingerprint(fingerprint, Fingerprint(raw))
	err = laterRoots(ctx, p, trusted, func(raw []byte) {
		newest = raw
		if sameFingerprint(fingerprint, Fingerprint(raw)) {
			found, confirmed = raw, true
		}
	})
	switch {
	case err != nil:
		return Trust{}, err
	case fingerprint == "":
		return Trust{Root: newest}, nil
	case !confirmed:
		return Trust{Root: newest}, wrong(OtherRoot, rootName(trusted.Root.Signed.Version), "its fingerprint is %s", Fingerprint(newest))
	}
	return Trust{Root: found}, nil
}

func openRoot(raw []byte) (*trustedmetadata.TrustedMetadata, error) {
	if err := checkRoot(raw); err != nil {
		return nil, &Error{Invalid, "root.json", err}
	}
	trusted, err := trustedmetadata.New(raw)
	if err != nil {
		return nil, told("root.json", err)
	}
	return trusted, nil
}

// laterRoots reads the roots after the trusted one.
func laterRoots(ctx context.Context, p *Place, trusted *trustedmetadata.TrustedMetadata, found func(raw []byte)) error {
	for range maxRoots {
		name := rootName(trusted.Root.Signed.Version + 1)
		raw, err := p.read(ctx, name, maxRoot)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := checkRoot(raw); err != nil {
			return &Error{Invalid, name, err}
		}
		if _, err := trusted.UpdateRoot(raw); err != nil {
			return told(name, err)
		}
		found(raw)
	}
	return wrong(Endless, "root.json", "it has more than %d roots one after the other", maxRoots)
}

// Refresh reads what an export says now. The trust it answers is to be kept, also with an error, before anything else is
// done: it is never older than what was given. have, which may be nil, is answered where nothing has changed since.
func Refresh(ctx context.Context, p *Place, t Trust, now time.Time, have *Export) (*Export, Trust, error) {
	trusted, err := openRoot(t.Root)
	if err != nil {
		return nil, t, err
	}
	trusted.RefTime = now
	if err := laterRoots(ctx, p, trusted, func(raw []byte) { t.Root = raw }); err != nil {
		return nil, t, err
	}
	if err := refreshTimestamp(ctx, p, trusted, &t); err != nil {
		return nil, t, err
	}
	if have != nil && bytes.Equal(have.trust.Root, t.Root) && bytes.Equal(have.trust.Timestamp, t.Timestamp) && now.Before(have.until) {
		return have, t, nil
	}
	if err := refreshSnapshot(ctx, p, trusted, &t); err != nil {
		return nil, t, err
	}
	list, err := readTargets(ctx, p, trusted)
	if err != nil {
		return nil, t, err
	}
	e := &Export{place: p, trust: t, targets: list.Signed.Targets, Version: list.Signed.Version, until: list.Signed.Expires}
	for _, expires := range []time.Time{trusted.Root.Signed.Expires, trusted.Timestamp.Signed.Expires, trusted.Snapshot.Signed.Expires} {
		if expires.Before(e.until) {
			e.until = expires
		}
	}
	return e, t, nil
}

func refreshTimestamp(ctx context.Context, p *Place, trusted *trustedmetadata.TrustedMetadata, t *Trust) error {
	if len(t.Timestamp) > 0 {
		// It counts for what it is older than, also when it has expired. One that the root's keys do not verify any more
		// counts for nothing: the key that was replaced may have raised its number to the end of numbers.
		_, _ = trusted.UpdateTimestamp(t.Timestamp)
	}
	before := trusted.Timestamp
	raw, err := p.read(ctx, timestampName, maxTimestamp)
	if err != nil {
		return err
	}
	if err := checkMeta(raw, snapshotEntry, maxSnapshot); err != nil {
		return &Error{Invalid, timestampName, err}
	}
	_, err = trusted.UpdateTimestamp(raw)
	if trusted.Timestamp != before {
		t.Timestamp = raw
	}
	if errors.Is(err, &metadata.ErrEqualVersionNumber{}) {
		return nil
	}
	return told(timestampName, err)
}

func refreshSnapshot(ctx context.Context, p *Place, trusted *trustedmetadata.TrustedMetadata, t *Trust) error {
	wanted := trusted.Timestamp.Signed.Meta[snapshotEntry]
	name := snapshotName(wanted.Version)
	if len(t.Snapshot) > 0 {
		_, err := trusted.UpdateSnapshot(t.Snapshot, true)
		if trusted.Snapshot != nil && trusted.Snapshot.Signed.Version == wanted.Version {
			return told(name, err)
		}
	}
	before := trusted.Snapshot
	raw, err := p.read(ctx, name, wanted.Length)
	if err != nil {
		return err
	}
	if err := wanted.VerifyLengthHashes(raw); err != nil {
		return &Error{Mixed, name, err}
	}
	if err := checkMeta(raw, targetsEntry, maxTargets); err != nil {
		return &Error{Invalid, name, err}
	}
	_, err = trusted.UpdateSnapshot(raw, false)
	if trusted.Snapshot != before {
		t.Snapshot = raw
		if errors.Is(err, &metadata.ErrBadVersionNumber{}) {
			return &Error{Mixed, name, err} // it is of another time than the timestamp says, not older than before
		}
	}
	return told(name, err)
}

func readTargets(ctx context.Context, p *Place, trusted *trustedmetadata.TrustedMetadata) (*metadata.Metadata[metadata.TargetsType], error) {
	wanted := trusted.Snapshot.Signed.Meta[targetsEntry]
	name := targetsName(wanted.Version)
	raw, err := p.read(ctx, name, wanted.Length)
	if err != nil {
		return nil, err
	}
	if err := wanted.VerifyLengthHashes(raw); err != nil {
		return nil, &Error{Mixed, name, err}
	}
	if err := checkTargets(raw); err != nil {
		return nil, &Error{Invalid, name, err}
	}
	list, err := trusted.UpdateTargets(raw)
	if errors.Is(err, &metadata.ErrBadVersionNumber{}) {
		return nil, &Error{Mixed, name, err}
	}
	return list, told(name, err)
}

// told is what the library found wrong.
func told(name string, err error) error {
	kind := Invalid
	switch {
	case err == nil:
		return nil
	case errors.Is(err, &metadata.ErrExpiredMetadata{}):
		kind = Expired
	case errors.Is(err, &metadata.ErrUnsignedMetadata{}):
		kind = Signature
	case errors.Is(err, &metadata.ErrBadVersionNumber{}):
		kind = Rollback
	case errors.Is(err, &metadata.ErrLengthOrHashMismatch{}):
		kind = Mixed
	}
	return &Error{kind, name, err}
}

func sumOf(t *metadata.TargetFiles) string { return hex.EncodeToString(t.Hashes["sha256"]) }
