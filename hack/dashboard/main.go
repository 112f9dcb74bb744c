// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/process"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	// scrapeInterval is short, so that rates of seconds can be computed.
	scrapeInterval = time.Second
	// patience is longer than a run of a minute and the wait for a schedule's next minute.
	patience = 5 * time.Minute
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "Usage: dashboard FOLDER")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := observe(ctx, os.Args[1])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func observe(ctx context.Context, folder string) (err error) {
	address, err := process.FreeAddress(ctx)
	if err != nil {
		return err
	}
	s, err := stack.Start(ctx, stack.Options{Simulator: sim.Options{NoAgents: true}, ManagerArgs: []string{
		"--metrics-bind-address=" + address, "--metrics-secure=false", "--leader-elect", "--leader-election-namespace=default",
		"--agent-poll-interval=100ms", "--network-acl-poll-interval=200ms",
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	run, schedule, err := create(ctx, s.Client)
	if err != nil {
		return err
	}
	tick := time.NewTicker(scrapeInterval)
	defer tick.Stop()
	for ended := false; !ended || schedule.Status.LastScheduleTime == nil; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("run %s is %q, and schedule %s ticked at %v: %w", run.Name, run.Status.State, schedule.Name, schedule.Status.LastScheduleTime, ctx.Err())
		case <-tick.C:
		}
		if err := scrape(ctx, "http://"+address+"/metrics", folder); err != nil {
			return err
		}
		if err := errors.Join(s.Client.Get(ctx, client.ObjectKeyFromObject(run), run), s.Client.Get(ctx, client.ObjectKeyFromObject(schedule), schedule), s.ManagerErr()); err != nil {
			return err
		}
		ended = run.Status.CompletionTime != nil
	}
	// What the last pass counted.
	return scrape(ctx, "http://"+address+"/metrics", folder)
}

// create has the manager do what is to be measured.
func create(ctx context.Context, kube client.Client) (*v1alpha1.AgentDisconnect, *v1alpha1.AgentDisconnectSchedule, error) {
	spec := v1alpha1.AgentDisconnectSpec{Cluster: world.DefaultCluster, SubnetID: world.DedicatedSubnet, Duration: metav1.Duration{Duration: time.Minute}}
	look := spec
	look.Mode = v1alpha1.ModePlan
	plan := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "plan"}, Spec: look}
	run := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "run"}, Spec: spec}
	schedule := &v1alpha1.AgentDisconnectSchedule{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "each-minute"},
		Spec:       v1alpha1.AgentDisconnectScheduleSpec{Schedule: "* * * * *", Template: v1alpha1.AgentDisconnectTemplate{Spec: spec}},
	}
	return run, schedule, errors.Join(kube.Create(ctx, plan), kube.Create(ctx, run), kube.Create(ctx, schedule))
}

// scrape writes what the manager serves to a file that is named after the time.
func scrape(ctx context.Context, url, folder string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.prom", time.Now().UnixMilli())), text, 0o600)
}
