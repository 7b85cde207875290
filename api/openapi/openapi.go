// Package openapi holds the OpenAPI document that is generated from the public contract. It is data only.
package openapi

import _ "embed"

// Document is the document: OpenAPI 2.0, JSON.
//
//go:embed hearth.swagger.json
var Document []byte
