package v0

import (
	"encoding/base64"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd"
)

func notFound(why string) error { return fault.New(metav1.Reason_REASON_LISTING_NOT_FOUND, "%s", why) }

func signatureOf(text string) (sign.Signature, error) {
	s, err := sign.ParseSignature(text)
	if err != nil {
		return s, errParams
	}
	return s, nil
}

// offerOf is what a signer sends of a file, which lies at urls or at url.
func offerOf(c call) (registryd.Offer, error) {
	p, err := into[struct {
		URLs       []string         `json:"urls"`
		URL        string           `json:"url"`
		Commitment *s9pk.Commitment `json:"commitment"`
		Signature  string           `json:"signature"`
	}](c)
	if err != nil || p.Commitment == nil {
		return registryd.Offer{}, errParams
	}
	if p.URL != "" {
		p.URLs = []string{p.URL}
	}
	signature, err := signatureOf(p.Signature)
	return registryd.Offer{URLs: p.URLs, Commitment: *p.Commitment, Signature: signature}, err
}

func (h *Handler) packageAdd(c call) (any, error) {
	o, err := offerOf(c)
	if err == nil {
		_, _, err = h.service.AddPackage(c.ctx, c.who, o)
	}
	return nil, err
}

func (h *Handler) packageAddMirror(c call) (any, error) {
	o, err := offerOf(c)
	if err == nil {
		_, _, err = h.service.AddMirror(c.ctx, c.who, o)
	}
	return nil, err
}

func (h *Handler) packageRemove(c call) (any, error) {
	p, err := into[struct {
		ID      ids.Package    `json:"id"`
		Version *exver.Version `json:"version"`
		Sighash *string        `json:"sighash"`
	}](c)
	if err != nil {
		return nil, err
	}
	var sighash []byte
	if p.Sighash != nil {
		if sighash, err = base64.RawStdEncoding.DecodeString(*p.Sighash); err != nil || len(sighash) != 32 {
			return nil, errParams
		}
	}
	return h.service.RemovePackage(c.ctx, c.who, string(p.ID), p.Version, sighash)
}

func (h *Handler) packageRemoveMirror(c call) (any, error) {
	p, err := into[struct {
		ID      ids.Package   `json:"id"`
		Version exver.Version `json:"version"`
		URL     string        `json:"url"`
	}](c)
	if err != nil {
		return nil, err
	}
	return nil, h.service.RemoveMirror(c.ctx, c.who, string(p.ID), p.Version, p.URL)
}

// assetKinds are the forms of images by the names of their methods.
var assetKinds = map[string]registryv1.OSAssetKind{
	"iso": registryv1.OSAssetKind_OS_ASSET_KIND_ISO, "img": registryv1.OSAssetKind_OS_ASSET_KIND_IMG, "squashfs": registryv1.OSAssetKind_OS_ASSET_KIND_SQUASHFS,
}

type assetParams struct {
	Version    exver.Plain             `json:"version"`
	Platform   string                  `json:"platform"`
	URL        string                  `json:"url"`
	Signature  string                  `json:"signature"`
	Commitment registry.FileCommitment `json:"commitment"`
}

func (p assetParams) file(kind registryv1.OSAssetKind) registryd.SystemFile {
	return registryd.SystemFile{Version: p.Version.String(), Platform: p.Platform, Kind: kind, URL: p.URL}
}

func (h *Handler) assetAdd(kind registryv1.OSAssetKind) func(call) (any, error) {
	return func(c call) (any, error) {
		p, err := into[assetParams](c)
		if err != nil {
			return nil, err
		}
		f := p.file(kind)
		hash, err := base64.RawStdEncoding.DecodeString(p.Commitment.Hash)
		if err != nil || len(hash) != 32 || p.URL == "" || p.Platform == "" {
			return nil, errParams
		}
		f.Commitment = &registryv1.FileCommitment{Hash: hash, Size: p.Commitment.Size}
		if f.Signature, err = signatureOf(p.Signature); err != nil {
			return nil, err
		}
		_, err = h.service.AddOSAsset(c.ctx, c.who, f)
		return nil, err
	}
}

func (h *Handler) assetSign(kind registryv1.OSAssetKind) func(call) (any, error) {
	return func(c call) (any, error) {
		p, err := into[assetParams](c)
		if err != nil {
			return nil, err
		}
		f := p.file(kind)
		if f.Signature, err = signatureOf(p.Signature); err != nil {
			return nil, err
		}
		_, err = h.service.SignOSAsset(c.ctx, c.who, f)
		return nil, err
	}
}

func (h *Handler) assetRemove(kind registryv1.OSAssetKind) func(call) (any, error) {
	return func(c call) (any, error) {
		p, err := into[assetParams](c)
		if err != nil {
			return nil, err
		}
		return nil, h.service.DeleteOSAsset(c.ctx, c.who, p.file(kind))
	}
}
