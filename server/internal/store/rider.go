package store

import "context"

type riderKey struct{}

// WithRider answers a context whose commits carry rows besides their own: fn runs at the end of the closure of each Update
// with this context that writes something, and what it writes is in the same commit. It follows the rules of closures. Its
// error refuses the commit. As it may run several times, it writes the same rows each time.
func WithRider(ctx context.Context, fn func(tx *Tx) error) context.Context {
	return context.WithValue(ctx, riderKey{}, fn)
}

// ridden is fn followed by the rider of ctx, if there is one and fn wrote something.
func ridden(ctx context.Context, fn func(tx *Tx) error) func(tx *Tx) error {
	rider, ok := ctx.Value(riderKey{}).(func(tx *Tx) error)
	if !ok {
		return fn
	}
	return func(tx *Tx) error {
		if err := fn(tx); err != nil || len(tx.changes()) == 0 {
			return err
		}
		return rider(tx)
	}
}
