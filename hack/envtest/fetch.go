// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// releases is where setup-envtest looks by default.
	releases = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
	// reachTimeout is short: without the network there is a build to get on with.
	reachTimeout = 10 * time.Second
	// fetchTimeout is what a download may take before building is the better bet.
	fetchTimeout = 5 * time.Minute
)

// fetch downloads the newest prebuilt patch release of the pinned minor version into temp. Envtest releases
// exist for few patch releases, and to a CRD one is as good as another.
func fetch(ctx context.Context, temp, version string) (string, error) {
	index := os.Getenv("ENVTEST_INDEX") // for networks that mirror the releases
	if index == "" {
		index = releases
	}
	if err := reach(ctx, index); err != nil {
		return "", err
	}
	say("fetching prebuilt binaries listed in %s", index)

	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	tool := filepath.Join(temp, "setup-envtest")
	if err := run(goCommand(ctx, "-C", "../tools", "build", "-o", tool, "sigs.k8s.io/controller-runtime/tools/setup-envtest")); err != nil {
		return "", err
	}
	minor := version[:strings.LastIndex(version, ".")]
	// Its store is temporary: what is kept is the one folder that install moves.
	use := exec.CommandContext(ctx, tool, "use", minor+".x!", "--index", index, "--bin-dir", temp, "--print", "path")
	path, err := output(use)
	if err != nil {
		return "", err
	}
	if missing := missingFrom(path); len(missing) > 0 {
		return "", fmt.Errorf("the archive has no %s", strings.Join(missing, " and no "))
	}
	return path, os.Chmod(path, 0o755) // setup-envtest may leave it read-only, which can't be moved
}

func reach(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New(url + " answers " + response.Status)
	}
	return nil
}

func run(cmd *exec.Cmd) error {
	_, err := output(cmd)
	return err
}

// output is what cmd prints, trimmed; an error carries what it said on standard error.
func output(cmd *exec.Cmd) (string, error) {
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
