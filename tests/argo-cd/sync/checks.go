package main

import (
	"os"
	"path/filepath"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
)

// Reads `<folder>/<group>/<kind>/health.lua` as argocd-cm would have it. Argo CD's own package runs them, and its own
// checks for other kinds.
func readChecks(folder string) (lua.ResourceHealthOverrides, error) {
	scripts, err := filepath.Glob(filepath.Join(folder, "*", "*", "health.lua"))
	if err != nil {
		return nil, err
	}
	found := lua.ResourceHealthOverrides{}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			return nil, err
		}
		kind := filepath.Dir(script)
		group := filepath.Base(filepath.Dir(kind))
		found[group+"/"+filepath.Base(kind)] = v1alpha1.ResourceOverride{HealthLua: string(text)}
	}
	return found, nil
}
