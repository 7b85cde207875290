package effects

import (
	"context"
	"encoding/json"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// SubcontainerCreateFs implements EffectsServiceServer.
func (s *Service) SubcontainerCreateFs(ctx context.Context, req *effectsv1.SubcontainerCreateFsRequest) (*effectsv1.SubcontainerCreateFsResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := ids.ParseImage(req.GetImageId()); err != nil {
		return nil, invalid("imageId", err.Error())
	}
	path, guid, err := s.Containers.CreateSubcontainer(ctx, pkg, req.GetImageId(), req.GetName())
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal([]string{path, guid})
	return &effectsv1.SubcontainerCreateFsResponse{Value: raw}, err
}

// SubcontainerDestroyFs implements EffectsServiceServer.
func (s *Service) SubcontainerDestroyFs(ctx context.Context, req *effectsv1.SubcontainerDestroyFsRequest) (*effectsv1.SubcontainerDestroyFsResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return &effectsv1.SubcontainerDestroyFsResponse{}, s.Containers.DestroySubcontainer(ctx, pkg, req.GetGuid())
}

// Mount implements EffectsServiceServer.
func (s *Service) Mount(ctx context.Context, req *effectsv1.MountRequest) (*effectsv1.MountResponse, error) {
	from, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	var t struct {
		PackageID string    `json:"packageId"`
		VolumeID  string    `json:"volumeId"`
		Subpath   *string   `json:"subpath"`
		ReadOnly  bool      `json:"readonly"`
		IDMap     []IDRange `json:"idmap"`
	}
	if err := json.Unmarshal(req.GetTarget(), &t); err != nil {
		return nil, invalid("target", err.Error())
	}
	if _, err := ids.ParseVolume(t.VolumeID); err != nil {
		return nil, invalid("target.volumeId", err.Error())
	}
	var owner string
	err = s.Store.View(func(tx *store.Tx) error {
		var err error
		owner, err = s.reach(ctx, tx, from, t.PackageID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &effectsv1.MountResponse{}, s.Containers.MountVolume(ctx, from, VolumeMount{
		Location: req.GetLocation(), Package: owner, Volume: t.VolumeID, Subpath: deref(t.Subpath), ReadOnly: t.ReadOnly, IDMap: t.IDMap,
	})
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
