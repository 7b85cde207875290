package hosts

import (
	"strconv"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// How many ports a range has.
const minRange, maxRange = 2, 500

// BindRange binds a range of ports of the container to a host of the package, or moves it outside. Binding the same again
// changes nothing. All ports outside are had, or none: a package that asks for a range cannot use another.
func (s *Service) BindRange(tx *store.Tx, pkg, hostID string, first, outside, n uint32) error {
	switch {
	case n < minRange || n > maxRange:
		return invalid("numberOfPorts", "%d is not between %d and %d", n, minRange, maxRange)
	case first == 0 || first > maxPort || first+n-1 > maxPort:
		return invalid("internalStartPort", "%d ports from %d on are none", n, first)
	case outside <= abi.LastPrivilegedPort || outside > maxPort || outside+n-1 > maxPort:
		return invalid("externalStartPort", "%d ports from %d on are not above %d and below %d", n, outside, abi.LastPrivilegedPort, maxPort+1)
	}
	rows, err := s.own(tx, pkg)
	if err != nil {
		return err
	}
	row, err := rows.host(pkg, hostID)
	if err != nil {
		return err
	}
	r := row.Spec.Ranges[first]
	if r == nil {
		if rows.bindings() >= maxBindings {
			return invalid("internalStartPort", "the package has bound %d ports already", maxBindings)
		}
		r = &hostsv1.BindingRange{}
	}
	if r.GetExternalStartPort() != outside || r.GetNumberOfPorts() != n {
		delete(row.Spec.Ranges, first) // its own ports are free for it
		if err := s.claim(tx, row, outside, n); err != nil {
			return err
		}
		rekey(r.GetChoices(), r.GetExternalStartPort(), outside)
		r.ExternalStartPort, r.NumberOfPorts = outside, n
	}
	r.Enabled = true
	row.Spec.Ranges[first] = r
	return s.put(tx, row)
}

// claim refuses a range of which a port cannot be had.
func (s *Service) claim(tx *store.Tx, row *hostsv1.Host, outside, n uint32) error {
	taken, err := s.taken(tx, row)
	if err != nil {
		return err
	}
	for p := outside; p < outside+n; p++ {
		if taken[p] || abi.Withheld(p) {
			return fault.New(metav1.Reason_REASON_PORT_RANGE_TAKEN, "cannot have the ports %d to %d: %d belongs to somebody else", outside, outside+n-1, p).
				With("first", strconv.FormatUint(uint64(outside), 10)).With("last", strconv.FormatUint(uint64(outside+n-1), 10)).
				With("port", strconv.FormatUint(uint64(p), 10))
		}
	}
	return nil
}

// ExportRange makes the interface of a range what the package says. A range has one.
func (s *Service) ExportRange(tx *store.Tx, pkg, host string, first uint32, i *hostsv1.RangeInterface) error {
	if err := abi.CheckRangeInterface(i); err != nil {
		return err
	}
	rows, err := s.own(tx, pkg)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if r := row.Spec.Ranges[first]; r != nil && hostID(row) == host {
			r.RangeInterface = i
			if rows.interfaces() > maxInterfaces {
				return invalid("id", "the package exports more than %d interfaces", maxInterfaces)
			}
			return s.put(tx, row)
		}
	}
	return notFound(pkg, host, first)
}
