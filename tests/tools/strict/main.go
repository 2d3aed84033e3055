// Command strict reads objects of kinds that are not in the test's API server (the Prometheus operator's, cert-manager's,
// Flux's) into their own Go types, and fails on a field that these do not have, or a value of another type.
//
// Standard input: a list of objects as JSON. Standard output: one line for each object, what was read or what is wrong.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	helm "github.com/fluxcd/helm-controller/api/v2"
	kustomize "github.com/fluxcd/kustomize-controller/api/v1"
	source "github.com/fluxcd/source-controller/api/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

var kinds = map[string]func() any{
	"cert-manager.io/v1/Certificate":               func() any { return &certmanager.Certificate{} },
	"cert-manager.io/v1/Issuer":                    func() any { return &certmanager.Issuer{} },
	"helm.toolkit.fluxcd.io/v2/HelmRelease":        func() any { return &helm.HelmRelease{} },
	"kustomize.toolkit.fluxcd.io/v1/Kustomization": func() any { return &kustomize.Kustomization{} },
	"monitoring.coreos.com/v1/PrometheusRule":      func() any { return &monitoring.PrometheusRule{} },
	"monitoring.coreos.com/v1/ServiceMonitor":      func() any { return &monitoring.ServiceMonitor{} },
	"source.toolkit.fluxcd.io/v1/GitRepository":    func() any { return &source.GitRepository{} },
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	for _, object := range objects {
		var kind struct{ APIVersion, Kind string }
		if err := json.Unmarshal(object, &kind); err != nil {
			return err
		}
		name := kind.APIVersion + "/" + kind.Kind
		make, known := kinds[name]
		if !known {
			return fmt.Errorf("%s: not a kind that is known here", name)
		}
		decoder := json.NewDecoder(bytes.NewReader(object))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(make()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Println(name)
	}
	return nil
}
