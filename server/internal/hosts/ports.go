package hosts

import (
	"fmt"
	"hash/fnv"
	"maps"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// Ports outside. Packages know the dynamic range; within it the part beyond outgoing is taken first, because Linux by
// default gives the ports up to there to outgoing connections, which would be in the way of a listener.
const (
	maxPort      = 65535
	firstDynamic = 49152
	lastDynamic  = 65534
	outgoing     = 60999
)

// assign gives a binding the ports it needs: those it has, else the preferred ones, else dynamic ones. What it no longer
// needs is free for others.
func (s *Service) assign(tx *store.Tx, row *hostsv1.Host, internalPort uint32) error {
	b := row.Spec.Bindings[internalPort]
	have := row.Status.Ports[internalPort]
	if have == nil {
		have = &hostsv1.Ports{}
		row.Status.Ports[internalPort] = have
	}
	if b.GetAddSsl() == nil {
		have.AssignedSslPort = 0
	}
	if !abi.HasPlainPort(b) {
		have.AssignedPort = 0
	}
	needSSL := b.GetAddSsl() != nil && have.AssignedSslPort == 0
	needPlain := abi.HasPlainPort(b) && have.AssignedPort == 0
	if !needSSL && !needPlain {
		return nil
	}
	taken, err := s.taken(tx, row)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s:%d", row.GetMeta().GetId(), internalPort)
	if needSSL {
		if have.AssignedSslPort, err = pick(taken, b.GetAddSsl().GetPreferredExternalPort(), name+"/tls"); err != nil {
			return err
		}
	}
	if needPlain {
		have.AssignedPort, err = pick(taken, b.GetPreferredExternalPort(), name)
	}
	return err
}

// taken are the ports nobody may have: the reserved ones, those of other programs of the machine, and those of all bindings and
// passthroughs; mine stands for its stored self.
func (s *Service) taken(tx *store.Tx, mine *hostsv1.Host) (map[uint32]bool, error) {
	all, err := store.List[*hostsv1.Host](tx, "")
	if err != nil {
		return nil, err
	}
	taken := make(map[uint32]bool, len(s.reserved)+4*len(all))
	maps.Copy(taken, s.reserved)
	maps.Copy(taken, *s.inUse.Load())
	passed, err := store.List[*hostsv1.Passthrough](tx, "")
	if err != nil {
		return nil, err
	}
	for _, p := range passed {
		taken[p.GetSpec().GetPort()] = true
	}
	for _, row := range append(all, mine) {
		if row != mine && row.GetMeta().GetId() == mine.GetMeta().GetId() {
			continue
		}
		for _, p := range row.GetStatus().GetPorts() {
			taken[p.GetAssignedPort()] = true
			taken[p.GetAssignedSslPort()] = true
		}
		for _, r := range row.GetSpec().GetRanges() {
			for p := range r.GetNumberOfPorts() {
				taken[r.GetExternalStartPort()+p] = true
			}
		}
	}
	return taken, nil
}

// pick takes the preferred port or a dynamic one. Which dynamic one follows from the name, not from chance: a
// transaction draws no random numbers, and a package that is installed again has its old addresses back when they are
// still free.
func pick(taken map[uint32]bool, preferred uint32, name string) (uint32, error) {
	if !abi.Withheld(preferred) && !taken[preferred] {
		taken[preferred] = true
		return preferred, nil
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	for _, r := range [][2]uint32{{outgoing + 1, lastDynamic}, {firstDynamic, outgoing}} {
		size := r[1] - r[0] + 1
		for i := range size {
			p := r[0] + (h.Sum32()%size+i)%size
			if !taken[p] {
				taken[p] = true
				return p, nil
			}
		}
	}
	return 0, fault.New(metav1.Reason_REASON_PORT_EXHAUSTED, "cannot assign a port to %s: none of %d to %d is free", name,
		firstDynamic, lastDynamic).With("binding", name)
}

// Ports answers the ports a binding has outside. They stay when the binding is disabled.
func (s *Service) Ports(tx *store.Tx, pkg, host string, internalPort uint32) (*hostsv1.Ports, error) {
	rows, err := s.own(tx, pkg)
	if err != nil {
		return nil, err
	}
	row, b := rows.binding(host, internalPort)
	if b == nil {
		return nil, notFound(pkg, host, internalPort)
	}
	return row.Status.Ports[internalPort], nil
}
