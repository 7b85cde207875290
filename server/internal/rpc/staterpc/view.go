package staterpc

import (
	"context"
	"maps"
	"slices"
	"strings"

	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/store"
)

// view is what a caller may read. It does not change: a stream whose caller gets other rights is ended.
type view struct {
	kinds   map[string]store.KindInfo // by name
	numbers []bool                    // whether a kind may be read
	account string
	scope   *access.Scope
}

func viewOf(ctx context.Context) view {
	v := view{kinds: map[string]store.KindInfo{}, account: rpc.Caller(ctx), scope: rpc.CallerScope(ctx)}
	role := rpc.CallerRole(ctx)
	for _, k := range store.Kinds() {
		if rpc.MayRead(k, role, v.scope) {
			v.kinds[k.ID] = k
			v.numbers = append(v.numbers, make([]bool, int(k.Number)+1-len(v.numbers))...) // kinds come in their order
			v.numbers[k.Number] = true
		}
	}
	return v
}

// readable tells whether the caller may read a row.
func (v view) readable(kind *store.KindInfo, id string) bool {
	if int(kind.Number) >= len(v.numbers) || !v.numbers[kind.Number] {
		return false
	}
	owner, _, _ := strings.Cut(id, "/")
	if kind.OfPackage && !v.scope.Covers(owner) {
		return false
	}
	return !kind.Personal || v.account != "" && owner == v.account
}

// rights are what a bookmark of these selectors is bound to: the kinds of theirs that may be read and, where rows of accounts
// can be among them, whose they are.
func (v view) rights(selectors []*statev1.Selector) store.Rights {
	every := len(selectors) == 0 || slices.ContainsFunc(selectors, func(sel *statev1.Selector) bool { return sel.GetKind() == "" })
	names := slices.Sorted(maps.Keys(v.kinds))
	personal := every
	if !every {
		names = slices.DeleteFunc(names, func(name string) bool {
			return !slices.ContainsFunc(selectors, func(sel *statev1.Selector) bool { return sel.GetKind() == name })
		})
		personal = slices.ContainsFunc(names, func(name string) bool { return v.kinds[name].Personal })
	}
	if personal {
		names = append(names, "of "+v.account)
	}
	if v.scope.Narrowed() {
		for _, pkg := range v.scope.Packages {
			names = append(names, "within "+pkg)
		}
	}
	return store.RightsOf(names...)
}
