package store

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// An epoch is the time in which a store was open for writing. Revisions are numbers that are given out again when a copy of
// the state is restored; together with the epoch it was given out in, a revision means one state. Of each epoch the
// store knows where it began, so also where the one before it ended:
//
//	epoch  │ aaaa 2..7 │ bbbb 8..7 │ cccc 8..9 ⋯
//
// Here bbbb wrote nothing. A bookmark of bbbb at 9 is of a time that the store has lost.
const (
	epochID   = 10 // letters and digits of an epoch's id
	epochSize = epochID + 8
	// maxEpochs is how many are kept at most; compaction keeps fewer unless the server starts thousands of times in between.
	maxEpochs = 4096
)

type epoch struct {
	id    string
	first uint64 // revision that the first commit in it gets
}

// epochs are those that are known, oldest first. It is immutable.
type epochs []epoch

// last answers the newest revision of an epoch; newest is that of the store.
func (e epochs) last(id string, newest uint64) (revision uint64, known bool) {
	for i := range e {
		if e[i].id != id {
			continue
		}
		if i+1 < len(e) {
			return e[i+1].first - 1, true
		}
		return newest, true
	}
	return 0, false
}

// current is the id of the newest.
func (e epochs) current() string {
	if len(e) == 0 {
		return ""
	}
	return e[len(e)-1].id
}

// next adds an epoch, and leaves out those of which no bookmark is good any more.
func (e epochs) next(id string, first, compacted uint64) epochs {
	for len(e) > 1 && e[1].first-1 < compacted || len(e) >= maxEpochs {
		e = e[1:]
	}
	return append(e[:len(e):len(e)], epoch{id, first})
}

func (e epochs) encode() []byte {
	b := make([]byte, 0, len(e)*epochSize)
	for _, one := range e {
		b = binary.BigEndian.AppendUint64(append(b, one.id...), one.first)
	}
	return b
}

// decodeEpochs is the inverse.
func decodeEpochs(b []byte) (epochs, error) {
	if len(b)%epochSize != 0 || len(b) > maxEpochs*epochSize {
		return nil, fmt.Errorf("cannot use %s: it has %d bytes", keyEpochs, len(b))
	}
	var e epochs
	for ; len(b) > 0; b = b[epochSize:] {
		one := epoch{string(b[:epochID]), binary.BigEndian.Uint64(b[epochID:])}
		if one.first == 0 || len(e) > 0 && one.first < e[len(e)-1].first || bytes.ContainsAny(b[:epochID], ".") {
			return nil, fmt.Errorf("cannot use %s: the epoch %q begins at revision %d", keyEpochs, one.id, one.first)
		}
		e = append(e, one)
	}
	return e, nil
}

// beginEpoch answers the epochs of a store. One that is opened for writing begins one, durably, before anybody is told of
// a revision.
func beginEpoch(db *database, f facts, writing bool) (epochs, error) {
	txn := db.NewTransactionAt(math.MaxUint64, false)
	raw, err := readKey(txn, keyEpochs)
	txn.Discard()
	if err != nil {
		return nil, err
	}
	e, err := decodeEpochs(raw)
	if err != nil || !writing {
		return e, err
	}
	e = e.next(strings.ToLower(rand.Text()[:epochID]), f.revision+1, f.compacted)
	write := db.begin(f.revision)
	defer write.discard()
	if err := write.set([]byte(keyEpochs), e.encode()); err != nil {
		return nil, fmt.Errorf("cannot begin an epoch: %w", err)
	}
	if err := write.commit(); err != nil {
		return nil, fmt.Errorf("cannot begin an epoch: %w", err)
	}
	return e, nil
}
