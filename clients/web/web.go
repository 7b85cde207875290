// Package web holds the page as it was built, for the server to serve. What it is made of is TypeScript and lies beside;
// 'make build' makes the bundle, which is in no commit: without it the package is empty and the server has no page.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:bundle
var bundle embed.FS

// Bundle are the files of the page, index.html at the root. It is empty when the page was not built.
func Bundle() fs.FS {
	files, err := fs.Sub(bundle, "bundle/dist")
	if err != nil { // only for a path that is none
		panic(err)
	}
	return files
}
