package hosts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// Ring seals secrets; *seal.Ring does.
type Ring interface {
	Seal(kind, id string, secret []byte) ([]byte, error)
	Open(kind, id string, sealed []byte) ([]byte, error)
	Rewrap(kind, id string, sealed []byte) (again []byte, changed bool, err error)
}

// gatesKind is what the secrets of a gate are sealed for.
const gatesKind = "hostgates"

// KeepSecrets keeps whom the gate of a binding lets pass. Keeping the same again changes nothing.
func (s *Service) KeepSecrets(tx *store.Tx, pkg, host string, internalPort uint32, known *hostsv1.GateCredentials) error {
	id, err := ids.Join(pkg, host)
	if err != nil {
		return invalid("id", "%s", err)
	}
	plain, err := proto.MarshalOptions{Deterministic: true}.Marshal(known)
	if err != nil {
		return fmt.Errorf("cannot keep the secrets of a gate: %w", err)
	}
	row, there, err := store.Lookup[*hostsv1.HostGates](tx, id)
	if err != nil {
		return err
	}
	if !there {
		row = &hostsv1.HostGates{Meta: &metav1.Meta{Id: id}, Spec: &hostsv1.HostGatesSpec{Sealed: make(map[uint32][]byte)}}
	}
	if had, err := s.ring.Open(gatesKind, gateID(id, internalPort), row.GetSpec().GetSealed()[internalPort]); err == nil && bytes.Equal(had, plain) {
		return nil
	}
	if row.Spec.Sealed[internalPort], err = s.ring.Seal(gatesKind, gateID(id, internalPort), plain); err != nil {
		return err
	}
	return store.Put(tx, row)
}

// forgetSecrets forgets whom the gate of a binding let pass.
func forgetSecrets(tx *store.Tx, id string, internalPort uint32) error {
	row, there, err := store.Lookup[*hostsv1.HostGates](tx, id)
	if err != nil || !there || row.GetSpec().GetSealed()[internalPort] == nil {
		return err
	}
	delete(row.Spec.Sealed, internalPort)
	if len(row.Spec.Sealed) == 0 {
		return store.Delete[*hostsv1.HostGates](tx, id)
	}
	return store.Put(tx, row)
}

// Gates answers whom the gates of a host let pass, by the port inside the container. Nobody passes a gate that is not in the
// answer; those whose secrets cannot be read are told in the error, beside an answer with the others.
func (s *Service) Gates(tx *store.Tx, id string) (map[uint32]*hostsv1.GateCredentials, error) {
	row, there, err := store.Lookup[*hostsv1.HostGates](tx, id)
	if err != nil || !there {
		return nil, err
	}
	out := make(map[uint32]*hostsv1.GateCredentials)
	var failed error
	for port, sealed := range row.GetSpec().GetSealed() {
		known := &hostsv1.GateCredentials{}
		plain, err := s.ring.Open(gatesKind, gateID(id, port), sealed)
		if err == nil {
			err = proto.Unmarshal(plain, known)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot read the secrets of the gate of %s: %w", gateID(id, port), err))
			continue
		}
		out[port] = known
	}
	return out, failed
}

// Rewrap wraps the secrets of all gates with the newest root key.
func (s *Service) Rewrap(ctx context.Context) error {
	_, err := s.store.Update(ctx, time.Now(), func(tx *store.Tx) error {
		rows, err := store.List[*hostsv1.HostGates](tx, "")
		if err != nil {
			return err
		}
		for _, row := range rows {
			changed := false
			for _, port := range slices.Sorted(maps.Keys(row.GetSpec().GetSealed())) {
				again, news, err := s.ring.Rewrap(gatesKind, gateID(row.GetMeta().GetId(), port), row.Spec.Sealed[port])
				if err != nil {
					return err
				}
				row.Spec.Sealed[port], changed = again, changed || news
			}
			if changed {
				if err := store.Put(tx, row); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return err
}

// gateID is the id that the secrets of a gate are sealed for.
func gateID(host string, internalPort uint32) string { return fmt.Sprintf("%s/%d", host, internalPort) }
