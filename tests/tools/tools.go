//go:build tools

// Package tools keeps the programs that are built from here in go.mod.
package tools

import (
	_ "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"
	_ "helm.sh/helm/v4/cmd/helm"
)
