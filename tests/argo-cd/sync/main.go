// Command sync is one synchronisation of an Argo CD Application, by Argo CD's own engine: a revision of a Git
// repository into a cluster, wave by wave, with the health checks in Lua that are given; and then a second comparison,
// in each of the ways that Argo CD has.
//
// It takes the place of Argo CD's application controller, which brings Argo CD's servers with it. What the controller
// decides (what is applied, pruned and waited for, and what differs) is decided by the packages of gitops-engine.
//
// Standard output: events, one a line, as JSON. The exit code tells whether the synchronisation could be watched to its
// end, not how it ended.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"
)

type arguments struct {
	// The Application's name, in the marks on its objects.
	application string
	repository  string
	revision    string
	path        string
	namespace   string
	// A folder with `<group>/<kind>/health.lua`, as Argo CD has it.
	health string
	// The sync option `ServerSideApply=true`.
	serverSide bool
	// Only the comparison.
	compare bool
	timeout time.Duration
}

func main() {
	var arguments arguments
	flag.StringVar(&arguments.application, "application", "", "name of the Application")
	flag.StringVar(&arguments.repository, "repository", "", "path of a Git repository")
	flag.StringVar(&arguments.revision, "revision", "HEAD", "what of it")
	flag.StringVar(&arguments.path, "path", ".", "folder with the manifests, in the repository")
	flag.StringVar(&arguments.namespace, "namespace", "", "where what names no namespace goes")
	flag.StringVar(&arguments.health, "health", "", "folder with health checks")
	flag.BoolVar(&arguments.serverSide, "server-side", false, "apply on the server")
	flag.BoolVar(&arguments.compare, "compare", false, "compare, and leave everything as it is")
	flag.DurationVar(&arguments.timeout, "timeout", 2*time.Minute, "when to give up")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, arguments.timeout)
	defer cancel()
	if err := run(ctx, arguments); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments arguments) error {
	manifests, revision, err := readRevision(ctx, arguments.repository, arguments.revision, arguments.path)
	if err != nil {
		return err
	}
	checks, err := readChecks(arguments.health)
	if err != nil {
		return err
	}
	app, stop, err := newApplication(arguments, manifests, revision, checks)
	if err != nil {
		return err
	}
	defer stop()
	if arguments.compare {
		return app.compareAgain()
	}
	if err := app.synchronise(ctx); err != nil {
		return err
	}
	if err := app.settle(ctx); err != nil {
		return err
	}
	return app.compareAgain()
}

var printing sync.Mutex

// Prints one event.
func tell(event any) {
	printing.Lock()
	defer printing.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(event); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
