// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

func name(namespace, name string) change {
	return func(obj *object) { obj.Namespace, obj.Name = namespace, name }
}

func several() []object {
	held := "network ACL acl-0d5f8a2c4e6b19370 is held by the run of staging/demo until 2026-11-29T10:40:00Z"
	return []object{
		*blocking(),
		*blocking(name("chaos", "unseen"), func(obj *object) { obj.Status.Agents.Disconnected = nil }),
		*fresh(name("chaos", "new")),
		*fresh(name("chaos", "refused"), in(unknown, v1alpha1.StateRefused, noConsent), isStalled(v1alpha1.ReasonNoConsent, noConsent)),
		*fresh(name("staging", "waits"), in(unknown, v1alpha1.StateWaiting, held)),
		*fresh(name("staging", "done"), in(yes, v1alpha1.StateCompleted, "x"), completed),
		*fresh(name("staging", "callers"), in(yes, v1alpha1.StateCompleted, "x"), completed, condition(v1alpha1.ConditionCallersRecovered, no, v1alpha1.StateCallersDidNotRecover, "1 did not"), func(obj *object) {
			obj.Status.Reason = v1alpha1.StateCallersDidNotRecover
		}),
		*fresh(name("staging", "drift"), in(no, v1alpha1.AbortOriginalDeleted, "x"), isStalled(v1alpha1.AbortOriginalDeleted, "x"), completed),
		*fresh(name("staging", "late"), in(no, v1alpha1.AbortStartDeadlineExceeded, "the run had not begun by x"), isStalled(v1alpha1.AbortStartDeadlineExceeded, "x")),
		*fresh(name("staging", "plan"), plan, func(obj *object) {
			obj.Status.Plan.Refusals = []v1alpha1.Refusal{{Reason: v1alpha1.ReasonNoConsent}, {Reason: v1alpha1.ReasonQuotaExceeded}}
		}, in(no, v1alpha1.StatePlanRefused, "x"), isStalled(v1alpha1.StatePlanRefused, "x")),
		*blocking(name("staging", "going"), func(obj *object) { obj.DeletionTimestamp, obj.Status.ExpirationTime = at(0), at(-time.Second) }),
	}
}

const table80 = `NAME             STATE                      AGENTS  END     AGE  REASON
checkout-agents  Blocking                   2/3     in 7m   4m
unseen           Blocking                   2/3     in 7m   4m
new              New                        -       -       4m   no manager has…
refused          Refused                    -       -       4m   NoConsent: sub…
waits            Waiting                    -       -       4m   network ACL ac…
done             Completed                  2/2     8m ago  4m
callers          Completed                  2/2     8m ago  4m   CallersDidNotR…
drift            OriginalNetworkACLDeleted  2/2     8m ago  4m
late             StartDeadlineExceeded      -       -       4m   the run had no…
plan             PlanRefused                -       -       4m   NoConsent, Quo…
going            Deleting                   2/3     due     4m
`

func TestTheTableFits80ColumnsAndSaysWhy(t *testing.T) {
	g := NewWithT(t)
	lines := view.Table(several(), now, false, 80)
	g.Expect(strings.Join(lines, "\n") + "\n").To(Equal(table80))
	for _, line := range lines {
		g.Expect(len([]rune(line))).To(BeNumerically("<=", 80))
	}
}

func TestTheTableOfAllNamespacesCutsNothingWithoutATerminal(t *testing.T) {
	g := NewWithT(t)
	text := strings.Join(view.Table(several(), now, true, 0), "\n")
	g.Expect(text).To(HavePrefix("NAMESPACE  NAME "))
	g.Expect(text).To(ContainSubstring("NoConsent: " + noConsent))
	g.Expect(text).To(ContainSubstring("NoConsent, QuotaExceeded"))
	g.Expect(text).To(ContainSubstring("CallersDidNotRecover: 1 did not"))
}

const wantPlan = `Made            2026-11-29T10:20:01Z
Would start     yes
Network ACL     acl-0d5f8a2c4e6b19370, Clone (SharedWithOtherSubnets); other
                subnets on it: 2, subnet-0e8d6c4b2a9f71350,
                subnet-0f9b7d5c3e1a86420
Rules           ecs-a-4.ap-northeast-1.amazonaws.com: 80 52.119.219.115/32, 81
                52.119.220.39/32
                ecs-t-4.ap-northeast-1.amazonaws.com: 90 52.119.219.118/32
                ranges of the spec: 95 192.0.2.10/32
Agents          2 of 3 are connected, and would be disconnected
Outside         at least 100 of the cluster's container instances, on which
                RunTask goes on working
Other clusters  none
Headroom        12 more IPv4 entries; 190 more network ACLs; -1 more tags; quota
                of entries 20
Notes           agents notice a dropped path only after 1 to 4 minutes, so less
                than 5m proves little
`

func TestThePlan(t *testing.T) {
	g := NewWithT(t)
	g.Expect(strings.Join(view.Plan(fresh(plan), 80), "\n") + "\n").To(Equal(wantPlan))

	refused := fresh(plan, func(obj *object) {
		obj.Generation = 2
		obj.Status.Plan = &v1alpha1.Plan{Time: *at(0), ObservedGeneration: 1, WouldStart: new(false), Refusals: []v1alpha1.Refusal{{Reason: v1alpha1.ReasonNoConsent, Message: noConsent}}}
	})
	g.Expect(view.Plan(refused, 0)).To(Equal([]string{
		"Made            2026-11-29T10:21:01Z, of the spec as it was before", "Would start     no", "                NoConsent: " + noConsent,
		"Network ACL     not known", "Rules           none", "Agents          not known", "Outside         not known", "Other clusters  none", "Headroom        not known",
	}))
}
