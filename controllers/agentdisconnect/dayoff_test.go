// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// toLift are the calls that taking rules out of a subnet's way needs: whose the credentials are, what stands in the network
// ACLs, and the writes themselves.
var toLift = []string{
	"sts:GetCallerIdentity", "ec2:DescribeNetworkAcls", "ec2:DeleteNetworkAclEntry", "ec2:ReplaceNetworkAclAssociation",
}

// beforeLifting says what was asked of AWS beside that, before the last of the run's rules was out of the way.
func beforeLifting(calls []sim.Call) (others []string) {
	lifts := func(c sim.Call) bool {
		return c.Name() == "ec2:DeleteNetworkAclEntry" || c.Name() == "ec2:ReplaceNetworkAclAssociation"
	}
	last := -1
	for i, c := range calls {
		if lifts(c) {
			last = i
		}
	}
	for _, c := range calls[:last+1] {
		if !slices.Contains(toLift, c.Name()) || c.DryRun {
			others = append(others, c.String())
		}
	}
	return others
}

var _ = Describe("A manager that is off for a day", func() {
	It("takes the rules back when it returns, before it asks AWS for anything else, wherever the run was", func(ctx context.Context) {
		all(eachPhase(ctx, func(e *endured, p phase) string {
			if err := p.meet(ctx, e, func() { e.process.killed.Store(true) }); err != nil {
				return err.Error()
			}
			e.w.clock.Step(24 * time.Hour)
			returned := len(e.w.sim.Calls())
			e.pass(ctx)
			var wrong []string
			if !e.isLifted(nil) {
				wrong = append(wrong, fmt.Sprintf("rules are left after the first pass: %v", e.w.entries()[e.home()]))
			}
			if others := beforeLifting(e.w.sim.Calls()[returned:]); len(others) > 0 {
				wrong = append(wrong, fmt.Sprintf("asked before the rules were gone: %v", others))
			}
			e.until(ctx, run.RecoveryTimeout+unsure, e.over)
			return strings.Join(append(wrong, e.leftover(ctx)), "")
		}))
	})
})
