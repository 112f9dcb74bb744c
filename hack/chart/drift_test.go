// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What Helm adds to every object, and to CRDs.
var (
	helmLabels = []string{"app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "app.kubernetes.io/version", "helm.sh/chart"}
	keep       = "helm.sh/resource-policy"
)

// The chart and the kustomizations are written twice, and install the same.
func TestTheChartRendersWhatTheKustomizationsDo(t *testing.T) {
	for name, tc := range map[string]struct{ folders, args []string }{
		"by default": {folders: []string{"config/default"}},
		"with the Prometheus operator": {
			folders: []string{"config/default", "config/prometheus"},
			args:    []string{"--set=serviceMonitor.enabled=true,prometheusRule.enabled=true"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			want := objects{}
			for _, each := range tc.folders {
				stream, err := command(t, nil, tool(t, "kustomize"), "build", each)
				g.Expect(err).NotTo(HaveOccurred())
				maps.Copy(want, parse(g, stream))
			}
			// helm install --create-namespace makes it.
			g.Expect(want).To(HaveKey("Namespace " + system))
			delete(want, "Namespace "+system)

			got := rendered(t, append(tc.args, "--set=image.repository=agentdisconnect", "--set=image.tag=dev")...)
			g.Expect(slices.Sorted(maps.Keys(got))).To(Equal(slices.Sorted(maps.Keys(want))))
			for key, u := range got {
				withoutHelm(g, u)
				g.Expect(u.Object).To(BeComparableTo(want[key].Object), key)
			}
		})
	}
}

// Also with aggregated user roles.
func TestAggregationIsTheSameInBoth(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	write(g, dir, "resources: [REPO/config/default]\ncomponents: [REPO/config/components/aggregate]\n")
	stream, err := command(t, nil, tool(t, "kustomize"), "build", dir)
	g.Expect(err).NotTo(HaveOccurred())
	want, got := parse(g, stream), rendered(t, repoFlag, "--set=userRoles.aggregate=true")
	byDefault := rendered(t, repoFlag)
	for role, joined := range map[string][]string{"editor": {"admin", "edit"}, "viewer": {"view"}} {
		key := "ClusterRole agentdisconnect-" + role
		withoutHelm(g, got[key])
		g.Expect(got[key].Object).To(BeComparableTo(want[key].Object), key)
		for _, each := range joined {
			label := "rbac.authorization.k8s.io/aggregate-to-" + each
			g.Expect(got[key].GetLabels()).To(HaveKeyWithValue(label, "true"))
			g.Expect(byDefault[key].GetLabels()).NotTo(HaveKey(label))
		}
	}
}

// withoutHelm takes off what Helm adds, which must be there.
func withoutHelm(g Gomega, u *unstructured.Unstructured) {
	labels, annotations := u.GetLabels(), u.GetAnnotations()
	for _, label := range helmLabels {
		g.Expect(labels).To(HaveKey(label), u.GetName())
		delete(labels, label)
	}
	u.SetLabels(labels)
	if u.GetKind() == "CustomResourceDefinition" {
		g.Expect(annotations).To(HaveKeyWithValue(keep, "keep"), "uninstalling must never delete runs")
		delete(annotations, keep)
		u.SetAnnotations(annotations)
	}
}
