package store

// Poll is Next without the waiting: ready says whether there was something.
func (w *Watcher) Poll() (b Batch, ready bool, err error) {
	for {
		b, ready, _, err = w.poll(&glance{})
		if ready || err != nil || w.call != nil || w.at >= w.s.published.Load() {
			return b, ready, err
		}
	}
}

// Poll is Next without the waiting; through says whether a watcher has seen all there is.
func (f *Feed) Poll() (pieces []Piece, through func(watcher int) bool, err error) {
	pieces, _, _, err = f.poll()
	return pieces, func(i int) bool { return f.watchers[i].at >= f.s.published.Load() }, err
}

// Compacted answers the revision up to which the log is cut off.
func (s *Store) Compacted() uint64 { return s.compacted.Load() }

// Migration is one for OpenWith.
type Migration = migration

// Migrations are those of this release.
func Migrations() []Migration { return migrations() }

// OpenWith opens a store as a release with these migrations would.
func OpenWith(dir string, opt Options, steps ...Migration) (*Store, error) {
	return open(dir, opt, steps)
}

// NeedFree changes Options.MinFree of an open store, between commits.
func (s *Store) NeedFree(bytes uint64) { s.opt.MinFree = bytes }
