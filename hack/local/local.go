// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
	"agentdisconnect.dev/agentdisconnect/hack/process"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// local is what runs, from the answer to the question to the end.
type local struct {
	settings *settings
	account  *account
	place    *place
	screen   *screen.Screen
	target   target

	plane   *controlplane.ControlPlane // the only one: a restart keeps it
	manager *process.Manager           // the last one that was started
	signals chan os.Signal

	triedAt     time.Time // when a manager was last started again
	silent      time.Time // since when the control plane does not answer; zero: it does
	restartedAt time.Time // when the control plane was last started again, or could not be
	told        string    // the last trouble that was printed
}

// work starts everything, waits for a signal, ends all runs and stops what it started.
func (l *local) work() (err error) {
	l.signals = make(chan os.Signal, 2)
	signal.Notify(l.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if err := l.place.begin(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	if err := l.start(); err != nil {
		if l.place.unfinished { // runs may be on
			return fmt.Errorf("%w\n%s", err, l.howToContinue())
		}
		return err
	}
	if err := l.guide(); err != nil { // runs may be on, and need the manager
		l.screen.Print(screen.Bad, "\nThe first commands cannot be printed: %v", err)
	}
	l.serve()
	if err := l.endRuns(); err != nil {
		return err
	}
	if err := l.place.finish(); err != nil {
		return err
	}
	l.screen.Print(screen.Good, "No run is left, and everything in AWS is as it was before the runs.")
	return nil
}

// start brings up the control plane, then the manager.
func (l *local) start() error {
	l.screen.Wait("starting etcd and kube-apiserver", "")
	defer l.screen.Done()
	plane, err := controlplane.Start(controlplane.Options{Dir: l.place.dir, Durable: true})
	if err != nil {
		return err
	}
	l.plane = plane
	if err := os.WriteFile(l.place.file("kubeconfig"), l.plane.Kubeconfig, 0o600); err != nil {
		return err
	}
	l.screen.Wait("starting the manager", "")
	if err := l.startManager(); err != nil {
		return err
	}
	return l.manager.WaitUntilReady(context.Background())
}

// startManager starts it with the user's own environment, in which the SDK finds credentials as it did here.
func (l *local) startManager() error {
	environment := slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "KUBECONFIG=") })
	manager, err := process.Start(context.Background(), process.Command{
		Path: filepath.Join(l.settings.programs, "manager"), Name: l.place.file("manager"), Dir: l.place.dir, Log: l.place.file("manager.log"),
		Env:  append(environment, "KUBECONFIG="+l.place.file("kubeconfig"), "AWS_REGION="+l.account.region),
		Args: slices.Concat([]string{"--metrics-bind-address=0", "--zap-encoder=console", "--zap-time-encoding=rfc3339"}, l.settings.managerArgs),
	})
	if err != nil {
		return err
	}
	l.manager = manager
	return nil
}

// stop stops what was started: the manager first, or it would lose the API server.
func (l *local) stop() error {
	l.screen.Wait("stopping the manager and the control plane", "")
	defer l.screen.Done()
	var err error
	if l.manager != nil {
		err = l.manager.Stop()
	}
	if l.plane != nil {
		err = errors.Join(err, l.plane.Close())
	}
	if err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}
