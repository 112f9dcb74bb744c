// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

// keepForGitOps keeps an object of a state, with what is expected of it, for the tests of hack/gitops, where they ask for it.
func keepForGitOps(u *unstructured.Unstructured, state string, kstatus status.Status, health, actions string) {
	GinkgoHelper()
	folder := os.Getenv("AGENTDISCONNECT_STATES")
	if folder == "" {
		return
	}
	text, err := json.Marshal(map[string]any{"object": u.Object, "kstatus": kstatus, "health": health, "actions": actions})
	Expect(err).NotTo(HaveOccurred())
	name := strings.ReplaceAll(u.GetKind()+" "+strings.TrimSpace(state), " ", "-") + ".json"
	Expect(os.WriteFile(filepath.Join(folder, name), text, 0o600)).To(Succeed())
}

var _ = Describe("An action of Argo CD", func() {
	It("suspends a run, resumes it, stops it, and runs it again for as long as it was to be", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx, within(30*time.Minute), func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.RunID = "2026-12-02"
		})
		act := func(action string) *unstructured.Unstructured {
			GinkgoHelper()
			Expect(argoEnabled("actions", w.raw(ctx, obj))).To(ContainSubstring(action))
			return argoAct(ctx, "actions", action, w.raw(ctx, obj))
		}
		act("suspend")
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended))
		act("resume")
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))

		act("stop")
		w.run(ctx, 20*time.Second, obj)
		w.expectRestored()
		seen := w.finish(ctx, obj, time.Hour)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
		Expect(seen.Status.RunID).To(Equal("2026-12-02"))
		Expect(argoEnabled("actions", w.raw(ctx, obj))).To(Equal("run-again"))

		again := act("run-again")
		run := w.get(ctx, &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: again.GetNamespace(), Name: again.GetName()}})
		Expect(run.Name).To(Equal(fmt.Sprintf("%s-again-%d", obj.Name, seen.Generation)))
		var second []impacted
		Expect(json.Unmarshal(argoRun("actions/run-again.lua", w.raw(ctx, obj)), &second)).To(Succeed())
		Expect(apierrors.IsAlreadyExists(kube.Create(ctx, &second[0].Resource))).To(BeTrue(), "a second click")
		Expect(run.Spec.Duration.Duration).To(Equal(30 * time.Minute))
		Expect(run.Spec.RunID).NotTo(Or(BeEmpty(), Equal("2026-12-02")))
		Expect(metav1.IsControlledBy(run, seen)).To(BeTrue())
		w.run(ctx, time.Minute, run)
		Expect(w.state(ctx, run)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, run)))
		w.discard(ctx, run)
	})

	It("runs one again that watches its callers, though an empty table is a list in Lua", func(ctx context.Context) {
		w, _ := followed(ctx)
		seen := w.raw(ctx, w.completed(ctx))
		Expect(unstructured.SetNestedMap(seen.Object, map[string]any{}, "spec", "callers")).To(Succeed())
		again := argoAct(ctx, "actions", "run-again", seen, metav1.DryRunAll)
		Expect(again.Object["spec"]).To(HaveKeyWithValue("callers", map[string]any{"recoverWithin": "10m"}))
	})

	It("stops a run that has not begun, which never begins then", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.create(ctx, startingAfter(w.clock.Now().Add(time.Hour)))
		w.run(ctx, time.Second, obj)
		argoAct(ctx, "actions", "stop", w.raw(ctx, obj))
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		w.run(ctx, 2*time.Hour, obj)
		Expect(w.get(ctx, obj).Status.StartTime).To(BeNil())
		Expect(w.writes()).To(BeEmpty())
	})

	It("stops a run together with the one that git asks for next", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx, within(30*time.Minute), func(obj *v1alpha1.AgentDisconnect) { obj.Spec.RunID = "one" })
		w.edit(ctx, obj, func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.RunID, obj.Spec.StartAfter = "two", &metav1.Time{Time: w.clock.Now().Add(2 * time.Hour)}
		})
		argoAct(ctx, "actions", "stop", w.raw(ctx, obj))
		w.run(ctx, 3*time.Minute, obj)
		w.expectRestored()
		before := len(w.writes())
		w.run(ctx, 3*time.Hour, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.RunID).To(Equal("two"), describe(seen))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		Expect(seen.Status.StartTime).To(BeNil())
		Expect(w.writes()).To(HaveLen(before), "the new run never began")
	})

	It("forgets how long a run was to be that another one has followed", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx, within(30*time.Minute), func(obj *v1alpha1.AgentDisconnect) { obj.Spec.RunID = "one" })
		argoAct(ctx, "actions", "stop", w.raw(ctx, obj))
		w.finish(ctx, obj, time.Hour)
		Expect(kube.Patch(ctx, obj, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"runID":"two"}}`)))).To(Succeed())
		w.run(ctx, 0, obj)
		w.finish(ctx, obj, time.Hour)
		Expect(w.get(ctx, obj).Status.RunID).To(Equal("two"))
		again := argoAct(ctx, "actions", "run-again", w.raw(ctx, obj), metav1.DryRunAll)
		Expect(again.Object["spec"]).To(HaveKeyWithValue("duration", "1m"))
	})

	It("does not run what a schedule has made again, nor what is being deleted", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx)
		seen := w.raw(ctx, obj)
		seen.SetLabels(map[string]string{v1alpha1.LabelSchedule: "nightly"})
		Expect(argoEnabled("actions", seen)).To(BeEmpty())

		running := w.blocking(ctx)
		w.slowed("ec2:DeleteNetworkAclEntry")
		Expect(kube.Delete(ctx, running)).To(Succeed())
		Expect(argoEnabled("actions", w.raw(ctx, running))).To(BeEmpty())
	})

	It("suspends and resumes a schedule, and runs it now", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.everyMinutes(ctx, "*/30")
		obj.Spec.Template.Metadata = &v1alpha1.TemplateMetadata{Labels: map[string]string{"team": "checkout"}}
		obj.Spec.Template.Spec.Callers = &v1alpha1.Callers{}
		Expect(kube.Update(ctx, obj)).To(Succeed())
		raw := func() *unstructured.Unstructured {
			GinkgoHelper()
			u := &unstructured.Unstructured{}
			u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("AgentDisconnectSchedule"))
			Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), u)).To(Succeed())
			return u
		}
		Expect(argoEnabled("actions-schedule", raw())).To(Equal("run-now suspend"))
		argoAct(ctx, "actions-schedule", "suspend", raw())
		Expect(argoEnabled("actions-schedule", raw())).To(Equal("resume run-now"))
		argoAct(ctx, "actions-schedule", "resume", raw())
		Expect(raw().Object["spec"]).To(HaveKeyWithValue("suspend", false))

		made := argoAct(ctx, "actions-schedule", "run-now", raw())
		run := w.get(ctx, &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: made.GetNamespace(), Name: made.GetName()}})
		Expect(run.Name).To(HavePrefix("often-manual-"))
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
		want := child.NewManual(obj, w.clock.Now())
		Expect(run.Labels).To(Equal(want.Labels))
		Expect(run.Labels).To(HaveKeyWithValue("team", "checkout"))
		Expect(run.Annotations).To(BeEmpty())
		Expect(run.OwnerReferences).To(Equal(want.OwnerReferences))
		want.Spec.StartDeadline = nil
		want.Spec.Callers = &v1alpha1.Callers{RecoverWithin: &metav1.Duration{Duration: 10 * time.Minute}}
		Expect(run.Spec).To(Equal(want.Spec))

		busy := raw()
		Expect(unstructured.SetNestedStringSlice(busy.Object, []string{run.Name}, "status", "active")).To(Succeed())
		Expect(argoEnabled("actions-schedule", busy)).To(Equal("suspend"))
	})
})
