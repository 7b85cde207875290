package v0

import (
	"cmp"
	"slices"
	"time"

	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd"
)

const (
	maxName   = 200
	maxServer = 256 // bytes of the id of a server
	maxList   = 16  // of contacts and keys
	maxText   = 2048
)

func (h *Handler) setName(c call) (any, error) {
	p, err := into[struct {
		Name string `json:"name"`
	}](c)
	if err != nil || len(p.Name) > maxName {
		return nil, errParams
	}
	return nil, h.service.SetIdentity(c.ctx, c.who, &p.Name, nil)
}

func (h *Handler) setIcon(c call) (any, error) {
	p, err := into[struct {
		Icon string `json:"icon"`
	}](c)
	if err != nil {
		return nil, err
	}
	return nil, h.service.SetIdentity(c.ctx, c.who, nil, &p.Icon)
}

type signerParams struct {
	ID     string `json:"id"`
	Signer string `json:"signer"`
}

func (h *Handler) adminAdd(c call) (any, error) {
	p, err := into[signerParams](c)
	if err != nil || p.Signer == "" {
		return nil, errParams
	}
	return nil, h.service.AddAdmin(c.ctx, c.who, p.Signer)
}

func (h *Handler) adminRemove(c call) (any, error) {
	p, err := into[signerParams](c)
	if err != nil || p.Signer == "" {
		return nil, errParams
	}
	return nil, h.service.DeleteAdmin(c.ctx, c.who, p.Signer)
}

// signerList lists signers, or the administrators among them.
func (h *Handler) signerList(onlyAdmins bool) func(call) (any, error) {
	return func(call) (any, error) {
		out := map[string]registry.Signer{}
		for id, row := range h.service.Signers() {
			if row.GetSpec().GetAdmin() || !onlyAdmins {
				out[id] = registryd.SignerOf(row.GetSpec())
			}
		}
		return out, nil
	}
}

func keysOf(list []string) ([][]byte, error) {
	if len(list) > maxList {
		return nil, errParams
	}
	var keys [][]byte
	for _, text := range list {
		key, err := sign.ParsePublicKey(text)
		if err != nil {
			return nil, errParams
		}
		keys = append(keys, key[:])
	}
	return keys, nil
}

func contactsOf(list []registry.Contact) ([]string, error) {
	if len(list) > maxList {
		return nil, errParams
	}
	var texts []string
	for _, c := range list {
		text := registryd.ContactText(c)
		if text == "" || len(text) > maxText {
			return nil, errParams
		}
		texts = append(texts, text)
	}
	return texts, nil
}

func (h *Handler) signerAdd(c call) (any, error) {
	p, err := into[registry.Signer](c)
	if err != nil || p.Name == "" || len(p.Name) > maxName {
		return nil, errParams
	}
	spec := &registryv1.RegistrySignerSpec{Name: p.Name}
	if spec.Keys, err = keysOf(p.Keys); err != nil {
		return nil, err
	}
	if spec.Contacts, err = contactsOf(p.Contact); err != nil {
		return nil, err
	}
	row, err := h.service.AddSigner(c.ctx, c.who, spec)
	if err != nil {
		return nil, err
	}
	return row.GetMeta().GetId(), nil
}

func (h *Handler) signerEdit(c call) (any, error) {
	p, err := into[struct {
		ID            string             `json:"id"`
		SetName       *string            `json:"setName"`
		AddContact    []registry.Contact `json:"addContact"`
		AddKey        []string           `json:"addKey"`
		RemoveContact []registry.Contact `json:"removeContact"`
		RemoveKey     []string           `json:"removeKey"`
	}](c)
	if err != nil || p.SetName != nil && (*p.SetName == "" || len(*p.SetName) > maxName) {
		return nil, errParams
	}
	change := registryd.SignerChange{Name: p.SetName}
	if change.AddKeys, err = keysOf(p.AddKey); err != nil {
		return nil, err
	}
	if change.RemoveKeys, err = keysOf(p.RemoveKey); err != nil {
		return nil, err
	}
	if change.AddContacts, err = contactsOf(p.AddContact); err != nil {
		return nil, err
	}
	if change.RemoveContacts, err = contactsOf(p.RemoveContact); err != nil {
		return nil, err
	}
	_, err = h.service.UpdateSigner(c.ctx, c.who, p.ID, change)
	return nil, err
}

func (h *Handler) signerRemove(c call) (any, error) {
	p, err := into[signerParams](c)
	if err != nil || p.ID == "" {
		return nil, errParams
	}
	return nil, h.service.DeleteSigner(c.ctx, c.who, p.ID)
}

func (h *Handler) packageSignerAdd(c call) (any, error) {
	p, err := into[struct {
		ID       ids.Package  `json:"id"`
		Signer   string       `json:"signer"`
		Versions *exver.Range `json:"versions"`
		Merge    bool         `json:"merge"`
	}](c)
	if err != nil {
		return nil, err
	}
	versions := exver.Any()
	if p.Versions != nil {
		versions = *p.Versions
	}
	return nil, h.service.AddPackageSigner(c.ctx, c.who, string(p.ID), p.Signer, versions, p.Merge)
}

func (h *Handler) packageSignerRemove(c call) (any, error) {
	p, err := into[signerParams](c)
	if err != nil {
		return nil, err
	}
	return nil, h.service.DeletePackageSigner(c.ctx, c.who, p.ID, p.Signer)
}

func (h *Handler) categoryAdd(c call) (any, error) {
	p, err := into[struct {
		ID   string             `json:"id"`
		Name *s9pk.LocaleString `json:"name"`
	}](c)
	if err != nil || p.Name == nil {
		return nil, errParams
	}
	return nil, h.service.SetCategory(c.ctx, c.who, p.ID, *p.Name)
}

func (h *Handler) categoryRemove(c call) (any, error) {
	p, err := into[signerParams](c)
	if err != nil {
		return nil, err
	}
	return nil, h.service.DeleteCategory(c.ctx, c.who, p.ID)
}

func (h *Handler) categorize(in bool) func(call) (any, error) {
	return func(c call) (any, error) {
		p, err := into[struct {
			ID      string `json:"id"`
			Package string `json:"package"`
		}](c)
		if err != nil {
			return nil, err
		}
		return nil, h.service.Categorize(c.ctx, c.who, p.ID, p.Package, in)
	}
}

func (h *Handler) osVersionAdd(c call) (any, error) {
	p, err := into[struct {
		Version       exver.Plain `json:"version"`
		Headline      string      `json:"headline"`
		ReleaseNotes  string      `json:"releaseNotes"`
		SourceVersion exver.Range `json:"sourceVersion"`
	}](c)
	if err != nil {
		return nil, err
	}
	return nil, h.service.AddOSVersion(c.ctx, c.who, p.Version.String(), p.Headline, p.ReleaseNotes, p.SourceVersion)
}

func (h *Handler) osVersionRemove(c call) (any, error) {
	p, err := into[assetParams](c)
	if err != nil {
		return nil, err
	}
	return nil, h.service.DeleteOSVersion(c.ctx, c.who, p.Version.String())
}

func (h *Handler) osSigner(may bool) func(call) (any, error) {
	return func(c call) (any, error) {
		p, err := into[struct {
			Version exver.Plain `json:"version"`
			Signer  string      `json:"signer"`
		}](c)
		if err != nil {
			return nil, err
		}
		return nil, h.service.SetOSSigner(c.ctx, c.who, p.Version.String(), p.Signer, may)
	}
}

type packageCount struct {
	Package string `json:"label"`
	Count   uint64 `json:"count"`
}

type versionCount struct {
	Package string `json:"pkgId"`
	Version string `json:"version"`
	Count   uint64 `json:"count"`
}

func (h *Handler) downloads(c call) (any, error) {
	p, err := into[struct {
		Package *string    `json:"pkgId"`
		Version *string    `json:"version"`
		After   *time.Time `json:"after"`
		Before  *time.Time `json:"before"`
	}](c)
	if err != nil {
		return nil, err
	}
	pkg := ""
	if p.Package != nil {
		pkg = *p.Package
	}
	_, list, err := h.service.Downloads(c.ctx, pkg, dayOf(p.After), dayOf(p.Before))
	if err != nil {
		return nil, err
	}
	out := struct {
		Total      uint64         `json:"totalRequests"`
		ByPackage  []packageCount `json:"byPackage"`
		ByVersions []versionCount `json:"byPackageVersion"`
	}{ByPackage: []packageCount{}, ByVersions: []versionCount{}}
	sums := map[string]int{}
	for _, one := range list {
		if p.Version != nil && one.GetVersion() != *p.Version {
			continue
		}
		out.Total += one.GetCount()
		out.ByVersions = append(out.ByVersions, versionCount{one.GetPackageId(), one.GetVersion(), one.GetCount()})
		at, known := sums[one.GetPackageId()]
		if !known {
			at = len(out.ByPackage)
			sums[one.GetPackageId()] = at
			out.ByPackage = append(out.ByPackage, packageCount{Package: one.GetPackageId()})
		}
		out.ByPackage[at].Count += one.GetCount()
	}
	return out, nil
}

// dayOf is the day of a time; figures are kept by day.
func dayOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

type labelCount struct {
	Label string `json:"label"`
	Count uint64 `json:"count"`
}

// labels are counts, the greatest first.
func labels(counts map[string]uint64) []labelCount {
	out := make([]labelCount, 0, len(counts))
	for name, n := range counts {
		out = append(out, labelCount{name, n})
	}
	slices.SortFunc(out, func(a, b labelCount) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Label, b.Label)) })
	return out
}

func (h *Handler) summary(c call) (any, error) {
	usage, err := h.service.Usage(c.ctx, "", "")
	if err != nil {
		return nil, err
	}
	return struct {
		Checkins  uint64       `json:"totalCheckins"`
		Servers   uint64       `json:"uniqueServers"`
		Requests  uint64       `json:"totalPackageRequests"`
		ByArch    []labelCount `json:"byArch"`
		ByVersion []labelCount `json:"byOsVersion"`
	}{usage.GetCheckins(), usage.GetServers(), usage.GetPackageRequests(), labels(usage.GetArchitectures()), labels(usage.GetOsVersions())}, nil
}

func (h *Handler) users(c call) (any, error) {
	p, err := into[struct {
		After  *time.Time `json:"after"`
		Before *time.Time `json:"before"`
	}](c)
	if err != nil {
		return nil, err
	}
	usage, err := h.service.Usage(c.ctx, dayOf(p.After), dayOf(p.Before))
	if err != nil {
		return nil, err
	}
	return struct {
		Servers  uint64 `json:"uniqueServers"`
		Checkins uint64 `json:"totalCheckins"`
	}{usage.GetServers(), usage.GetCheckins()}, nil
}
