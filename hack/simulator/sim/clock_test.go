// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// noon is where the injected clocks of the tests begin.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// startAtNoon is start with a clock that stands still until it is told to move.
func startAtNoon(t *testing.T, change ...func(*Options)) (*Simulator, *WithT, *clocktesting.FakePassiveClock) {
	t.Helper()
	fake := clocktesting.NewFakePassiveClock(noon)
	s, g := start(t, append(change, func(o *Options) { o.Clock = fake })...)
	return s, g, fake
}

// seenEntries is how many entries the API shows.
func seenEntries(t *testing.T, g *WithT, s *Simulator) int {
	t.Helper()
	out, err := ec2Client(s).DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{dedicatedACL}})
	g.Expect(err).NotTo(HaveOccurred())
	return len(out.NetworkAcls[0].Entries)
}

func TestInjectedClock(t *testing.T) {
	s, g, fake := startAtNoon(t)
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(create(s, deny(81, "52.119.223.69/32"))).To(Succeed())
	g.Expect(seenEntries(t, g, s)).To(Equal(6), "both writes of one instant")
	g.Expect(s.Calls()[0].Time).To(Equal(noon))

	remove := s.Faults().Add(faults.Fault{Action: "ec2:Describe*", Stale: faults.Duration(5 * time.Second)})
	g.Expect(seenEntries(t, g, s)).To(Equal(4))
	fake.SetTime(noon.Add(5*time.Second - time.Nanosecond))
	g.Expect(seenEntries(t, g, s)).To(Equal(4))
	fake.SetTime(noon.Add(5 * time.Second))
	g.Expect(create(s, deny(82, "52.119.223.69/32"))).To(Succeed())
	g.Expect(seenEntries(t, g, s)).To(Equal(6), "the state of noon, after all of its writes")
	fake.SetTime(noon.Add(10 * time.Second))
	g.Expect(seenEntries(t, g, s)).To(Equal(7))
	remove()

	// What is written at the very instant of the freeze comes after it.
	g.Expect(create(s, deny(83, "52.119.223.69/32"))).To(Succeed())
	remove = s.Faults().Add(faults.Fault{Action: "ec2:Describe*", Frozen: true})
	g.Expect(create(s, deny(84, "52.119.223.69/32"))).To(Succeed())
	g.Expect(seenEntries(t, g, s)).To(Equal(8))
	remove()
	g.Expect(seenEntries(t, g, s)).To(Equal(9))
}

func TestInjectedClockAndThrottling(t *testing.T) {
	s, g, fake := startAtNoon(t)
	s.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Throttle: &faults.Bucket{Burst: 2, PerSecond: 1}})
	in := deny(80, "52.119.223.69/32")
	in.DryRun = aws.Bool(true)
	for _, want := range []string{"DryRunOperation", "DryRunOperation", "RequestLimitExceeded", "RequestLimitExceeded"} {
		g.Expect(code(create(s, in))).To(Equal(want))
	}
	fake.SetTime(noon.Add(time.Second))
	for _, want := range []string{"DryRunOperation", "RequestLimitExceeded"} {
		g.Expect(code(create(s, in))).To(Equal(want))
	}
}
