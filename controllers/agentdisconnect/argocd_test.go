// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var _ = Describe("The scripts for Argo CD", func() {
	It("are the ones in the patch of Argo CD's ConfigMap", func() {
		var patch corev1.ConfigMap
		Expect(yaml.UnmarshalStrict([]byte(argoFile("argocd-cm.yaml")), &patch)).To(Succeed())
		Expect(patch.Name).To(Equal("argocd-cm"))
		Expect(patch.Data).To(HaveLen(4))
		for kind, scripts := range map[string]struct{ health, actions string }{
			"AgentDisconnect":         {"health.lua", "actions"},
			"AgentDisconnectSchedule": {"health-schedule.lua", "actions-schedule"},
		} {
			Expect(patch.Data["resource.customizations.health.chaos.agentdisconnect.dev_"+kind]).To(Equal(argoFile(scripts.health)))
			var actions argoActions
			Expect(yaml.UnmarshalStrict([]byte(patch.Data["resource.customizations.actions.chaos.agentdisconnect.dev_"+kind]), &actions)).To(Succeed())
			have := map[string]string{"discovery.lua": actions.Discovery}
			for _, each := range actions.Definitions {
				have[each.Name+".lua"] = each.Action
			}
			files, err := os.ReadDir(filepath.Join("..", "..", "config", "argocd", scripts.actions))
			Expect(err).NotTo(HaveOccurred())
			want := map[string]string{}
			state, _, isCut := strings.Cut(argoFile(filepath.Join(scripts.actions, "discovery.lua")), "\nreturn {")
			Expect(isCut).To(BeTrue())
			for _, file := range files {
				want[file.Name()] = argoFile(filepath.Join(scripts.actions, file.Name()))
				Expect(want[file.Name()]).To(HavePrefix(state), "what is disabled is the same for each script")
			}
			Expect(have).To(Equal(want), kind)
		}
	})

	It("say progressing of an object that the controller has not seen", func(ctx context.Context) {
		w := newWorld(ctx)
		seen := w.raw(ctx, w.create(ctx))
		Expect(argoHealth(seen)).To(Equal(health{progressing, "The controller has not processed the object yet"}))
		for _, status := range []map[string]any{nil, {}, {"observedGeneration": seen.GetGeneration()}, {"observedGeneration": seen.GetGeneration(), "conditions": []any{}}} {
			seen.Object["status"] = status
			if status == nil {
				delete(seen.Object, "status")
			}
			Expect(argoHealth(seen)).To(HaveField("Status", progressing), "%v", status)
		}
	})

	It("give the state and its message, and for what failed the reason", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		Expect(argoHealth(w.raw(ctx, obj)).Message).To(Equal("Blocking: " + condition(w.get(ctx, obj), "Succeeded").Message))
		w.discard(ctx, obj)
		w.tagSubnet("agentdisconnect.dev/allow")
		refused := w.create(ctx)
		w.run(ctx, 0, refused)
		stalled := condition(w.get(ctx, refused), "Stalled")
		Expect(argoHealth(w.raw(ctx, refused))).To(Equal(health{degraded, stalled.Reason + ": " + stalled.Message}))
	})
})
