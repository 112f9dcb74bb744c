// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// pattern is the object of a run that the reconciler took to its end.
type pattern struct{ object *v1alpha1.AgentDisconnect }

// finishedRun takes a run with so many agents to its end. It must have the objects to itself: no manager may be running.
func finishedRun(ctx context.Context, kube client.Client, agents int) (*pattern, error) {
	w := singleWorld()
	for i := range agents - 2 {
		w.Clusters[0].ContainerInstances = append(w.Clusters[0].ContainerInstances, world.ContainerInstance{
			ID: fmt.Sprintf("%032x", i), EC2InstanceID: fmt.Sprintf("i-0%016x", i), Subnet: dedicated, PrivateIP: fmt.Sprintf("10.0.1.%d", 100+i),
		})
	}
	s, err := sim.Start(ctx, sim.Options{NoAgents: true, World: w})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	setConnected := func(connected bool) {
		for _, i := range s.Region().ContainerInstances() {
			s.Region().SetAgentConnected(i.ARN, connected)
		}
	}

	c, err := newCounter(ctx, s, kube, newObject("pattern", single[0], countedRun))
	if err != nil {
		return nil, err
	}
	for _, step := range []struct {
		is   func(version) bool
		then bool
	}{{installed, false}, {restored, true}} {
		if _, err := c.until(ctx, step.is); err != nil {
			return nil, err
		}
		setConnected(step.then)
	}
	if _, err := c.until(ctx, func(v version) bool { return v.object.Status.CompletionTime != nil }); err != nil {
		return nil, err
	}
	obj, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	if obj.Status.State != v1alpha1.StateCompleted {
		return nil, fmt.Errorf("the run was to complete: %s", describe(obj.Name, []version{{object: obj}}))
	}
	return &pattern{obj}, kube.Delete(ctx, obj)
}

// size is how many bytes the object has as JSON.
func (p *pattern) size() int {
	data, _ := json.Marshal(p.object) // it came from the API server
	return len(data)
}

// createAgain creates an object whose run is over as that one was.
func (p *pattern) createAgain(ctx context.Context, kube client.Client) (*v1alpha1.AgentDisconnect, error) {
	obj := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: crowdNamespace, Name: "finished"}, Spec: p.object.Spec}
	if err := kube.Create(ctx, obj); err != nil {
		return nil, err
	}
	obj.Status = *p.object.Status.DeepCopy()
	return obj, kube.Status().Update(ctx, obj)
}

// countRequests counts the requests of the API server so far for objects of the product, by verb.
func countRequests(ctx context.Context, plane *controlplane.ControlPlane) (map[string]float64, error) {
	c, err := kubernetes.NewForConfig(plane.RESTConfig)
	if err != nil {
		return nil, err
	}
	stream, err := c.RESTClient().Get().AbsPath("/metrics").Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stream.Close() }()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(stream)
	if err != nil {
		return nil, err
	}
	counts := map[string]float64{}
	for _, metric := range families["apiserver_request_total"].GetMetric() {
		labels := map[string]string{}
		for _, label := range metric.GetLabel() {
			labels[label.GetName()] = label.GetValue()
		}
		if labels["group"] == v1alpha1.GroupVersion.Group {
			counts[labels["verb"]] += metric.GetCounter().GetValue()
		}
	}
	return counts, nil
}
