// SPDX-License-Identifier: Apache-2.0

package live

import (
	"os"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// The network ACLs of the scenarios' subnets.
const (
	aloneACL  = world.DedicatedACL
	sharedACL = world.SharedACL
)

// live skips a test that there is no time or no control plane for, and runs it beside the others.
func live(t *testing.T) *WithT {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs real processes in real time: leave -short out")
	}
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run it through make test")
	}
	t.Parallel() // each has a stack of its own, and waits most of its time
	return NewWithT(t)
}

// number is an environment variable, which make sets for longer runs.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s is %q: it must be a number", name, text)
	}
	return n
}

func TestAManagerThatIsKilledIsReplacedByOneThatTakesEverythingBack(t *testing.T) {
	g := live(t)
	options := Options{Seed: uint64(number(t, "CHAOS_SEED", 1)), Points: number(t, "CHAOS_KILLS", 8)}
	tried := map[string]int{}
	options.Report = func(o Outcome) {
		t.Log(o)
		g.Expect(o.OK()).To(BeTrue(), "seed %d: %s", options.Seed, o)
		tried[o.Scenario]++
	}
	g.Expect(Kill(t.Context(), options)).To(Succeed())
	for _, sc := range []scenario{inPlace, clone} {
		g.Expect(tried[sc.name]).To(BeNumerically(">=", max(options.Points, 1)), sc.name)
	}
}

func TestPointsAreThoseOfCallsThatChangeSomething(t *testing.T) {
	g := NewWithT(t)
	points := pointsOf([]sim.Call{
		{Service: "ec2", Action: "DescribeNetworkAcls", ReadOnly: true}, {Service: "ec2", Action: "CreateTags", DryRun: true},
		{Service: "ec2", Action: "CreateTags"}, {Service: "ec2", Action: "DeleteTags"}, {Service: "ec2", Action: "CreateTags"},
	})
	var names []string
	for _, p := range points {
		names = append(names, p.String())
	}
	g.Expect(names).To(Equal([]string{
		"before ec2:CreateTags #1", "after ec2:CreateTags #1", "before ec2:DeleteTags #1", "after ec2:DeleteTags #1",
		"before ec2:CreateTags #2", "after ec2:CreateTags #2",
	}))
	g.Expect(draw(points, 7)).To(Equal(draw(points, 7)))
	g.Expect(draw(points, 7)).To(ConsistOf(points))
	first := draw(points, 7)[:2]
	g.Expect(first[0].action).NotTo(Equal(first[1].action))
}

func TestDamageIsSeen(t *testing.T) {
	for name, change := range map[string]struct {
		do         func(*region.Region) error
		left, lost int
	}{
		"nothing":           {func(*region.Region) error { return nil }, 0, 0},
		"an entry is gone":  {func(r *region.Region) error { return r.DeleteNetworkACLEntry(aloneACL, 100, true) }, 0, 1},
		"a tag is left":     {func(r *region.Region) error { return r.CreateTags([]string{aloneACL}, map[string]string{"a": "b"}) }, 1, 0},
		"a tag is replaced": {func(r *region.Region) error { return r.CreateTags([]string{aloneACL}, map[string]string{"Name": "b"}) }, 1, 1},
		"a schedule is left": {func(r *region.Region) error {
			return r.CreateSchedule("", "", region.Schedule{
				Name: "a", Group: switchGroup, At: time.Now().Add(time.Hour), Target: region.ScheduleTarget{RoleARN: switchRole},
			})
		}, 1, 0},
		"a subnet is moved": {func(r *region.Region) error { return r.MoveSubnet(aloneSubnet, sharedACL) }, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, err := sim.Start(t.Context(), sim.Options{NoAgents: true})
			g.Expect(err).NotTo(HaveOccurred())
			t.Cleanup(s.Close)
			g.Expect((&stage{Stack: &stack.Stack{Sim: s}}).addSwitch()).To(Succeed())
			before := survey(s.Region())
			g.Expect(change.do(s.Region())).To(Succeed())
			left, lost := before.compare(survey(s.Region()))
			g.Expect(left).To(HaveLen(change.left))
			g.Expect(lost).To(HaveLen(change.lost))
		})
	}
}
