//go:build !unix

package main

import "context"

// resized would tell when the terminal has another size; here nothing tells it.
func resized(context.Context, func()) {}
