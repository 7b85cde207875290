package registry

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Upstream is another registry whose packages a registry of Hearth lists and keeps (hearth.registry.v1), with what came of it.
type Upstream struct {
	Meta struct {
		ID string `json:"id"`
	} `json:"meta"`
	Spec struct {
		URL      string   `json:"url"`
		Packages []string `json:"packages"`
		Versions string   `json:"versions"`
	} `json:"spec"`
	Status struct {
		SyncTime *time.Time `json:"syncTime"`
		Files    int        `json:"files"`
		Error    string     `json:"error"`
		Refusals []struct {
			PackageID string `json:"packageId"`
			Version   string `json:"version"`
			Message   string `json:"message"`
		} `json:"refusals"`
	} `json:"status"`
}

// AddUpstream has the registry take packages of another one: those of some ids, all without; of a range of versions, or all.
func (c *Client) AddUpstream(ctx context.Context, address string, packages []string, versions string) (Upstream, error) {
	var got struct {
		Upstream Upstream `json:"upstream"`
	}
	return got.Upstream, c.rest(ctx, http.MethodPost, "/api/v1/upstreams", map[string]any{"url": address, "packages": packages, "versions": versions}, &got)
}

// Upstreams lists the registries of which packages are taken.
func (c *Client) Upstreams(ctx context.Context) ([]Upstream, error) {
	var got struct {
		Upstreams []Upstream `json:"upstreams"`
	}
	return got.Upstreams, c.rest(ctx, http.MethodGet, "/api/v1/upstreams", nil, &got)
}

// SyncUpstream has the registry look there now, and waits for it.
func (c *Client) SyncUpstream(ctx context.Context, id string) (Upstream, error) {
	var got struct {
		Upstream Upstream `json:"upstream"`
	}
	return got.Upstream, c.rest(ctx, http.MethodPost, "/api/v1/upstreams/"+url.PathEscape(id)+":sync", struct{}{}, &got)
}

// DeleteUpstream ends that packages are taken there.
func (c *Client) DeleteUpstream(ctx context.Context, id string) error {
	return c.rest(ctx, http.MethodDelete, "/api/v1/upstreams/"+url.PathEscape(id), nil, nil)
}
