package effects

import (
	"context"
	"slices"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// BindRange implements EffectsServiceServer.
func (s *Service) BindRange(ctx context.Context, req *effectsv1.BindRangeRequest) (*effectsv1.BindRangeResponse, error) {
	s.Hosts.Look()
	return &effectsv1.BindRangeResponse{}, s.update(ctx, func(tx *store.Tx, pkg string) error {
		return s.Hosts.BindRange(tx, pkg, req.GetId(), req.GetInternalStartPort(), req.GetExternalStartPort(), req.GetNumberOfPorts())
	})
}

// ExportRangeServiceInterface implements EffectsServiceServer.
func (s *Service) ExportRangeServiceInterface(ctx context.Context, req *effectsv1.ExportRangeServiceInterfaceRequest) (*effectsv1.ExportRangeServiceInterfaceResponse, error) {
	return &effectsv1.ExportRangeServiceInterfaceResponse{}, s.update(ctx, func(tx *store.Tx, pkg string) error {
		return s.Hosts.ExportRange(tx, pkg, req.GetHostId(), req.GetInternalStartPort(), &hostsv1.RangeInterface{
			Id: req.GetId(), Name: req.GetName(), Description: req.GetDescription(), Scheme: req.GetScheme(),
		})
	})
}

// supplier runs fn for a package whose manifest says that it supplies addresses.
func (s *Service) supplier(ctx context.Context, fn func(tx *store.Tx, pkg string) error) error {
	return s.update(ctx, func(tx *store.Tx, pkg string) error {
		m, err := manifestOf(tx, pkg)
		if err != nil {
			return err
		}
		if !slices.Contains(m.Plugins, abi.URLPlugin) {
			return fault.New(metav1.Reason_REASON_EFFECT_DENIED, "package %q may not supply addresses: its manifest does not name the plugin %s", pkg, abi.URLPlugin).
				With("package", pkg).With("target", abi.URLPlugin)
		}
		return fn(tx, pkg)
	})
}

// PluginUrlRegister implements EffectsServiceServer.
func (s *Service) PluginUrlRegister(ctx context.Context, req *effectsv1.PluginUrlRegisterRequest) (*effectsv1.PluginUrlRegisterResponse, error) {
	if _, err := ids.ParseAction(req.GetTableAction()); err != nil {
		return nil, invalid("tableAction", err.Error())
	}
	return &effectsv1.PluginUrlRegisterResponse{}, s.supplier(ctx, func(tx *store.Tx, pkg string) error {
		return s.Hosts.RegisterPlugin(tx, pkg, req.GetTableAction())
	})
}

// PluginUrlExportUrl implements EffectsServiceServer.
func (s *Service) PluginUrlExportUrl(ctx context.Context, req *effectsv1.PluginUrlExportUrlRequest) (*effectsv1.PluginUrlExportUrlResponse, error) {
	v, err := abi.ParsePluginHostname(nonNull(req.GetHostnameInfo()))
	if err != nil {
		return nil, err
	}
	return &effectsv1.PluginUrlExportUrlResponse{}, s.supplier(ctx, func(tx *store.Tx, pkg string) error {
		address, err := v.Supplied(pkg, req.GetRemoveAction(), req.GetOverflowActions())
		if err != nil {
			return err
		}
		return s.Hosts.Supply(tx, v, address)
	})
}

// PluginUrlClearUrls implements EffectsServiceServer.
func (s *Service) PluginUrlClearUrls(ctx context.Context, req *effectsv1.PluginUrlClearUrlsRequest) (*effectsv1.PluginUrlClearUrlsResponse, error) {
	except, err := abi.ParsePluginHostnames(nonNull(req.GetExcept()))
	if err != nil {
		return nil, err
	}
	return &effectsv1.PluginUrlClearUrlsResponse{}, s.supplier(ctx, func(tx *store.Tx, pkg string) error {
		return s.Hosts.ClearSupplied(tx, pkg, except)
	})
}
