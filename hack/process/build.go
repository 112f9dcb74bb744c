// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const module = "agentdisconnect.dev/agentdisconnect"

// Build builds programs of the module, such as ./cmd/manager, into a folder, as the Dockerfile does: what runs here is what
// ships, and is compiled once for both.
func Build(ctx context.Context, dir string, packages ...string) error {
	root, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return err
	}
	build := []string{"CGO_ENABLED=0", "go", "build", "-C", root, "-trimpath", "-o", dir + string(filepath.Separator)}
	_, err = output(ctx, "env", slices.Concat(build, packages)...)
	return err
}

// output runs a command to its end, and puts what it said on standard error into its error.
func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
