// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/pages"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// holder is a tool that keeps an object as a git repository has it.
type holder struct {
	// what names the tool's own object.
	what string
	// stop is the command that stops the tool.
	stop string
}

// Labels and annotations by which tools mark what they hold, and the names under which they write.
const (
	fluxKustomization = "kustomize.toolkit.fluxcd.io/"
	fluxHelmRelease   = "helm.toolkit.fluxcd.io/"
	argoTracking      = "argocd.argoproj.io/tracking-id"
	argoInstance      = "argocd.argoproj.io/instance"
	argoManager       = "argocd-controller"
)

// holderOf is the tool that holds an object; nil: none is known to.
func holderOf(obj metav1.Object) *holder {
	labels, annotations := obj.GetLabels(), obj.GetAnnotations()
	flux := func(prefix, kind, word string) *holder {
		name, namespace := labels[prefix+"name"], cmp.Or(labels[prefix+"namespace"], "flux-system")
		return &holder{what: fmt.Sprintf("%s %s/%s of Flux", kind, namespace, name), stop: fmt.Sprintf("flux suspend %s %s --namespace %s", word, name, namespace)}
	}
	application, _, _ := strings.Cut(annotations[argoTracking], ":")
	application = cmp.Or(application, labels[argoInstance], annotations[argoInstance])
	byArgo := slices.ContainsFunc(obj.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return m.Manager == argoManager })

	switch {
	case labels[fluxKustomization+"name"] != "":
		return flux(fluxKustomization, "Kustomization", "kustomization")
	case labels[fluxHelmRelease+"name"] != "":
		return flux(fluxHelmRelease, "HelmRelease", "helmrelease")
	case application != "" || byArgo:
		application = cmp.Or(application, "APPLICATION")
		return &holder{what: "Application " + application + " of Argo CD", stop: "argocd app set " + application + " --sync-policy none"}
	}
	return nil
}

// instead says what ends a run whose object a tool creates again.
func (h *holder) instead(obj *v1alpha1.AgentDisconnect) string {
	return fmt.Sprintf("%s holds it in git and creates it again, and it then runs again if that is before its start deadline (%s). "+
		"Remove the tag agentdisconnect.dev/allow from subnet %s: the run ends within 40 seconds. Or stop the tool with `%s`, then repeat the command with --tool-stopped. See %s",
		h.what, startDeadline(obj), obj.Spec.SubnetID, h.stop, pages.File("docs/gitops.md"))
}

// startDeadline is that of the object as the tool would create it again.
func startDeadline(obj *v1alpha1.AgentDisconnect) string {
	if obj.Spec.StartDeadline == nil && obj.Spec.StartAfter == nil {
		return "an hour after that"
	}
	return run.StartDeadline(obj).UTC().Format(time.RFC3339)
}
