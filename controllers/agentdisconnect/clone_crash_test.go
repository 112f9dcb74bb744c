// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// cloneRun is a run on a clone from its creation to its end, in a world of its own.
type cloneRun struct {
	w        *world
	existed  map[string][]string
	deleting bool
}

func newCloneRun(ctx context.Context, deleting bool) *cloneRun {
	w := cloneWorld(ctx)
	return &cloneRun{w, w.before, deleting}
}

// play takes the run to its end, which comes a given time late at most, and says what is wrong then; empty: nothing.
func (c *cloneRun) play(ctx context.Context, late time.Duration) (shortfall string) {
	w := c.w
	obj := w.create(ctx, shared, within(time.Minute))
	w.run(ctx, 40*time.Second, obj)
	seen := w.get(ctx, obj)
	for waited := time.Duration(0); seen.Status.StartTime == nil && waited < 4*longestWait; waited += soon { // refused a few times
		w.run(ctx, soon, obj)
		seen = w.get(ctx, obj)
	}
	if seen.Status.StartTime == nil {
		return "the run never began: " + describe(seen)
	}
	end := seen.Status.ExpirationTime.Time
	if c.deleting {
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		end = w.clock.Now()
	} else if want := seen.Status.StartTime.Add(time.Minute); !end.Equal(want) {
		return fmt.Sprintf("the expiration is %s, not %s", end, want)
	}
	w.run(ctx, end.Sub(w.clock.Now())+late, obj)
	var wrong []string
	if ok, _ := Equal(c.existed).Match(w.entries()); !ok {
		wrong = append(wrong, fmt.Sprintf("the network ACLs are not as they were %s after the end: %v", late, w.entries()))
	}
	if !c.deleting {
		seen = w.finish(ctx, obj, 15*time.Minute)
		if seen.Status.CompletionTime == nil || len(seen.Finalizers) > 0 || seen.Status.Abort != nil {
			wrong = append(wrong, "ended as "+describe(seen))
		}
	} else {
		w.run(ctx, passes, obj)
		if !w.gone(ctx, obj) { // AWS denied a call for a clone that was gone already: reads have to lack it for a while
			w.run(ctx, networkacl.AmbiguousFor, obj)
		}
		if !w.gone(ctx, obj) {
			wrong = append(wrong, "the object is stuck: "+describe(w.get(ctx, obj)))
		}
	}
	if ok, _ := Equal(c.existed).Match(w.entries()); !ok {
		wrong = append(wrong, fmt.Sprintf("the network ACLs are not as they were: %v", w.entries()))
	}
	return strings.Join(append(wrong, w.trespasses(c.existed)...), "; ")
}

// soon is how late a run's end may be after a manager was replaced that died in it: a few passes.
const soon = 10 * time.Second

// longestWait is how long a run that is refused is left alone at most.
const longestWait = 2 * time.Minute

var _ = Describe("A manager that dies in a run on a clone", func() {
	for _, deleting := range []bool{false, true} {
		how := "expires"
		if deleting {
			how = "is deleted"
		}
		It("is replaced by one that leaves nothing behind when the run "+how+", whatever it died in", func(ctx context.Context) {
			living := newCloneRun(ctx, deleting)
			points := living.w.mortal(-1)
			Expect(living.play(ctx, soon)).To(BeEmpty(), "the manager that lives")
			var scenarios []scenario
			for n, point := range points() {
				c := newCloneRun(ctx, deleting)
				c.w.mortal(n)
				scenarios = append(scenarios, scenario{fmt.Sprintf("died at point %d %s", n, point), func() string { return c.play(ctx, soon) }})
			}
			Expect(len(scenarios)).To(BeNumerically(">", 40), "points were missed")
			all(scenarios)
		})
	}
})

var _ = Describe("A call of a run on a clone that goes wrong", func() {
	for _, deleting := range []bool{false, true} {
		how := "expires"
		if deleting {
			how = "is deleted"
		}
		It("leaves nothing behind when the run "+how+", whichever call it is", takesMinutes, func(ctx context.Context) {
			plain := newCloneRun(ctx, deleting)
			Expect(plain.play(ctx, soon)).To(BeEmpty(), "the run without a fault")
			var scenarios []scenario
			for _, o := range occurrences(plain.w.sim.Calls()) {
				for _, ill := range ailments {
					if !o.worthwhile(ill, deleting) {
						continue
					}
					c := newCloneRun(ctx, deleting)
					o.afflict(c.w, ill)
					scenarios = append(scenarios, scenario{
						fmt.Sprintf("%s number %d (dry run: %t) %s", o.action, o.nth, o.dryRun, ill.name),
						func() string { return c.play(ctx, 2*soon+ill.outage()) },
					})
				}
			}
			all(scenarios)
		})
	}

	It("and is the creation, never answered, is waited for as long as reads may lag", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAcl", Error: "InternalError"})
		obj := w.create(ctx, shared, within(time.Hour))
		w.run(ctx, 20*time.Second, obj)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, networkacl.AmbiguousFor-time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeFalse())
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue(), "the object is stuck")
		w.expectRestored()
	})
})

// outage is for how long AWS keeps a call from the manager that is repeated every 10 seconds.
func (a ailment) outage() time.Duration {
	return time.Duration(a.fault("ec2").Times) * 10 * time.Second
}

// worthwhile leaves out what the run on the subnet's own network ACL is tried with already: it makes the same calls.
func (o occurrence) worthwhile(ill ailment, deleting bool) bool {
	ends := o.action == "ec2:DeleteNetworkAcl" || o.action == "ec2:ReplaceNetworkAclAssociation" && o.nth > 0
	switch {
	case deleting && !o.readOnly:
		return ends && !o.dryRun
	case o.readOnly:
		return o.action == "ec2:DescribeNetworkAcls" && ill.name == "fails with 500" && (o.nth < 8) != deleting
	case o.dryRun:
		return ill.name == "is denied for a while" && o.nth == 0
	case o.action == "ec2:CreateNetworkAclEntry" || o.action == "ec2:DeleteNetworkAclEntry":
		return ill.each && (o.nth == 0 || o.nth == 7)
	}
	return true
}
