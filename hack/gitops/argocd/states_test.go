// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// enabled are the actions that Argo CD offers for an object. All others must refuse it, since its server runs them too.
func enabled(g Gomega, vm lua.VM, u *unstructured.Unstructured) string {
	scripts, err := vm.GetResourceActionDiscovery(u)
	g.Expect(err).NotTo(HaveOccurred())
	all, err := vm.ExecuteResourceActionDiscovery(u, scripts)
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, action := range all {
		g.Expect(action.DisplayName).NotTo(BeEmpty(), action.Name)
		g.Expect(action.IconClass).NotTo(BeEmpty(), action.Name)
		if !action.Disabled {
			names = append(names, action.Name)
			continue
		}
		script, err := vm.GetResourceAction(u, action.Name)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = vm.ExecuteResourceAction(u, script.ActionLua, nil)
		g.Expect(err).To(MatchError(ContainSubstring("Not ")), action.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestEachStateHasItsHealthAndItsActions(t *testing.T) {
	g, vm := NewWithT(t), engine(t)
	for name, each := range keptStates(t) {
		u := &unstructured.Unstructured{Object: each.Object}
		script, openLibs, err := vm.GetHealthScript(u)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(openLibs).To(BeFalse(), "the scripts need none of Lua's libraries")
		found, err := vm.ExecuteHealthLua(u, script)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(string(found.Status)).To(Equal(each.Health), name)
		g.Expect(found.Message).NotTo(BeEmpty(), name)
		g.Expect(enabled(g, vm, u)).To(Equal(each.Actions), name)
		computed, err := status.Compute(u)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(string(computed.Status)).To(Equal(each.KStatus), name)
	}
}

func TestTheAPIServerTakesWhatEachActionAsksForInEachState(t *testing.T) {
	states, vm, c := keptStates(t), engine(t), newCluster(t)
	tried, n := map[string]int{}, 0
	for _, each := range states {
		for _, action := range strings.Fields(each.Actions) {
			n++
			_, live := c.restore(t.Context(), "argocd-controller", fmt.Sprintf("run-%d", n), each.Object)
			made := c.act(t.Context(), vm, action, live)
			if live.GetName() == made.GetName() {
				c.Expect(made.GetGeneration()).To(BeNumerically(">=", live.GetGeneration()))
			} else {
				c.Expect(made.GetOwnerReferences()).To(HaveLen(1))
				c.Expect(made.GetOwnerReferences()[0].UID).To(Equal(live.GetUID()))
			}
			tried[live.GetKind()+" "+action]++
		}
	}
	t.Log(len(states), "objects; actions tried:", tried)
	for _, action := range []string{"suspend", "resume", "stop", "run-again"} {
		c.Expect(tried).To(HaveKey("AgentDisconnect " + action))
	}
	for _, action := range []string{"suspend", "resume", "run-now"} {
		c.Expect(tried).To(HaveKey("AgentDisconnectSchedule " + action))
	}
}
