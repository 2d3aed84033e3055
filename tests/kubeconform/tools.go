//go:build tools

// Package tools keeps the program that is built from here in go.mod.
package tools

import (
	_ "github.com/yannh/kubeconform/cmd/kubeconform"
)
