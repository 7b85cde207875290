package store

import "path/filepath"

// verify reads the tables from the disk. Badger takes a block that it cannot read for the end of its table: rows would be
// gone for whoever reads, and he would act on it. So when one turns out to be damaged nothing is read or written any more.
func (s *Store) verify() {
	err := verifyTables(s.dir)
	if err == nil {
		return
	}
	s.opt.Logger.Error("store is damaged", "error", err)
	s.writer.mu.Lock()
	s.writer.broken = err
	s.writer.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotten = err
}

// verifyTables tells damage from what Badger changes meanwhile: a table that is not on its list any more may be gone, and a
// list that cannot be read is the next start's to judge.
func verifyTables(dir string) error {
	f, err := listFiles(filepath.Join(dir, "db"))
	if err != nil {
		return nil
	}
	for id, made := range f.manifest.tables {
		err := f.checkTable(id, made)
		if err == nil {
			continue
		}
		if now, lerr := listFiles(f.db); lerr == nil && now.manifest.tables[id] != nil {
			return damaged(dir, "the table db/%06d.sst cannot be read any more: %w", id, err)
		}
	}
	return nil
}
