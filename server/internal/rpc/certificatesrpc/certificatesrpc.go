// Package certificatesrpc answers hearth.certificates.v1.CertificateService from area cert. Which names a device may have is
// decided by the Names it is given, who may call by the contract.
package certificatesrpc

import (
	"context"

	certificatesv1 "github.com/hearthos/hearth/api/gen/go/hearth/certificates/v1"
	"github.com/hearthos/hearth/server/internal/cert"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Names knows the names of the server and its network.
type Names interface {
	// MayGiveDevice refuses names that a device may have no certificate for.
	MayGiveDevice(names []string) error
	// InUse answers what tells which certificates are in use.
	InUse() (func(cert.Issued) bool, error)
	// TrustURLs are the addresses of the page that explains how to trust the root.
	TrustURLs() []string
}

// Server implements the service. It is safe for concurrent use.
type Server struct {
	certificatesv1.UnimplementedCertificateServiceServer
	authority *cert.Authority
	names     Names
}

var _ certificatesv1.CertificateServiceServer = (*Server)(nil)

// New returns the service over an authority.
func New(a *cert.Authority, n Names) *Server { return &Server{authority: a, names: n} }

var holders = map[cert.Holder]certificatesv1.Certificate_Holder{
	cert.Server: certificatesv1.Certificate_HOLDER_SERVER, cert.Package: certificatesv1.Certificate_HOLDER_PACKAGE,
	cert.Device: certificatesv1.Certificate_HOLDER_DEVICE,
}

// GetRoot answers the root certificate.
func (s *Server) GetRoot(context.Context, *certificatesv1.GetRootRequest) (*certificatesv1.GetRootResponse, error) {
	root := s.authority.Root()
	return &certificatesv1.GetRootResponse{
		Pem: string(s.authority.RootPEM()), Fingerprint: s.authority.Fingerprint(), Name: root.Subject.CommonName,
		ExpireTime: timestamppb.New(root.NotAfter), AppleProfile: string(s.authority.AppleProfile()), TrustUrls: s.names.TrustURLs(),
	}, nil
}

// ListCertificates answers what the authority has signed and is in use.
func (s *Server) ListCertificates(context.Context, *certificatesv1.ListCertificatesRequest) (*certificatesv1.ListCertificatesResponse, error) {
	inUse, err := s.names.InUse()
	if err != nil {
		return nil, err
	}
	resp := &certificatesv1.ListCertificatesResponse{}
	for _, i := range s.authority.Issued() {
		if inUse(i) {
			resp.Certificates = append(resp.Certificates, message(i))
		}
	}
	return resp, nil
}

// CreateCertificate makes a certificate for a device.
func (s *Server) CreateCertificate(_ context.Context, r *certificatesv1.CreateCertificateRequest) (*certificatesv1.CreateCertificateResponse, error) {
	if err := s.names.MayGiveDevice(r.GetNames()); err != nil {
		return nil, err
	}
	alg := cert.ECDSA
	if r.GetAlgorithm() == certificatesv1.Certificate_ALGORITHM_ED25519 {
		alg = cert.Ed25519
	}
	i, chain, key, err := s.authority.ForDevice(r.GetNames(), alg)
	if err != nil {
		return nil, err
	}
	return &certificatesv1.CreateCertificateResponse{Certificate: message(i), Chain: string(chain), Key: string(key)}, nil
}

// DeleteCertificate forgets a certificate of a device.
func (s *Server) DeleteCertificate(_ context.Context, r *certificatesv1.DeleteCertificateRequest) (*certificatesv1.DeleteCertificateResponse, error) {
	if err := s.authority.Forget(r.GetId()); err != nil {
		return nil, err
	}
	return &certificatesv1.DeleteCertificateResponse{}, nil
}

func message(i cert.Issued) *certificatesv1.Certificate {
	alg := certificatesv1.Certificate_ALGORITHM_ECDSA
	if i.Algorithm == cert.Ed25519 {
		alg = certificatesv1.Certificate_ALGORITHM_ED25519
	}
	return &certificatesv1.Certificate{
		Id: i.ID, Holder: holders[i.Holder], Names: i.Names, Algorithm: alg,
		BeginTime: timestamppb.New(i.Begin), ExpireTime: timestamppb.New(i.End), Fingerprint: i.Fingerprint,
	}
}
