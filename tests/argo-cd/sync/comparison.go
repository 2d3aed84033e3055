package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/diff"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A way in which Argo CD compares.
type mode string

const (
	// The one that is used when nothing is said: what was applied last, what is declared, and what there is.
	clientSide mode = "client-side"
	// With the sync option `ServerSideApply=true`, or the compare option `ServerSideDiff=true`: the API server is asked
	// what an apply would change.
	serverSide mode = "server-side"
)

// The one that goes with how this Application applies.
func (app *application) ownMode() mode {
	if app.arguments.serverSide {
		return serverSide
	}
	return clientSide
}

func (app *application) compare(mode mode, target, live *unstructured.Unstructured) (*diff.DiffResult, error) {
	return diff.Diff(context.Background(), target, live,
		diff.WithLogr(logr.Discard()),
		diff.WithServerSideDiff(mode == serverSide),
		diff.WithServerSideDryRunner(app.dryRuns),
		diff.WithGVKParser(app.cache.GetGVKParser()),
		diff.WithManager(fieldManager),
	)
}

// Compares everything in each way, and tells what differs.
func (app *application) compareAgain() error {
	for _, mode := range []mode{clientSide, serverSide} {
		state, err := app.reconcile()
		if err != nil {
			return err
		}
		different := []any{}
		for i, target := range state.Target {
			live := state.Live[i]
			found, err := app.compare(mode, target, live)
			if err != nil {
				return fmt.Errorf("comparing (%s): %w", mode, err)
			}
			if found.Modified {
				different = append(different, map[string]any{
					"live": json.RawMessage(found.NormalizedLive), "predicted": json.RawMessage(found.PredictedLive),
				})
			}
		}
		tell(map[string]any{
			"event": "comparison", "mode": mode, "compared": len(state.Target), "different": different,
		})
	}
	return nil
}
