package registryd

import (
	"slices"

	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/server/internal/store"
)

// readPackage reads the rows of a package; nil when there is none.
func readPackage(tx *store.Tx, id string) (*registryv1.StoragePart, error) {
	row, ok, err := store.Lookup[*registryv1.RegistryPackage](tx, id)
	if err != nil || !ok {
		return nil, err
	}
	part := &registryv1.StoragePart{Package: row}
	part.Versions, err = store.List[*registryv1.RegistryVersion](tx, id)
	return part, err
}

// readRest reads the rows that are of no package.
func readRest(tx *store.Tx) (part *registryv1.StoragePart, err error) {
	part = &registryv1.StoragePart{}
	if part.Categories, err = store.List[*registryv1.RegistryCategory](tx, ""); err != nil {
		return nil, err
	}
	if part.Signers, err = store.List[*registryv1.RegistrySigner](tx, ""); err != nil {
		return nil, err
	}
	if part.OsVersions, err = store.List[*registryv1.RegistryOSVersion](tx, ""); err != nil {
		return nil, err
	}
	part.Identity, _, err = store.Lookup[*registryv1.RegistryIdentity](tx, identityID)
	return part, err
}

// putPackage has a package be what a part says; nil: it goes.
func putPackage(tx *store.Tx, id string, part *registryv1.StoragePart) error {
	if err := replace(tx, id, part.GetVersions()); err != nil {
		return err
	}
	if part.GetPackage() == nil {
		return store.Delete[*registryv1.RegistryPackage](tx, id)
	}
	return adopt(tx, part.GetPackage())
}

// putRest has all that is of no package be what a part says.
func putRest(tx *store.Tx, part *registryv1.StoragePart) error {
	if err := replace(tx, "", part.GetCategories()); err != nil {
		return err
	}
	if err := replace(tx, "", part.GetSigners()); err != nil {
		return err
	}
	if err := replace(tx, "", part.GetOsVersions()); err != nil {
		return err
	}
	if part.GetIdentity() == nil {
		return nil
	}
	return adopt(tx, part.GetIdentity())
}

// replace has the rows below a parent be these and no others.
func replace[T store.Row](tx *store.Tx, parent string, rows []T) error {
	have, err := store.IDs[T](tx, parent)
	if err != nil {
		return err
	}
	for _, id := range have {
		if slices.ContainsFunc(rows, func(row T) bool { return row.GetMeta().GetId() == id }) {
			continue
		}
		if err := store.Delete[T](tx, id); err != nil {
			return err
		}
	}
	for _, row := range rows {
		if err := adopt(tx, row); err != nil {
			return err
		}
	}
	return nil
}

// adopt puts a row of another store: of what every resource has it keeps its id alone.
func adopt[T store.Row](tx *store.Tx, row T) error {
	id := row.GetMeta().GetId()
	meta := row.GetMeta()
	meta.Reset()
	meta.Id = id
	return store.Put(tx, row)
}
