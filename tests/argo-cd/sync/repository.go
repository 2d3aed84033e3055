package main

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Reads the manifests that are right in a folder of a revision (Argo CD's kind of source "directory", which does not
// go into further folders unless it is told to), and says which commit that is.
func readRevision(ctx context.Context, repository, revision, folder string) ([]*unstructured.Unstructured, string, error) {
	commit, err := git(ctx, repository, "rev-parse", "--verify", revision+"^{commit}")
	if err != nil {
		return nil, "", err
	}
	commit = strings.TrimSpace(commit)
	files, err := git(ctx, repository, "ls-tree", "-z", "--name-only", commit, path.Clean(folder)+"/")
	if err != nil {
		return nil, "", err
	}
	var manifests []*unstructured.Unstructured
	for file := range strings.SplitSeq(files, "\x00") {
		if !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(file)) {
			continue
		}
		text, err := git(ctx, repository, "show", commit+":"+file)
		if err != nil {
			return nil, "", err
		}
		found, err := kube.SplitYAML([]byte(text))
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", file, err)
		}
		manifests = append(manifests, found...)
	}
	return manifests, commit, nil
}

func git(ctx context.Context, repository string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", append([]string{"-C", repository}, arguments...)...)
	var said strings.Builder
	command.Stderr = &said
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(arguments, " "), err, said.String())
	}
	return string(output), nil
}
