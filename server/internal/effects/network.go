package effects

import (
	"context"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/server/internal/store"
)

// Bind implements EffectsServiceServer.
func (s *Service) Bind(ctx context.Context, req *effectsv1.BindRequest) (*effectsv1.BindResponse, error) {
	addSSL, known, err := abi.ParseAddSSL(nonNull(req.GetAddSsl()))
	if err != nil {
		return nil, err
	}
	secure, err := abi.ParseSecure(nonNull(req.GetSecure()))
	if err != nil {
		return nil, err
	}
	s.Hosts.Look()
	return &effectsv1.BindResponse{}, s.update(ctx, func(tx *store.Tx, pkg string) error {
		if err := s.Hosts.Bind(tx, pkg, req.GetId(), req.GetInternalPort(), req.GetPreferredExternalPort(), addSSL, secure); err != nil || known == nil {
			return err
		}
		return s.Hosts.KeepSecrets(tx, pkg, req.GetId(), req.GetInternalPort(), known)
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
		pkg, err := s.reach(ctx, tx, from, req.GetPackageId())
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
	algorithm, err := checkCertificate(req.GetHostnames(), req.GetAlgorithm())
	if err != nil {
		return nil, err
	}
	var key string
	err = s.Store.View(func(tx *store.Tx) error {
		var err error
		key, err = s.Certificates.Key(tx, pkg, req.GetHostnames(), algorithm)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &effectsv1.GetSslKeyResponse{Value: &key}, nil
}

// checkCertificate checks what a certificate is asked for with, and returns the algorithm.
func checkCertificate(names []string, algorithm string) (string, error) {
	if len(names) == 0 || len(names) > 64 {
		return "", invalid("hostnames", "must name 1 to 64 hosts")
	}
	switch algorithm {
	case "":
		return "ecdsa", nil
	case "ecdsa", "ed25519":
		return algorithm, nil
	}
	return "", invalid("algorithm", "must be ecdsa or ed25519")
}
