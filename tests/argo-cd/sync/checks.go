package main

import (
	"os"
	"path/filepath"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	lua "svix-operator.dev/argo-cd/health"
)

// Health checks in Lua by kind. Other kinds have those of the engine.
type checks map[schema.GroupKind]string

// Reads `<folder>/<group>/<kind>/health.lua`.
func readChecks(folder string) (checks, error) {
	scripts, err := filepath.Glob(filepath.Join(folder, "*", "*", "health.lua"))
	if err != nil {
		return nil, err
	}
	found := checks{}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			return nil, err
		}
		kind := filepath.Dir(script)
		group := filepath.Base(filepath.Dir(kind))
		found[schema.GroupKind{Group: group, Kind: filepath.Base(kind)}] = string(text)
	}
	return found, nil
}

// GetResourceHealth implements the engine's HealthOverride.
func (c checks) GetResourceHealth(object *unstructured.Unstructured) (*health.HealthStatus, error) {
	script, ok := c[object.GroupVersionKind().GroupKind()]
	if !ok {
		return nil, nil
	}
	answer, err := lua.Judge(script, object.Object)
	if err != nil {
		return nil, err
	}
	return &health.HealthStatus{Status: health.HealthStatusCode(answer.Status), Message: answer.Message}, nil
}
