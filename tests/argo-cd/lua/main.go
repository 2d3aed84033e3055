// Command lua runs a health check of Argo CD on objects.
//
// Arguments: the script. Standard input: a list of objects as JSON. Standard output: the list of answers as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"svix-operator.dev/argo-cd/health"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var objects []map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	answers := []health.Health{}
	for _, object := range objects {
		answer, err := health.Judge(string(script), object)
		if err != nil {
			return err
		}
		answers = append(answers, answer)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}
