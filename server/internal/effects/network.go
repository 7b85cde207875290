package effects

import (
	"context"
	"slices"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// Bind implements EffectsServiceServer.
func (s *Service) Bind(ctx context.Context, req *effectsv1.BindRequest) (*effectsv1.BindResponse, error) {
	addSSL, err := abi.ParseAddSSL(nonNull(req.GetAddSsl()))
	if err != nil {
		return nil, err
	}
	secure, err := abi.ParseSecure(nonNull(req.GetSecure()))
	if err != nil {
		return nil, err
	}
	return &effectsv1.BindResponse{}, s.update(ctx, func(tx *store.Tx, pkg string) error {
		return s.Hosts.Bind(tx, pkg, req.GetId(), req.GetInternalPort(), req.GetPreferredExternalPort(), addSSL, secure)
	})
}

// ClearBindings implements EffectsServiceServer.
func (s *Service) ClearBindings(ctx context.Context, req *effectsv1.ClearBindingsRequest) (*effectsv1.ClearBindingsResponse, error) {
	except, err := abi.ParseBindIDs(nonNull(req.GetExcept()))
	if err != nil {
		return nil, err
	}
	return &effectsv1.ClearBindingsResponse{}, s.update(ctx, func(tx *store.Tx, pkg string) error {
		return s.Hosts.ClearBindings(tx, pkg, except)
	})
}

// ExportServiceInterface implements EffectsServiceServer.
func (s *Service) ExportServiceInterface(ctx context.Context, req *effectsv1.ExportServiceInterfaceRequest) (*effectsv1.ExportServiceInterfaceResponse, error) {
	return &effectsv1.ExportServiceInterfaceResponse{}, s.update(ctx, func(tx *store.Tx, pkg string) error {
		return s.Hosts.ExportInterface(tx, pkg, abi.Exported{
			ID: req.GetId(), Name: req.GetName(), Description: req.GetDescription(), Masked: req.GetMasked(),
			AddressInfo: req.GetAddressInfo(), Type: req.GetType(),
		})
	})
}

// ClearServiceInterfaces implements EffectsServiceServer.
func (s *Service) ClearServiceInterfaces(ctx context.Context, req *effectsv1.ClearServiceInterfacesRequest) (*effectsv1.ClearServiceInterfacesResponse, error) {
	return &effectsv1.ClearServiceInterfacesResponse{}, s.update(ctx, func(tx *store.Tx, pkg string) error {
		return s.Hosts.ClearInterfaces(tx, pkg, req.GetExcept())
	})
}

// GetServicePortForward implements EffectsServiceServer.
func (s *Service) GetServicePortForward(ctx context.Context, req *effectsv1.GetServicePortForwardRequest) (*effectsv1.GetServicePortForwardResponse, error) {
	from, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	resp := &effectsv1.GetServicePortForwardResponse{}
	err = s.Store.View(func(tx *store.Tx) error {
		pkg, err := s.reach(tx, from, req.GetPackageId())
		if err != nil {
			return err
		}
		resp.Value, err = s.Hosts.PortsJSON(tx, pkg, req.GetHostId(), req.GetInternalPort())
		return err
	})
	return resp, err
}

// GetSslKey implements EffectsServiceServer.
func (s *Service) GetSslKey(ctx context.Context, req *effectsv1.GetSslKeyRequest) (*effectsv1.GetSslKeyResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	var key string
	err = s.Store.View(func(tx *store.Tx) error {
		var err error
		_, key, err = s.leaf(ctx, tx, pkg, req.GetHostnames(), req.GetAlgorithm())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &effectsv1.GetSslKeyResponse{Value: &key}, nil
}

// leaf makes a certificate for names of the package's own.
func (s *Service) leaf(ctx context.Context, tx *store.Tx, pkg string, names []string, algorithm string) ([]string, string, error) {
	if len(names) == 0 || len(names) > 64 {
		return nil, "", invalid("hostnames", "must name 1 to 64 hosts")
	}
	if algorithm == "" {
		algorithm = "ecdsa"
	}
	if algorithm != "ecdsa" && algorithm != "ed25519" {
		return nil, "", invalid("algorithm", "must be ecdsa or ed25519")
	}
	own, err := s.Hosts.Names(tx, pkg)
	if err != nil {
		return nil, "", err
	}
	for _, n := range names {
		if !slices.Contains(own, n) {
			return nil, "", fault.New(metav1.Reason_REASON_EFFECT_DENIED, "package %q may not have a certificate for %q", pkg, n).With("name", n)
		}
	}
	return s.Certificates.Leaf(ctx, names, algorithm)
}
