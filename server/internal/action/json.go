package action

import (
	"bytes"
	"encoding/json"
	"strings"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// parseMetadata reads what a package says about an action. Members it does not know are left out; members that are
// missing have the value packages of older SDKs mean by it.
func parseMetadata(raw []byte) (*actionsv1.ActionSpec, error) {
	var m struct {
		Name            string          `json:"name"`
		Description     *string         `json:"description"`
		Warning         *string         `json:"warning"`
		Visibility      json.RawMessage `json:"visibility"`
		AllowedStatuses string          `json:"allowedStatuses"`
		HasInput        bool            `json:"hasInput"`
		Group           *string         `json:"group"`
		Access          string          `json:"access"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, invalid("metadata", err.Error())
	}
	spec := &actionsv1.ActionSpec{
		Name: m.Name, Description: deref(m.Description), Warning: deref(m.Warning), HasInput: m.HasInput, Group: deref(m.Group),
	}
	if err := parseVisibility(spec, m.Visibility); err != nil {
		return nil, err
	}
	switch m.AllowedStatuses {
	case "only-running":
		spec.AllowedStatuses = actionsv1.ActionSpec_ALLOWED_STATUSES_ONLY_RUNNING
	case "only-stopped":
		spec.AllowedStatuses = actionsv1.ActionSpec_ALLOWED_STATUSES_ONLY_STOPPED
	case "any", "":
		spec.AllowedStatuses = actionsv1.ActionSpec_ALLOWED_STATUSES_ANY
	default:
		return nil, invalid("metadata.allowedStatuses", "must be only-running, only-stopped or any")
	}
	switch m.Access {
	case "user", "":
		spec.Access = actionsv1.ActionSpec_ACCESS_LEVEL_USER
	case "dependent":
		spec.Access = actionsv1.ActionSpec_ACCESS_LEVEL_DEPENDENT
	case "public":
		spec.Access = actionsv1.ActionSpec_ACCESS_LEVEL_PUBLIC
	default:
		return nil, invalid("metadata.access", "must be user, dependent or public")
	}
	return spec, nil
}

// parseVisibility reads "enabled", "hidden" or {"disabled": reason}.
func parseVisibility(spec *actionsv1.ActionSpec, raw json.RawMessage) error {
	var word string
	if len(raw) == 0 || json.Unmarshal(raw, &word) == nil {
		switch word {
		case "enabled", "":
			spec.Visibility = actionsv1.ActionSpec_VISIBILITY_ENABLED
			return nil
		case "hidden":
			spec.Visibility = actionsv1.ActionSpec_VISIBILITY_HIDDEN
			return nil
		}
		return invalid("metadata.visibility", "must be enabled, hidden or disabled with a reason")
	}
	var disabled struct {
		Disabled *string `json:"disabled"`
	}
	if err := json.Unmarshal(raw, &disabled); err != nil || disabled.Disabled == nil {
		return invalid("metadata.visibility", "must be enabled, hidden or disabled with a reason")
	}
	spec.Visibility, spec.DisabledReason = actionsv1.ActionSpec_VISIBILITY_DISABLED, *disabled.Disabled
	return nil
}

// newestResult brings the result of an action to the newest form, version 1; null is nothing.
func newestResult(raw []byte) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var head struct {
		Version string  `json:"version"`
		Message string  `json:"message"`
		Value   *string `json:"value"`
		Copy    bool    `json:"copyable"`
		QR      bool    `json:"qr"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "cannot use the result of the action: it is not a result object")
	}
	if head.Version != "0" {
		return raw, nil
	}
	type single struct {
		Type     string `json:"type"`
		Value    string `json:"value"`
		Copyable bool   `json:"copyable"`
		QR       bool   `json:"qr"`
		Masked   bool   `json:"masked"`
	}
	newest := struct {
		Version string  `json:"version"`
		Title   string  `json:"title"`
		Message string  `json:"message"`
		Result  *single `json:"result"`
	}{Version: "1", Title: "Action Complete", Message: head.Message}
	if head.Value != nil {
		newest.Result = &single{Type: "single", Value: *head.Value, Copyable: head.Copy, QR: head.QR}
	}
	return json.Marshal(newest)
}

// partOf tells whether want is a deep part of have: objects by key, arrays element by element, each wanted element
// contained in some element had, all else equal.
func partOf(want, have any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range w {
			hv, ok := h[k]
			if !ok || !partOf(v, hv) {
				return false
			}
		}
		return true
	case []any:
		h, ok := have.([]any)
		if !ok {
			return false
		}
		for _, v := range w {
			if !anyHolds(v, h) {
				return false
			}
		}
		return true
	}
	return want == have
}

func anyHolds(want any, have []any) bool {
	for _, h := range have {
		if partOf(want, h) {
			return true
		}
	}
	return false
}

// conflicts tells whether two partial values cannot both be part of one value: some key in both has other scalars.
func conflicts(a, b any) bool {
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if aok && bok {
		for k, v := range am {
			if w, ok := bm[k]; ok && conflicts(v, w) {
				return true
			}
		}
		return false
	}
	if _, ok := a.([]any); ok {
		return !partOf(a, b)
	}
	return a != b
}

func isObject(raw []byte) bool {
	return json.Valid(raw) && strings.HasPrefix(strings.TrimSpace(string(raw)), "{")
}

func isObjectOrNull(raw []byte) bool {
	return isObject(raw) || strings.TrimSpace(string(raw)) == "null"
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
