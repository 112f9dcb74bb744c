// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

const (
	namespace = "default"
	// name and secondName are the objects of the two acts.
	name, secondName = "demo", "second"
	// duration is the shortest that the API takes: the first act waits for its end.
	duration = time.Minute
	// recoverWithin is the shortest that the API takes: the third act waits for it.
	recoverWithin = time.Minute
)

// manifest is what a user writes; more are further lines of the spec.
func (w *walk) manifest(name string, duration time.Duration, more ...string) string {
	var extra strings.Builder
	for _, line := range more {
		extra.WriteString("  " + line + "\n")
	}
	return fmt.Sprintf(`apiVersion: %s
kind: AgentDisconnect
metadata:
  name: %s
  namespace: %s
spec:
  cluster: %s
  subnetID: %s
  duration: %dm
%s`, v1alpha1.GroupVersion, name, namespace, w.cluster, w.subnet, int(duration.Minutes()), extra.String())
}

// firstManifest is that of the first act: the run has a probe, and looks at its callers, which have the shortest time that
// the API takes.
func (w *walk) firstManifest() string {
	return w.manifest(name, duration, fmt.Sprintf("probe: {taskDefinition: %s, interval: 10s}", w.family), fmt.Sprintf("callers: {recoverWithin: %dm}", int(recoverWithin.Minutes())))
}

// apply applies the manifest of the first act.
func (w *walk) apply(ctx context.Context) (string, error) {
	if err := w.applyManifest(ctx, name, w.firstManifest()); err != nil {
		return "", err
	}
	return fmt.Sprintf("the API server accepted it; its %gm are %gm for the agents", duration.Minutes(), duration.Minutes()*w.scale), nil
}

// applyManifest shows a manifest and applies it.
func (w *walk) applyManifest(ctx context.Context, name, manifest string) error {
	for line := range strings.Lines(manifest) {
		w.screen.Block(screen.Plain, "  "+line)
	}
	return w.applyText(ctx, name, manifest)
}

// applyText applies a manifest, as kubectl apply --server-side does. Its object is the one that is looked at from then on.
func (w *walk) applyText(ctx context.Context, name, manifest string) error {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
		return err
	}
	if err := w.stack.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("demo")); err != nil {
		return err
	}
	w.obj = v1alpha1.AgentDisconnect{}
	w.obj.Name = name
	return w.read(ctx)
}

// read reads the object that is looked at.
func (w *walk) read(ctx context.Context) error {
	return w.stack.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: w.obj.Name}, &w.obj)
}

// is reports whether the run is in a state, by the status that was last read, and that status is of the spec as it is.
func (w *walk) is(state string) bool {
	c := meta.FindStatusCondition(w.obj.Status.Conditions, v1alpha1.ConditionSucceeded)
	return c != nil && c.Reason == state && c.ObservedGeneration == w.obj.Generation
}

// state is the run in a few words.
func (w *walk) state() string {
	c := meta.FindStatusCondition(w.obj.Status.Conditions, v1alpha1.ConditionSucceeded)
	if c == nil {
		return "the manager has not processed it yet"
	}
	return c.Reason + ": " + c.Message
}

// findEndpoints waits until every address that the Region's DNS rotates through is in the status.
func (w *walk) findEndpoints(ctx context.Context) (string, error) {
	all := 0
	hosts := w.stack.Sim.World().Hosts
	for _, h := range hosts {
		all += len(h.Addresses)
	}
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		err := w.read(ctx)
		found := 0
		for _, h := range hosts {
			for _, a := range h.Addresses {
				if slices.ContainsFunc(w.obj.Status.Endpoints, func(e v1alpha1.Endpoint) bool { return e.Hostname == h.Name && slices.Contains(e.Addresses, a) }) {
					found++
				}
			}
		}
		return found == all, fmt.Sprintf("%d of %d addresses; %s", found, all, w.state()), err
	})
	if err != nil {
		return "", err
	}
	var rows []screen.Row
	for _, e := range w.obj.Status.Endpoints {
		rows = append(rows, screen.Row{Cells: []string{string(e.Session), e.Hostname, strings.Join(e.Addresses, " ")}})
	}
	w.screen.Table([]string{"SESSION", "HOST", "ADDRESSES"}, rows)
	return fmt.Sprintf("%d addresses of %d hosts, though DNS returns only one per host at a time", all, len(hosts)), nil
}

// showConditions shows the object's conditions as last read, each with its message below: beside it there would be little
// room for that.
func (w *walk) showConditions() {
	w.screen.Print(screen.Dim, "  %-19s  %-7s  %s", "CONDITION", "STATUS", "REASON")
	for _, c := range w.obj.Status.Conditions {
		style := screen.Plain
		if c.Type == v1alpha1.ConditionStalled && c.Status == metav1.ConditionTrue {
			style = screen.Bad
		}
		w.screen.Print(style, "  %-19s  %-7s  %s", c.Type, c.Status, c.Reason)
		w.screen.Print(style, "      %s", c.Message)
	}
}
