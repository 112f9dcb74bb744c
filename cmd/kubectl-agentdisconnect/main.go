// SPDX-License-Identifier: Apache-2.0

// Command kubectl-agentdisconnect is a plugin of kubectl: it runs and follows AgentDisconnect
// objects, and for the day when no Kubernetes cluster is left to ask, it finds from AWS alone what
// runs left behind, and undoes it. On the PATH it is `kubectl agentdisconnect`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"golang.org/x/term"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// version is stamped at build time.
var version = "dev"

func main() {
	klog.SetLogger(logr.Discard()) // the Kubernetes client returns its errors too

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	p := &program{
		in: os.Stdin, out: os.Stdout, errOut: os.Stderr,
		terminal: term.IsTerminal(int(os.Stdin.Fd())), size: sizeOf(os.Stdout), errSize: sizeOf(os.Stderr), color: os.Getenv("NO_COLOR") == "",
		clock: clock.RealClock{}, interrupts: interrupts, load: aws.Load,
	}
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// sizeOf gives the size of a terminal; nil: the file is none, or one that can't draw.
func sizeOf(file *os.File) func() view.Size {
	if !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() view.Size {
		width, height, err := term.GetSize(int(file.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return view.Size{Width: 80, Height: 24}
		}
		return view.Size{Width: width, Height: height}
	}
}

// interrupts takes signals for itself. They cancel the context of main too.
func interrupts() (<-chan os.Signal, func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return signals, func() { signal.Stop(signals) }
}
