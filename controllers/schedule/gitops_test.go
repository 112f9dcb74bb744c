// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// inTools are the states of a schedule, as kstatus and Argo CD are to read them.
var inTools = map[string]struct{ kstatus, health string }{
	v1alpha1.ReasonScheduled:         {"Current", "Healthy"},
	v1alpha1.ReasonScheduleSuspended: {"Current", "Suspended"},
	v1alpha1.ReasonReplacing:         {"InProgress", "Healthy"},
	v1alpha1.ReasonInvalidSchedule:   {"Failed", "Degraded"},
	v1alpha1.ReasonNeverDue:          {"Failed", "Degraded"},
	v1alpha1.ReasonRunNotCreated:     {"Failed", "Degraded"},
	v1alpha1.ReasonRunStalled:        {"Failed", "Degraded"},
	v1alpha1.ReasonClockSetBack:      {"Failed", "Degraded"},
}

// keepForGitOps keeps a schedule of each state for the tests of hack/gitops, where they ask for it.
func keepForGitOps(ctx context.Context, obj *v1alpha1.AgentDisconnectSchedule) {
	GinkgoHelper()
	folder, state := os.Getenv("AGENTDISCONNECT_STATES"), condition(obj, v1alpha1.ConditionReady).Reason
	if folder == "" || state == "" || obj.Status.ObservedGeneration != obj.Generation || obj.DeletionTimestamp != nil {
		return
	}
	expected, isKnown := inTools[state]
	Expect(isKnown).To(BeTrue(), state)
	actions := "run-now suspend"
	switch isOn, isPaused := len(obj.Status.Active) > 0, ptr.Deref(obj.Spec.Suspend, false); {
	case isOn && isPaused:
		actions, state = "resume", state+"-beside-a-run"
	case isOn:
		actions, state = "suspend", state+"-beside-a-run"
	case isPaused:
		actions = "resume run-now"
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("AgentDisconnectSchedule"))
	Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), u)).To(Succeed())
	text, err := json.Marshal(map[string]any{"object": u.Object, "kstatus": expected.kstatus, "health": expected.health, "actions": actions})
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(filepath.Join(folder, "AgentDisconnectSchedule-"+state+".json"), text, 0o600)).To(Succeed())
}
