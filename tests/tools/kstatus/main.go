// Command kstatus says how objects fare by the library that Flux and Helm read conditions with.
//
// Standard input: a list of objects as JSON. Standard output: one line for each, its status and the message.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var objects []unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	for i := range objects {
		found, err := status.Compute(&objects[i])
		if err != nil {
			return err
		}
		fmt.Printf("%s %s\n", found.Status, found.Message)
	}
	return nil
}
