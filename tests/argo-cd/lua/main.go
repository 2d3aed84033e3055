// Command lua tries health checks as Argo CD does: by its own package, with the procedure of its own test of
// `resource_customizations`, and once more as a check from argocd-cm is run, with the few libraries that it then has.
//
// Argument: a folder with `<group>/<Kind>/health.lua`, and next to each a `health_test.yaml` and what that names.
// Standard output: one line for each test and way of running it, as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/health"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// What a `health_test.yaml` says.
type tests struct {
	Tests []struct {
		InputPath    string
		HealthStatus *health.HealthStatus
	}
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder string) error {
	scripts, err := filepath.Glob(filepath.Join(folder, "*", "*", "health.lua"))
	if err != nil {
		return err
	}
	for _, script := range scripts {
		if err := try(script); err != nil {
			return fmt.Errorf("%s: %w", script, err)
		}
	}
	return nil
}

func try(script string) error {
	folder := filepath.Dir(script)
	text, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	var cases tests
	if err := read(filepath.Join(folder, "health_test.yaml"), &cases); err != nil {
		return err
	}
	for _, test := range cases.Tests {
		object := &unstructured.Unstructured{}
		if err := read(filepath.Join(folder, test.InputPath), &object.Object); err != nil {
			return err
		}
		kind := lua.GetConfigMapKey(object.GroupVersionKind())
		overrides := map[string]v1alpha1.ResourceOverride{kind: {HealthLua: string(text)}}
		ways := map[string]func() (*health.HealthStatus, error){
			"upstream": func() (*health.HealthStatus, error) {
				machine := lua.VM{UseOpenLibs: true, ResourceOverrides: overrides}
				found, _, err := machine.GetHealthScript(object)
				if err != nil {
					return nil, err
				}
				return machine.ExecuteHealthLua(object, found)
			},
			"argocd-cm": func() (*health.HealthStatus, error) {
				return lua.ResourceHealthOverrides(overrides).GetResourceHealth(object)
			},
		}
		for way, judge := range ways {
			said, err := judge()
			if err != nil {
				return fmt.Errorf("%s: %w", test.InputPath, err)
			}
			line := map[string]any{
				"folder": filepath.Base(folder), "kind": kind, "way": way, "input": test.InputPath,
				"expected": test.HealthStatus, "said": said,
			}
			if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
				return err
			}
		}
	}
	return nil
}

func read(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return yaml.UnmarshalStrict(text, into)
}
