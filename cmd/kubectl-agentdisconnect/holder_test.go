// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

func TestToolsThatHoldAnObject(t *testing.T) {
	type texts = map[string]string
	for name, tc := range map[string]struct {
		labels, annotations texts
		managers            []string
		want                *holder
	}{
		"none":                {labels: texts{"app.kubernetes.io/managed-by": "pipeline"}, managers: []string{"kubectl", "agentdisconnect"}},
		"a Kustomization":     {labels: texts{"kustomize.toolkit.fluxcd.io/name": "runs", "kustomize.toolkit.fluxcd.io/namespace": "chaos"}, want: &holder{what: "Kustomization chaos/runs of Flux", stop: "flux suspend kustomization runs --namespace chaos"}},
		"a HelmRelease":       {labels: texts{"helm.toolkit.fluxcd.io/name": "runs"}, want: &holder{what: "HelmRelease flux-system/runs of Flux", stop: "flux suspend helmrelease runs --namespace flux-system"}},
		"Argo CD, tracked":    {annotations: texts{"argocd.argoproj.io/tracking-id": "chaos-runs:chaos.agentdisconnect.dev/AgentDisconnect:chaos/demo"}, want: &holder{what: "Application chaos-runs of Argo CD", stop: "argocd app set chaos-runs --sync-policy none"}},
		"Argo CD, labelled":   {labels: texts{"argocd.argoproj.io/instance": "chaos-runs"}, want: &holder{what: "Application chaos-runs of Argo CD", stop: "argocd app set chaos-runs --sync-policy none"}},
		"Argo CD, as manager": {managers: []string{"argocd-controller"}, want: &holder{what: "Application APPLICATION of Argo CD", stop: "argocd app set APPLICATION --sync-policy none"}},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Labels: tc.labels, Annotations: tc.annotations}}
			for _, manager := range tc.managers {
				obj.ManagedFields = append(obj.ManagedFields, metav1.ManagedFieldsEntry{Manager: manager})
			}
			NewWithT(t).Expect(holderOf(obj)).To(Equal(tc.want))
		})
	}
}

func TestWhatToDoInsteadSaysUntilWhenItRunsAgain(t *testing.T) {
	g := NewWithT(t)
	h := &holder{what: "Application runs of Argo CD", stop: "argocd …"}
	obj := &v1alpha1.AgentDisconnect{Spec: v1alpha1.AgentDisconnectSpec{SubnetID: "subnet-1"}}
	g.Expect(h.instead(obj)).To(SatisfyAll(ContainSubstring("(an hour after that)"), ContainSubstring("subnet subnet-1"), ContainSubstring("--tool-stopped")))
	obj.Spec.StartDeadline = &metav1.Time{Time: time.Date(2026, 12, 2, 15, 30, 0, 0, time.UTC)}
	g.Expect(h.instead(obj)).To(ContainSubstring("(2026-12-02T15:30:00Z)"))
}

func TestMistakesInCommandsOnRuns(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a typo":                  {[]string{"swe"}, `unexpected argument "swe": did you mean sweep?`},
		"no spec":                 {[]string{"run"}, "--cluster is missing"},
		"half a spec":             {[]string{"run", "--cluster", "demo", "--duration", "1m"}, "--subnet is missing"},
		"a file and flags":        {[]string{"run", "-f", "x", "--mode", "Plan"}, "exclude each other"},
		"a file and a name":       {[]string{"run", "x", "-f", "x"}, "exclude each other"},
		"no such file":            {[]string{"run", "-f", "/no/such/file"}, "/no/such/file"},
		"two names":               {[]string{"run", "a", "b"}, "one name"},
		"no name":                 {[]string{"wait"}, "wait needs the name of one AgentDisconnect"},
		"a time of less":          {[]string{"wait", "a", "--timeout", "-1s"}, "--timeout is -1s"},
		"a cluster for the sweep": {[]string{"sweep", "--context", "x"}, "unknown flag: --context"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Expect(w.run(tc.args...)).To(Equal(exitUsage))
			w.Expect(w.errOut.String()).To(SatisfyAll(ContainSubstring(tc.want), HaveSuffix("See --help.\n")))
		})
	}
}

func TestTheVersionIsAFlagToo(t *testing.T) {
	w := newWorld(t)
	w.Expect(w.run("--version")).To(Equal(exitDone))
	w.Expect(w.out.String()).To(Equal("kubectl agentdisconnect version dev\n"))
}
