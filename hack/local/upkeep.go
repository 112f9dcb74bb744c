// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

const (
	// upkeepInterval is between two looks at the processes and at runs without a schedule.
	upkeepInterval = 3 * time.Second
	// restartWait is between two starts of a manager that ends by itself.
	restartWait = 3 * time.Second
	// silenceLimit is how long the control plane may not answer before it is started again: a busy machine is slow too.
	silenceLimit = 20 * time.Second
	// apiTimeout bounds one look at the objects, so that a signal is heard in between.
	apiTimeout = 5 * time.Second
)

// serve waits for a signal, and keeps everything running until then.
func (l *local) serve() {
	for !l.waitForSignal(upkeepInterval) {
		l.keepServers()
		if err := l.deleteOrphans(); err != nil && l.silent.IsZero() {
			l.tell(fmt.Sprintf("deleting the runs of schedules that are deleted: %v", err))
		}
	}
}

// waitForSignal waits for a while at most, and reports whether a signal came.
func (l *local) waitForSignal(atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-l.signals:
		return true
	case <-timer.C:
		return false
	}
}

// keepServers starts again what ended by itself. A manager without a control plane would only end again.
func (l *local) keepServers() {
	l.keepControlPlane()
	if l.silent.IsZero() {
		l.keepManager()
	}
}

// keepManager starts another manager in the place of one that ended by itself. Runs need one.
func (l *local) keepManager() {
	ended := l.manager.Err()
	if ended == nil || time.Since(l.triedAt) < restartWait {
		return
	}
	l.triedAt = time.Now()
	if err := l.startManager(); err != nil {
		l.tell(fmt.Sprintf("%v\nIt cannot be started again: %v\nThis is tried every %s. Rules stay in AWS until it runs.", ended, err, restartWait))
		return
	}
	l.screen.Print(screen.Bad, "%v\nAnother one was started (process %d).", ended, l.manager.PID())
	l.told = ""
}

// keepControlPlane restarts etcd and kube-apiserver, with the same objects and at the same address, if there is no answer for a while.
func (l *local) keepControlPlane() {
	err := l.askControlPlane()
	switch {
	case err == nil:
		l.silent = time.Time{}
		return
	case l.silent.IsZero():
		l.silent = time.Now()
		return
	case time.Since(l.silent) < silenceLimit || time.Since(l.restartedAt) < silenceLimit:
		return
	}
	if l.restartedAt.Before(l.silent) {
		l.screen.Print(screen.Bad, "The control plane has not answered for %s: %v\netcd and kube-apiserver are started again with the same objects. Rules stay in AWS meanwhile.", silenceLimit, err)
	}
	l.screen.Wait("starting etcd and kube-apiserver again", "")
	defer l.screen.Done()
	err = l.plane.Restart()
	l.restartedAt = time.Now()
	if err != nil {
		l.tell(fmt.Sprintf("The control plane cannot be started again: %v\nThis is tried every %s. Rules stay in AWS until it runs.\n%s", err, silenceLimit, l.howToContinue()))
		return
	}
	l.silent, l.told = time.Time{}, ""
	l.screen.Print(screen.Good, "The control plane runs again. The manager goes on with the runs that are on.")
}

// askControlPlane asks kube-apiserver whether it and etcd serve.
func (l *local) askControlPlane() error {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	client, err := rest.HTTPClientFor(l.plane.RESTConfig)
	if err != nil {
		return err
	}
	address, err := url.JoinPath(l.plane.RESTConfig.Host, "readyz") // the host ends with a slash
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("kube-apiserver is not ready: %s", response.Status)
	}
	return nil
}

// deleteOrphans deletes the runs of schedules that are deleted. In a cluster kube-controller-manager does that.
func (l *local) deleteOrphans() error {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	// Runs first: the schedule of each was there before it.
	var runs v1alpha1.AgentDisconnectList
	if err := l.plane.Client.List(ctx, &runs); err != nil {
		return err
	}
	var schedules v1alpha1.AgentDisconnectScheduleList
	if err := l.plane.Client.List(ctx, &schedules); err != nil {
		return err
	}
	hasSchedule := map[types.UID]bool{}
	for _, each := range schedules.Items {
		hasSchedule[each.UID] = true
	}
	for _, obj := range runs.Items {
		owner := metav1.GetControllerOf(&obj)
		if owner == nil || owner.Kind != child.Kind || hasSchedule[owner.UID] || !obj.DeletionTimestamp.IsZero() {
			continue
		}
		if err := l.plane.Client.Delete(ctx, &obj, client.Preconditions{UID: &obj.UID}); client.IgnoreNotFound(err) != nil {
			return err
		}
		l.screen.Print(screen.Marked, "The run %s/%s is deleted with its schedule %s.", obj.Namespace, obj.Name, owner.Name)
	}
	return nil
}

// tell prints a trouble once, until another one is printed.
func (l *local) tell(trouble string) {
	if trouble != l.told {
		l.screen.Print(screen.Bad, "%s", trouble)
	}
	l.told = trouble
}
