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

// restartWait is between two starts of a manager that ends by itself.
const restartWait = 3 * time.Second

// local is what runs, from the answer to the question to the end.
type local struct {
	settings *settings
	account  *account
	place    *place
	screen   *screen.Screen
	target   target

	plane   *controlplane.ControlPlane
	manager *process.Manager
	signals chan os.Signal
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
	if err := l.guide(); err != nil {
		return err
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
func (l *local) start() (err error) {
	l.screen.Wait("starting etcd and kube-apiserver", "")
	defer l.screen.Done()
	if l.plane, err = controlplane.Start(controlplane.Options{Dir: l.place.dir, Durable: true}); err != nil {
		return err
	}
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
func (l *local) startManager() (err error) {
	environment := slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "KUBECONFIG=") })
	l.manager, err = process.Start(context.Background(), process.Command{
		Path: filepath.Join(l.settings.programs, "manager"), Name: l.place.file("manager"), Dir: l.place.dir, Log: l.place.file("manager.log"),
		Env:  append(environment, "KUBECONFIG="+l.place.file("kubeconfig"), "AWS_REGION="+l.account.region),
		Args: slices.Concat([]string{"--metrics-bind-address=0", "--zap-encoder=console", "--zap-time-encoding=rfc3339"}, l.settings.managerArgs),
	})
	return err
}

// serve waits for a signal, and keeps a manager running until then.
func (l *local) serve() {
	for {
		select {
		case <-l.signals:
			return
		case <-l.manager.Ended():
			l.restartManager()
		}
	}
}

// restartManager starts another manager in the place of one that ended by itself. Runs need one.
func (l *local) restartManager() {
	l.screen.Print(screen.Bad, "%v\nIt is started again.", l.manager.Err())
	time.Sleep(restartWait)
	if err := l.startManager(); err != nil {
		l.screen.Print(screen.Bad, "%v", err)
	}
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
