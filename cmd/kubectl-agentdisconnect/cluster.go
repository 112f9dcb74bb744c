// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

const kind = "AgentDisconnect"

// apiKind is a kind that commands work with.
type apiKind struct {
	name string
	// resource is what the API server serves.
	resource schema.GroupVersionResource
	// list is the command that lists its objects.
	list string
}

var (
	runKind      = apiKind{name: kind, resource: v1alpha1.GroupVersion.WithResource("agentdisconnects"), list: "list"}
	scheduleKind = apiKind{name: child.Kind, resource: v1alpha1.GroupVersion.WithResource("agentdisconnectschedules"), list: "schedule list"}
)

// clusterFlags choose a Kubernetes cluster and a namespace, as those of kubectl do.
type clusterFlags struct {
	config *genericclioptions.ConfigFlags
}

// addClusterFlags adds them to a command. Those that ask no Kubernetes cluster have none. What else
// ConfigFlags has is left out: --cluster is the ECS cluster here, and --request-timeout would end
// watches.
func addClusterFlags(cmd *cobra.Command) *clusterFlags {
	f := &clusterFlags{config: &genericclioptions.ConfigFlags{KubeConfig: new(string), Context: new(string), Namespace: new(string)}}
	f.config.AddFlags(cmd.Flags())
	return f
}

// cluster is the Kubernetes cluster and the namespace of one command.
type cluster struct {
	client    dynamic.Interface
	namespace string
	// explicit says that a flag named the namespace.
	explicit bool
	// host is where the API server is.
	host string
}

// connectKubernetes prepares to ask the cluster that the flags choose. It makes no call yet.
func (p *program) connectKubernetes(f *clusterFlags) (*cluster, error) {
	config, err := f.config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("no Kubernetes cluster: %w. Name one with --context or --kubeconfig", err)
	}
	namespace, explicit, err := f.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("no namespace: %w", err)
	}

	config.UserAgent = product + "/" + version
	config.WarningHandler = rest.NewWarningWriter(p.errOut, rest.WarningWriterOptions{Deduplicate: true})
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("no Kubernetes cluster: %w", err)
	}
	return &cluster{client: client, namespace: namespace, explicit: explicit, host: config.Host}, nil
}

// in is the namespace's part of the API of runs.
func (c *cluster) in(namespace string) dynamic.ResourceInterface {
	return c.client.Resource(runKind.resource).Namespace(namespace)
}

// get reads an AgentDisconnect.
func (c *cluster) get(ctx context.Context, namespace, name string) (*v1alpha1.AgentDisconnect, error) {
	return getObject[v1alpha1.AgentDisconnect](ctx, c, runKind, namespace, name)
}

// getObject reads an object of a kind.
func getObject[T any](ctx context.Context, c *cluster, k apiKind, namespace, name string) (*T, error) {
	u, err := c.client.Resource(k.resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, c.explainOf(k, "get", namespace, name, err)
	}
	return decodeAs[T](u)
}

// listObjects reads the objects of a kind in the namespace, or in all. An empty selector selects every one.
func listObjects[T any](ctx context.Context, c *cluster, k apiKind, selector string) ([]T, error) {
	answer, err := c.client.Resource(k.resource).Namespace(c.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, c.explainOf(k, "list", c.namespace, "", err)
	}
	var objects []T
	for i := range answer.Items {
		obj, err := decodeAs[T](&answer.Items[i])
		if err != nil {
			return nil, err
		}
		objects = append(objects, *obj)
	}
	return objects, nil
}

func decode(u *unstructured.Unstructured) (*v1alpha1.AgentDisconnect, error) {
	return decodeAs[v1alpha1.AgentDisconnect](u)
}

func decodeAs[T any](u *unstructured.Unstructured) (*T, error) {
	obj := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, obj); err != nil {
		return nil, fmt.Errorf("reading %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	return obj, nil
}

// named names an AgentDisconnect in a sentence.
func named(namespace, name string) string { return runKind.named(namespace, name) }

// named names an object of the kind in a sentence.
func (k apiKind) named(namespace, name string) string {
	if name == "" {
		return k.name + " in namespace " + namespace
	}
	return k.name + " " + namespace + "/" + name
}

// explain says what failed of a verb on an AgentDisconnect.
func (c *cluster) explain(verb, namespace, name string, err error) error {
	return c.explainOf(runKind, verb, namespace, name, err)
}

// explainOf says what failed of a verb, and what helps against it. The error stays in the chain.
func (c *cluster) explainOf(k apiKind, verb, namespace, name string, err error) error {
	what := fmt.Sprintf("%s %s", verb, k.named(namespace, name))
	var status apierrors.APIStatus
	answered := errors.As(err, &status)
	var network net.Error
	switch {
	case isMissingKind(err):
		return fmt.Errorf("%s: the cluster at %s does not know the kind %s (%s). Install it there (make install), or name another cluster with --context: %w",
			what, c.host, k.name, v1alpha1.GroupVersion, err)
	case apierrors.IsNotFound(err) && verb == "create":
		return fmt.Errorf("%s: %w. Name a namespace that there is with --namespace", what, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: there is none of that name at %s. See kubectl agentdisconnect %s --namespace %s: %w", what, c.host, k.list, namespace, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w. Have the ClusterRole agentdisconnect-%s bound to you there (edit and view have these permissions only where the installation aggregates them); kubectl auth can-i %s %s.%s --namespace %s tells",
			what, err, roleFor(verb), verb, k.resource.Resource, k.resource.Group, namespace)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the cluster at %s does not accept the credentials of the kubeconfig. Log in again: %w", what, c.host, err)
	case !answered && errors.As(err, &network):
		return fmt.Errorf("%s: the cluster at %s can't be reached. Is --context the right one? %w", what, c.host, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// roleFor is the part of a ClusterRole's name that says what it grants: all that a verb on runs and schedules needs.
func roleFor(verb string) string {
	switch verb {
	case "get", "list", "watch":
		return "viewer"
	}
	return "editor"
}

// isMissingKind tells an API server without the CRD from one without the object: it names no
// object.
func isMissingKind(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || details.Name == "" || details.Kind == ""
}
