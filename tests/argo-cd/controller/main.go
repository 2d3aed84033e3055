// Command controller is Argo CD without its user interface, on one machine: its application controller, and its
// repository server, with a memory in place of Redis. What is read from Git, rendered, compared, applied, pruned and
// waited for is decided and done by Argo CD's own code, from Application objects in a cluster.
//
// The cluster is that of KUBECONFIG; git and helm are those of PATH; TMPDIR keeps what is read from Git. It ends with
// SIGTERM or an interrupt.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	commit "github.com/argoproj/argo-cd/v3/commitserver/apiclient"
	"github.com/argoproj/argo-cd/v3/controller"
	"github.com/argoproj/argo-cd/v3/controller/sharding"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	applications "github.com/argoproj/argo-cd/v3/pkg/client/clientset/versioned"
	"github.com/argoproj/argo-cd/v3/pkg/ratelimiter"
	"github.com/argoproj/argo-cd/v3/reposerver"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	repositorycache "github.com/argoproj/argo-cd/v3/reposerver/cache"
	"github.com/argoproj/argo-cd/v3/reposerver/metrics"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	"github.com/argoproj/argo-cd/v3/util/argo"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	"github.com/argoproj/argo-cd/v3/util/cache"
	"github.com/argoproj/argo-cd/v3/util/cache/appstate"
	"github.com/argoproj/argo-cd/v3/util/git"
	"github.com/argoproj/argo-cd/v3/util/kube"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"github.com/argoproj/argo-cd/v3/util/tls"
	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Longer than any test.
const kept = time.Hour

func main() {
	namespace := flag.String("namespace", "argocd", "where the Applications are")
	flag.Parse()
	logrus.SetLevel(logrus.WarnLevel)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string) error {
	address, err := serveRepositories(ctx)
	if err != nil {
		return err
	}
	loading := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(loading, nil).ClientConfig()
	if err != nil {
		return err
	}
	if err := v1alpha1.SetK8SConfigDefaults(config); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	apps, err := applications.NewForConfig(config)
	if err != nil {
		return err
	}
	configured := settings.NewSettingsManager(ctx, client, namespace)
	shards, err := sharding.GetClusterSharding(client, configured, "legacy", false)
	if err != nil {
		return err
	}
	// What Argo CD's own command defaults to; but metrics are for nobody, the health of each object is to be seen in the
	// Application, and one looks again after seconds: a change of status alone wakes nobody.
	controller, err := controller.NewApplicationController(
		namespace,
		configured,
		client,
		apps,
		apiclient.NewRepoServerClientset(address, 60, tls.Configuration{DisableTLS: true}),
		commit.NewCommitServerClientset("127.0.0.1:1"),
		appstate.NewCache(cache.NewCache(cache.NewInMemoryCache(kept)), kept),
		kube.NewKubectl(),
		5*time.Second, 0, 0, // resynchronisation, the hard one, jitter
		0, &wait.Backoff{Duration: 2 * time.Second, Factor: 3, Cap: 5 * time.Minute}, // self-healing
		0, 3*time.Minute, // time limit of a sync, patience with the repository server
		0, 0, nil, nil, nil, // metrics
		20,   // calls of kubectl at once
		true, // the health of each object in the Application
		shards,
		nil, // namespaces with further Applications
		&ratelimiter.AppControllerRateLimiterConfig{
			BucketSize: 500, BucketQPS: 1e9,
			BaseDelay: time.Millisecond, MaxDelay: time.Second, BackoffFactor: 1.5,
		},
		false, // comparing on the server whatever the Application says
		false, // clusters among several controllers
		normalizers.IgnoreNormalizerOpts{},
		argo.DefaultEnableEventList(),
		false, // manifests that are rendered into Git
	)
	if err != nil {
		return err
	}
	// Not on every address of the machine.
	controller.GetMetricsServer().Addr = "127.0.0.1:0"
	controller.Run(ctx, 20, 10, 1)
	return nil
}

// Starts the repository server, and says where it listens.
func serveRepositories(ctx context.Context) (string, error) {
	enough := resource.MustParse("100M")
	server, err := reposerver.NewServer(
		metrics.NewMetricsServer(),
		repositorycache.NewCache(cache.NewCache(cache.NewInMemoryCache(kept)), kept, 3*time.Minute, 10*time.Second),
		nil,
		repository.RepoServerInitConstants{
			PauseGenerationAfterFailedGenerationAttempts: 3,
			PauseGenerationOnFailureForMinutes:           60,
			MaxCombinedDirectoryManifestsSize:            enough,
			StreamedManifestMaxExtractedSize:             enough.Value(),
			StreamedManifestMaxTarSize:                   enough.Value(),
			HelmManifestMaxExtractedSize:                 enough.Value(),
			HelmRegistryMaxIndexSize:                     enough.Value(),
			OCIManifestMaxExtractedSize:                  enough.Value(),
			EnableBuiltinGitConfig:                       true,
			HelmChartCacheExpiration:                     kept,
		},
		git.NoopCredsStore{},
		"",
		true,
	)
	if err != nil {
		return "", err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	serving := server.CreateGRPC()
	context.AfterFunc(ctx, serving.Stop)
	go func() {
		if err := serving.Serve(listener); err != nil {
			fmt.Fprintln(os.Stderr, "repository server:", err)
			os.Exit(1)
		}
	}()
	return listener.Addr().String(), nil
}
