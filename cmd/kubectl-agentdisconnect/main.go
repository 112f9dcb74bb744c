// SPDX-License-Identifier: Apache-2.0

// Command kubectl-agentdisconnect is a plugin of kubectl for the day when no Kubernetes cluster is left to ask: from AWS
// alone it finds what runs left behind, and undoes it. On the PATH it is `kubectl agentdisconnect`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// version is stamped at build time.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	p := &program{
		in: os.Stdin, out: os.Stdout, errOut: os.Stderr,
		terminal: term.IsTerminal(int(os.Stdin.Fd())), clock: clock.RealClock{}, load: aws.Load,
	}
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
