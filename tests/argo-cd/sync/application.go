package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/health"
	argosync "github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/tracing"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// How Argo CD knows its own objects, and the name it has in `managedFields`.
	trackingAnnotation = "argocd.argoproj.io/tracking-id"
	fieldManager       = "argocd-controller"
	// Argo CD's ARGOCD_SYNC_WAVE_DELAY: what others do after a wave is to be seen before its health is judged.
	waveDelay = 2 * time.Second
	// When nothing happens, one looks nevertheless.
	refresh = time.Second
)

// An Application: what is declared, and the engine's cache of what there is.
type application struct {
	arguments arguments
	revision  string
	checks    lua.ResourceHealthOverrides
	config    *rest.Config
	kubectl   *kube.KubectlCmd
	cache     cache.ClusterCache
	targets   map[kube.ResourceKey]*unstructured.Unstructured
	updated   chan struct{}
	dryRuns   diff.ServerSideDryRunner
	// Whether everything was applied: a failure leaves later waves as they were.
	applied bool

	lock sync.Mutex
	told map[kube.ResourceKey]objectStatus
}

// How an object fares, as Argo CD shows it.
type objectStatus struct {
	Sync    string `json:"sync"`
	Health  string `json:"health"`
	Message string `json:"message"`
}

// What the cache keeps with each object.
type mark struct{ tracking string }

func newApplication(
	arguments arguments, manifests []*unstructured.Unstructured, revision string, checks lua.ResourceHealthOverrides,
) (*application, func(), error) {
	config, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	if err != nil {
		return nil, nil, err
	}
	client, err := clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig()
	if err != nil {
		return nil, nil, err
	}
	client.QPS, client.Burst = 50, 100
	app := &application{
		arguments: arguments,
		revision:  revision,
		checks:    checks,
		config:    client,
		kubectl:   &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}},
		targets:   map[kube.ResourceKey]*unstructured.Unstructured{},
		updated:   make(chan struct{}, 1),
		told:      map[kube.ResourceKey]objectStatus{},
	}
	app.cache = cache.NewClusterCache(client,
		cache.SetLogr(logr.Discard()),
		cache.SetKubectl(app.kubectl),
		cache.SetSettings(cache.Settings{ResourceHealthOverride: checks, ResourcesFilter: nothing{}}),
		cache.SetPopulateResourceInfoHandler(func(object *unstructured.Unstructured, _ bool) (any, bool) {
			tracking := object.GetAnnotations()[trackingAnnotation]
			return mark{tracking}, tracking != ""
		}),
	)
	applier, cleanup, err := app.kubectl.ManageServerSideDiffDryRuns(client)
	if err != nil {
		return nil, nil, err
	}
	app.dryRuns = diff.NewK8sServerSideDryRunner(applier)
	stop := func() {
		app.cache.Invalidate()
		cleanup()
	}
	if err := app.cache.EnsureSynced(); err != nil {
		stop()
		return nil, nil, fmt.Errorf("reading the cluster: %w", err)
	}
	for _, manifest := range manifests {
		namespaced, err := app.cache.IsNamespaced(manifest.GroupVersionKind().GroupKind())
		if err != nil {
			stop()
			return nil, nil, err
		}
		if namespaced && manifest.GetNamespace() == "" {
			manifest.SetNamespace(arguments.namespace)
		}
		key := kube.GetResourceKey(manifest)
		annotations := manifest.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[trackingAnnotation] = app.tracking(key)
		manifest.SetAnnotations(annotations)
		app.targets[key] = manifest
	}
	return app, stop, nil
}

// Leaves nothing out.
type nothing struct{}

func (nothing) IsExcludedResource(_, _, _ string) bool { return false }
func (nothing) GetLabelSelector(_, _, _ string) string { return "" }

func (app *application) tracking(key kube.ResourceKey) string {
	name := app.arguments.application
	return fmt.Sprintf("%s:%s/%s:%s/%s", name, key.Group, key.Kind, key.Namespace, key.Name)
}

// What is declared beside what there is; what there is and is no longer declared has no target.
func (app *application) reconcile() (argosync.ReconciliationResult, error) {
	targets := slices.Collect(maps.Values(app.targets))
	live, err := app.cache.GetManagedLiveObjs(targets, func(found *cache.Resource) bool {
		return found.Info.(mark).tracking == app.tracking(found.ResourceKey())
	})
	if err != nil {
		return argosync.ReconciliationResult{}, err
	}
	return argosync.Reconcile(targets, live, app.arguments.namespace, app.cache), nil
}

// Synchronises to the end, which may be a failure. Argo CD makes a new context of the synchronisation for each look at
// the cluster, with what came of it so far, and so does this: one context judges health by the objects it began with.
func (app *application) synchronise(ctx context.Context) error {
	if _, err := app.look(); err != nil {
		return err
	}
	// `settle` goes on listening: until the program ends.
	app.cache.OnResourceUpdated(app.onUpdate)
	started := metav1.Now()
	phase, message := common.OperationRunning, ""
	var results []common.ResourceSyncResult
	for {
		state, err := app.reconcile()
		if err != nil {
			return err
		}
		step, cleanup, err := argosync.NewSyncContext(app.revision, state, app.config, app.config, app.kubectl,
			app.arguments.namespace,
			argosync.WithLogr(logr.Discard()),
			argosync.WithInitialState(phase, message, results, started),
			argosync.WithHealthOverride(app.checks),
			argosync.WithPrune(true),
			argosync.WithServerSideApply(app.arguments.serverSide),
			argosync.WithServerSideApplyManager(fieldManager),
			argosync.WithSyncWaveHook(afterWave),
		)
		if err != nil {
			return err
		}
		step.Sync(ctx)
		phase, message, results = step.GetState()
		cleanup()
		if phase.Completed() {
			app.applied = phase.Successful()
			break
		}
		if err := app.wait(ctx); err != nil {
			return fmt.Errorf("the synchronisation is %s: %s: %w", phase, message, err)
		}
	}
	for _, result := range results {
		tell(map[string]any{
			"event": "result", "kind": result.ResourceKey.Kind, "name": result.ResourceKey.Name,
			"status": result.Status, "message": result.Message, "order": result.Order,
		})
	}
	tell(map[string]any{"event": "operation", "phase": phase, "message": message, "revision": app.revision})
	return nil
}

func afterWave(_ common.SyncPhase, wave int, final bool) error {
	tell(map[string]any{"event": "wave", "wave": wave, "final": final})
	if !final {
		time.Sleep(waveDelay)
	}
	return nil
}

// Waits until each object is as declared, if everything was applied, and its health is one that stays.
func (app *application) settle(ctx context.Context) error {
	for {
		statuses, err := app.look()
		if err != nil {
			return err
		}
		var open []string
		for key, status := range statuses {
			moves := status.Health == string(health.HealthStatusProgressing)
			if moves || app.applied && status.Sync != "Synced" {
				open = append(open, fmt.Sprintf("%s %s: %+v", key.Kind, key.Name, status))
			}
		}
		if len(open) == 0 {
			return nil
		}
		if err := app.wait(ctx); err != nil {
			slices.Sort(open)
			return fmt.Errorf("not settled: %w\n%s", err, strings.Join(open, "\n"))
		}
	}
}

// Waits until something changed, or might have.
func (app *application) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-app.updated:
	case <-time.After(refresh):
	}
	return nil
}

// How each object fares now.
func (app *application) look() (map[kube.ResourceKey]objectStatus, error) {
	state, err := app.reconcile()
	if err != nil {
		return nil, err
	}
	statuses := map[kube.ResourceKey]objectStatus{}
	for i, target := range state.Target {
		live := state.Live[i]
		either := target
		if either == nil {
			either = live
		}
		status, err := app.judge(target, live)
		if err != nil {
			return nil, err
		}
		key := kube.GetResourceKey(either)
		statuses[key] = status
		app.report(key, status)
	}
	return statuses, nil
}

// Called by the cache, which is locked meanwhile, for each change of each object of the cluster.
func (app *application) onUpdate(now, before *cache.Resource, _ map[kube.ResourceKey]*cache.Resource) {
	either := now
	if either == nil {
		either = before
	}
	key := either.ResourceKey()
	if either.Info.(mark).tracking != app.tracking(key) {
		return
	}
	var live *unstructured.Unstructured
	if now != nil {
		live = now.Resource
	}
	status := objectStatus{Sync: "Synced", Health: "Gone"}
	if target := app.targets[key]; target != nil || live != nil {
		var err error
		if status, err = app.judge(target, live); err != nil {
			status = objectStatus{Sync: "Unknown", Health: "Unknown", Message: err.Error()}
		}
	}
	app.report(key, status)
	select {
	case app.updated <- struct{}{}:
	default:
	}
}

// Argo CD's two words on an object, and the reason for the second.
func (app *application) judge(target, live *unstructured.Unstructured) (objectStatus, error) {
	status := objectStatus{Sync: "OutOfSync", Health: string(health.HealthStatusMissing)}
	if live == nil {
		return status, nil
	}
	if target != nil {
		found, err := app.compare(app.ownMode(), target, live)
		if err != nil {
			return status, err
		}
		if !found.Modified {
			status.Sync = "Synced"
		}
	}
	said, err := health.GetResourceHealth(live, app.checks)
	if err != nil {
		return status, err
	}
	// A kind of which nobody can tell how it fares does well.
	status.Health = string(health.HealthStatusHealthy)
	if said != nil {
		status.Health, status.Message = string(said.Status), said.Message
	}
	return status, nil
}

// Tells of a status that is new.
func (app *application) report(key kube.ResourceKey, status objectStatus) {
	app.lock.Lock()
	defer app.lock.Unlock()
	if before, ok := app.told[key]; ok && before == status {
		return
	}
	app.told[key] = status
	tell(map[string]any{
		"event": "object", "kind": key.Kind, "name": key.Name,
		"sync": status.Sync, "health": status.Health, "message": status.Message,
	})
}
