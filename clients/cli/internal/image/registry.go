package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk/fetch"
)

// backoff is how often a registry that does not answer is asked again.
var backoff = remote.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Steps: 2}

// fromRegistry is an image of a registry, for the architecture when it has several. The credentials are those that
// "docker login" left.
func fromRegistry(ctx context.Context, ref, arch string) (*Image, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, notFound("cannot pack: %q names no image: %v", ref, err)
	}
	p := platform(arch)
	d, err := remote.Get(r, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithPlatform(p),
		remote.WithTransport(encrypted{fetch.Patient()}), remote.WithRetryBackoff(backoff))
	if err != nil {
		return nil, notFetched(ctx, r, err)
	}
	if d.MediaType.IsIndex() {
		if has, err := hasPlatform(d, p); err != nil || !has {
			return nil, errors.Join(err, notFound("cannot pack: %s has no image for %s", ref, arch))
		}
	}
	img, err := d.Image()
	if err != nil {
		return nil, notFetched(ctx, r, err)
	}
	return fromManifest(img, ref, arch)
}

// encrypted speaks plain HTTP with this machine alone: the library falls back to it for every private address, where anybody
// in the network could then read the credentials and choose the image.
type encrypted struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (e encrypted) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !isThisMachine(req.URL.Hostname()) {
		return nil, fmt.Errorf("%s answers without TLS, which is for registries of this machine alone", req.URL.Host)
	}
	return e.next.RoundTrip(req)
}

func isThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// hasPlatform looks for a platform in what a registry has under a name.
func hasPlatform(d *remote.Descriptor, p v1.Platform) (bool, error) {
	index, err := d.ImageIndex()
	if err != nil {
		return false, malformed("%s: %v", d.Digest, err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		return false, malformed("%s: %v", d.Digest, err)
	}
	return slices.ContainsFunc(m.Manifests, func(d v1.Descriptor) bool { return d.Platform == nil || d.Platform.Satisfies(p) }), nil
}

// notFetched words why a registry did not give an image.
func notFetched(ctx context.Context, r name.Reference, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	host := r.Context().RegistryStr()
	var refused *transport.Error
	if errors.As(err, &refused) {
		switch refused.StatusCode {
		case http.StatusNotFound:
			return notFound("cannot pack: there is no image %s", r)
		case http.StatusUnauthorized, http.StatusForbidden:
			return fault.New(metav1.Reason_REASON_IMAGE_SOURCE_DENIED,
				"cannot pack: %s lets nobody read %s without the right credentials; 'docker login %s' leaves them, or $DOCKER_CONFIG names a folder with them", host, r, host)
		}
	}
	return fault.New(metav1.Reason_REASON_IMAGE_SOURCE_UNAVAILABLE, "cannot fetch the image %s: %v", r, err)
}
