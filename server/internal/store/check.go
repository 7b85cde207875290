package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// maxDefects bounds how many defects a report tells one by one.
const maxDefects = 100

// Report is what Check found.
type Report struct {
	ID        string
	Format    uint32
	Revision  uint64
	Compacted uint64
	Rows      map[string]int // by kind, those of unknown kinds under their number
	Records   int            // revisions in the log
	LogBytes  uint64
	Defects   []string // the first of them; none: all is well
	More      int      // defects that are not told
}

// Err answers REASON_STORE_DAMAGED when there are defects.
func (r *Report) Err() error {
	if len(r.Defects) == 0 {
		return nil
	}
	return fault.New(metav1.Reason_REASON_STORE_DAMAGED, "the state is damaged: %s", r.Defects[0]).With("defects", len(r.Defects)+r.More)
}

func (r *Report) defect(format string, args ...any) {
	if len(r.Defects) == maxDefects {
		r.More++
		return
	}
	r.Defects = append(r.Defects, fmt.Sprintf(format, args...))
}

// recoverDamage makes a REASON_STORE_DAMAGED of a panic of Badger over what it read.
func recoverDamage(dir string, err *error) {
	if r := recover(); r != nil {
		first, _, _ := strings.Cut(fmt.Sprint(r), "\n")
		*err = damaged(dir, "what is in its database makes no sense: %s", first)
	}
}

// checkContent refuses a database in which something is missing that was acknowledged: every revision after the
// compaction point must be in the log, every value readable, and no row newer than the log. What is in the records and in
// rows that cannot be read is for Check.
func checkContent(dir string, db *database) (err error) {
	defer recoverDamage(dir, &err)
	f, err := readFacts(db)
	if err != nil || f.format == 0 {
		return err
	}
	txn := db.NewTransactionAt(math.MaxUint64, false) // also what came with a revision that is missing
	defer txn.Discard()
	next, foreign := f.compacted+1, []byte(nil)
	err = each(txn, "l/", func(key, _ []byte) {
		at, ok := logRevision(key)
		if !ok {
			foreign = bytes.Clone(key)
		} else if at == next {
			next++
		}
	})
	switch {
	case err != nil:
		return damaged(dir, "its log cannot be read: %w", err)
	case foreign != nil:
		return damaged(dir, "its log has a record under the key %x", foreign)
	case next <= f.revision:
		return damaged(dir, "revision %d is missing in its log, the newest is %d", next, f.revision)
	}
	return checkNewest(dir, txn, f.revision)
}

// checkNewest refuses rows that are newer than the newest revision.
func checkNewest(dir string, txn *badger.Txn, newest uint64) error {
	var newer error
	err := each(txn, "r/", func(key, raw []byte) {
		if newer != nil || len(key) < rowHead {
			return
		}
		kind, known := kinds().byNumber[binary.BigEndian.Uint16(key[len("r/"):])]
		if !known {
			return
		}
		row, err := decodeRow(kind, raw)
		if err == nil && row.GetMeta().GetRevision() > newest {
			newer = damaged(dir, "%s %q is of revision %d, the newest in its log is %d", kind.ID, key[rowHead:], row.GetMeta().GetRevision(), newest)
		}
	})
	if err != nil {
		return damaged(dir, "its rows cannot be read: %w", err)
	}
	return newer
}

// Check reads everything in the store: every row must be readable and be where its meta says, every revision since the
// compaction point must be in the log, and what the log says last of a row must be what the row is. It changes nothing.
func (s *Store) Check() (_ *Report, err error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.users.Done()
	rev := s.pin()
	defer s.unpin(rev)
	defer recoverDamage(s.dir, &err)
	txn := s.db.NewTransactionAt(rev, false)
	defer txn.Discard()
	f, err := readFacts(s.db)
	if err != nil {
		return nil, err
	}
	r := &Report{ID: f.id, Format: f.format, Revision: rev, Compacted: s.compacted.Load(), Rows: map[string]int{}}
	last := make(map[rowKey]uint64) // revision of the newest record of a row, 0 when it is a deletion
	if err := r.checkLog(txn, last); err != nil {
		return nil, err
	}
	return r, r.checkRows(txn, last)
}

func (r *Report) checkLog(txn *badger.Txn, last map[rowKey]uint64) error {
	next := r.Compacted + 1
	err := each(txn, "l/", func(key, raw []byte) {
		at, ok := logRevision(key)
		if !ok || ok && at > r.Revision {
			r.defect("the log has a record under the key %x", key)
			return
		}
		if at < next {
			return // compacted and not yet deleted
		}
		for ; next < at; next++ {
			r.defect("revision %d is missing in the log", next)
		}
		next = at + 1
		r.Records++
		r.LogBytes += uint64(len(raw))
		e, err := decodeRecord(at, raw)
		if err != nil {
			r.defect("revision %d: %v", at, err)
			return
		}
		for _, c := range e.changes {
			last[c.key] = at
			if c.deleted {
				last[c.key] = 0
			}
		}
	})
	for ; next <= r.Revision; next++ {
		r.defect("revision %d is missing in the log", next)
	}
	return err
}

func (r *Report) checkRows(txn *badger.Txn, last map[rowKey]uint64) error {
	err := each(txn, "r/", func(key, raw []byte) {
		if len(key) < rowHead {
			r.defect("there is a row under the key %x", key)
			return
		}
		at := rowKey{binary.BigEndian.Uint16(key[len("r/"):]), string(key[rowHead:])}
		kind, known := kinds().byNumber[at.kind]
		if !known {
			r.Rows[fmt.Sprint(at.kind)]++ // of a release that had this kind
			return
		}
		r.Rows[kind.ID]++
		row, err := decodeRow(kind, raw)
		said, logged := last[at]
		delete(last, at)
		switch {
		case err != nil:
			r.defect("%s %q: %v", kind.ID, at.id, err)
		case row.GetMeta().GetId() != at.id:
			r.defect("%s %q says that its id is %q", kind.ID, at.id, row.GetMeta().GetId())
		case row.GetMeta().GetRevision() > r.Revision:
			r.defect("%s %q is of revision %d, the newest is %d", kind.ID, at.id, row.GetMeta().GetRevision(), r.Revision)
		case logged && said != row.GetMeta().GetRevision():
			r.defect("%s %q is of revision %d, the log says %d", kind.ID, at.id, row.GetMeta().GetRevision(), said)
		}
	})
	for key, at := range last {
		if at != 0 {
			r.defect("%s %q is missing, the log has it in revision %d", kinds().byNumber[key.kind].ID, key.id, at)
		}
	}
	return err
}

// each reads all keys with a prefix and their values. Values are only valid during the call.
func each(txn *badger.Txn, prefix string, fn func(key, value []byte)) error {
	it := txn.NewIterator(below([]byte(prefix)))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		err := it.Item().Value(func(raw []byte) error {
			if len(raw) == 0 { // nothing has an empty value; it is how Badger answers when the head of a large one is damaged
				return errors.New("its value is gone")
			}
			fn(it.Item().Key(), raw)
			return nil
		})
		if err != nil {
			return fmt.Errorf("cannot read the key %x: %w", it.Item().Key(), err)
		}
	}
	return nil
}

// Export calls fn for every durable row of a kind that somebody may read, ordered by kind and id, as of one revision.
// Rows of internal kinds hold secrets and are left out.
func (s *Store) Export(fn func(kind KindInfo, row Row) error) (revision uint64, err error) {
	err = s.View(func(tx *Tx) error {
		revision = tx.Revision()
		for _, k := range kinds().ordered {
			if k.Ephemeral() || k.ReadRole == 0 {
				continue
			}
			var failed error
			err := each(tx.db, string(parentKey(k.Number, "")), func(_, raw []byte) {
				if failed == nil {
					var row Row
					if row, failed = decodeRow(k, raw); failed == nil {
						failed = fn(*k, row)
					}
				}
			})
			if err := errors.Join(err, failed); err != nil {
				return err
			}
		}
		return nil
	})
	return revision, err
}
