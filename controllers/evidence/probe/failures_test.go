// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

func TestTheFailureOfATrackedInstanceCounts(t *testing.T) {
	const arn = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/"
	object := &v1alpha1.AgentDisconnect{}
	object.Status.Agents = &v1alpha1.Agents{ContainerInstances: []v1alpha1.ContainerInstance{{ARN: arn + "a"}, {ARN: arn + "b"}}}
	p := New(&pass.Pass{Object: object}, &Memory{})
	for name, tc := range map[string]struct {
		failures []probetasks.Failure
		answer   run.ProbeAnswer
	}{
		"AGENT of both": {
			[]probetasks.Failure{{ARN: arn + "b", Reason: "AGENT"}, {ARN: arn + "a", Reason: "AGENT"}},
			run.ProbeAnswer{Reason: v1alpha1.ProbeAgent, Message: "for container instances a, b"},
		},
		"AGENT of one, and another reason of the other": {
			[]probetasks.Failure{{ARN: arn + "a", Reason: "RESOURCE:MEMORY"}, {ARN: arn + "b", Reason: "AGENT"}},
			run.ProbeAnswer{Reason: v1alpha1.ProbeAgent, Message: "for container instance b"},
		},
		"another reason, and AGENT of an instance elsewhere": {
			[]probetasks.Failure{{ARN: arn + "else", Reason: "AGENT"}, {ARN: arn + "a", Reason: "RESOURCE:MEMORY"}},
			run.ProbeAnswer{Reason: "RESOURCE:MEMORY", Message: "for container instance a"},
		},
		"AGENT of instances elsewhere alone": {
			[]probetasks.Failure{{ARN: arn + "other", Reason: "ATTRIBUTE"}, {ARN: arn + "else", Reason: "AGENT"}},
			run.ProbeAnswer{Reason: v1alpha1.ProbeUntracked, Message: "for container instance else"},
		},
		"another reason of an instance elsewhere": {
			[]probetasks.Failure{{ARN: arn + "else", Reason: "ATTRIBUTE", Detail: "no such attribute"}},
			run.ProbeAnswer{Reason: "ATTRIBUTE", Message: "for container instance else: no such attribute"},
		},
		"no instance": {
			[]probetasks.Failure{{Reason: "MISSING", Detail: "no cluster"}},
			run.ProbeAnswer{Reason: "MISSING", Message: "no cluster"},
		},
		"no reason": {
			[]probetasks.Failure{{ARN: arn + "a"}},
			run.ProbeAnswer{Reason: v1alpha1.ProbeNoReason, Message: "for container instance a"},
		},
		"more than the status holds": {
			[]probetasks.Failure{{Reason: strings.Repeat("R", 65), Detail: strings.Repeat("d", 513)}},
			run.ProbeAnswer{Reason: strings.Repeat("R", 61) + "…", Message: strings.Repeat("d", 509) + "…"},
		},
		"nothing": {nil, run.ProbeAnswer{Reason: v1alpha1.ProbeNoReason, Message: "RunTask started no task, and gave no reason"}},
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(p.judgeFailures(tc.failures)).To(Equal(tc.answer)) })
	}
}
