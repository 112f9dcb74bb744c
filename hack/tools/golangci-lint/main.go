// SPDX-License-Identifier: Apache-2.0

// Command golangci-lint is the upstream runner with kube-api-linter compiled in. Upstream's "custom" command
// makes the same binary from a clone of its repository; this way the pinned modules are all that is needed.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/golangci/golangci-lint/v2/pkg/commands"
	"github.com/golangci/golangci-lint/v2/pkg/exitcodes"
	_ "sigs.k8s.io/kube-api-linter"
)

func main() {
	// The runner refuses code of a newer Go than its own, so it must know what built it.
	if err := commands.Execute(commands.BuildInfo{GoVersion: runtime.Version()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitcodes.Failure)
	}
}
