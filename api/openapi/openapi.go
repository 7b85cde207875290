// Package openapi holds the OpenAPI document that is generated from the public contract. It is data only.
package openapi

import _ "embed"

// Document is the document: OpenAPI 3.1, JSON.
//
//go:embed openapi.json
var Document []byte
