// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// privateLink gives the VPC an interface endpoint with private DNS, with an interface in each subnet.
func (w *world) privateLink(service string, subnets ...string) region.VPCEndpoint {
	GinkgoHelper()
	return w.privateLinkIn(defaultVPC, service, subnets...)
}

func (w *world) privateLinkIn(vpc, service string, subnets ...string) region.VPCEndpoint {
	GinkgoHelper()
	endpoint := region.VPCEndpoint{VPCID: vpc, ServiceName: w.sim.Region().EndpointService(service), PrivateDNS: true}
	for _, subnet := range subnets {
		endpoint.Interfaces = append(endpoint.Interfaces, region.NetworkInterface{SubnetID: subnet})
	}
	added, err := w.sim.Region().AddVPCEndpoint(endpoint)
	Expect(err).NotTo(HaveOccurred())
	return added
}

// passes reports whether the subnet's traffic gets through to an address, past all network ACLs on the way.
func (w *world) passes(address netip.Addr) bool {
	return w.sim.Region().Passes(subnetID, netip.MustParseAddr("10.0.1.11"), acl.Packet{Egress: true, Protocol: acl.TCP, Remote: address, Port: 443})
}

// numberOf is the number of the entry that denies an address; 0: none does.
func (w *world) numberOf(address netip.Addr) int {
	for number, cidr := range w.denies(aclID) {
		if cidr == netip.PrefixFrom(address, address.BitLen()).String() {
			return number
		}
	}
	return 0
}

func only(sessions ...v1alpha1.Session) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Sessions = sessions }
}

var _ = Describe("PrivateLink", func() {
	It("has the interfaces of the agents' endpoints denied beside the public addresses, and those of the ECS API left alone", func(ctx context.Context) {
		w := newWorld(ctx)
		agent, telemetry := w.privateLink(region.ServiceAgent, sharedSubnet, plainSubnet), w.privateLink(region.ServiceTelemetry, plainSubnet)
		api := w.privateLink(region.ServiceECS, plainSubnet)
		obj := w.blocking(ctx)
		Expect(w.denies(aclID)).To(HaveLen(9))
		for _, address := range agent.Addresses() {
			Expect(w.numberOf(address)).To(And(BeNumerically(">=", 80), BeNumerically("<=", 89)))
			Expect(w.passes(address)).To(BeFalse())
		}
		Expect(w.numberOf(telemetry.Addresses()[0])).To(And(BeNumerically(">=", 90), BeNumerically("<=", 99)))
		Expect(w.passes(telemetry.Addresses()[0])).To(BeFalse())
		Expect(w.numberOf(api.Addresses()[0])).To(BeZero())
		Expect(w.passes(api.Addresses()[0])).To(BeTrue(), "the callers under test need it")

		seen := w.get(ctx, obj)
		Expect(seen.Status.Endpoints).To(ContainElements(
			And(HaveField("Hostname", agent.ID), HaveField("Session", v1alpha1.EndpointACS), HaveField("Addresses", HaveLen(2))),
			And(HaveField("Hostname", telemetry.ID), HaveField("Session", v1alpha1.EndpointTCS), HaveField("Addresses", HaveLen(1))),
		))
		Expect(seen.Status.Endpoints).To(HaveLen(4))
		w.run(ctx, 6*time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionEndpointsDiscovered).Reason).To(Equal("Settled"), "interfaces have all their addresses at once")
		w.discard(ctx, obj)
	})

	It("in the subnet itself stands against a run", func(ctx context.Context) {
		var home region.VPCEndpoint
		b := badInput{
			cause:  func(w *world) { home = w.privateLink(region.ServiceAgent, plainSubnet, subnetID) },
			reason: v1alpha1.ReasonEndpointInSubnet,
			mend:   func(w *world) { Expect(w.sim.Region().RemoveVPCEndpoint(home.ID)).To(Succeed()) },
		}
		w := newWorld(ctx)
		b.cause(w)
		obj := w.create(ctx)
		w.run(ctx, time.Second, obj)
		b.message = "VPC endpoint " + home.ID + " (ecs-agent) has its network interface " + home.Interfaces[1].ID + " in subnet " + subnetID +
			" itself, where no network ACL acts: agents there stay connected through it. Take the subnet out of the endpoint " +
			"(aws ec2 modify-vpc-endpoint --remove-subnet-ids), or choose another subnet"
		b.expect(ctx, w, obj)
		b.mend(w)
		w.run(ctx, 150*time.Second, obj) // the longest wait, and a second poll
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})

	It("matters only for the sessions that are asked for", func(ctx context.Context) {
		w := newWorld(ctx)
		agent, telemetry := w.privateLink(region.ServiceAgent, subnetID), w.privateLink(region.ServiceTelemetry, plainSubnet)
		obj := w.blocking(ctx, only(v1alpha1.SessionTCS))
		Expect(w.denies(aclID)).To(HaveLen(4))
		Expect(w.numberOf(agent.Addresses()[0])).To(BeZero())
		Expect(w.numberOf(telemetry.Addresses()[0])).NotTo(BeZero())
		w.discard(ctx, obj)
	})

	It("that the VPC gets during a run is denied too, also by a manager that has just started", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		agent := w.privateLink(region.ServiceAgent, plainSubnet)
		w.run(ctx, 90*time.Second, obj)
		Expect(w.numberOf(agent.Addresses()[0])).To(Equal(83), describe(w.get(ctx, obj)))
		telemetry := w.privateLink(region.ServiceTelemetry, plainSubnet)
		w.restart()
		w.run(ctx, 10*time.Second, obj)
		Expect(w.numberOf(telemetry.Addresses()[0])).To(Equal(93), describe(w.get(ctx, obj)))

		By("letting those of an endpoint that is gone through again, and no others")
		Expect(w.denies(aclID)).To(HaveLen(8))
		Expect(w.sim.Region().RemoveVPCEndpoint(agent.ID)).To(Succeed())
		w.run(ctx, 4*time.Minute, obj)
		Expect(w.denies(aclID)).To(HaveLen(7))
		Expect(w.numberOf(agent.Addresses()[0])).To(BeZero())
		w.discard(ctx, obj)
	})

	It("that the subnet itself gets during a run is named as the cause why agents stay", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		home := w.privateLink(region.ServiceAgent, subnetID)
		w.run(ctx, 6*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Abort).To(BeNil())
		said := condition(seen, v1alpha1.ConditionAgentsDisconnected).Message
		Expect(said).To(ContainSubstring("(1) they use the network interface "+home.Interfaces[0].ID+" of "+home.ID+" in the subnet itself, where no network ACL acts;"), said)
		Expect(said).NotTo(ContainSubstring("no VPC endpoint"))
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Conditions).To(Equal(seen.Status.Conditions), "nothing new was to be said")
		w.discard(ctx, obj)
	})

	It("through which real agents are connected is cut, from a manager that ECS tells of public hosts alone", func(ctx context.Context) {
		w := newWorld(ctx, func(o *sim.Options) {
			o.NoAgents, o.Scale, o.World = false, 200, simworld.Default()
			for _, service := range []string{region.ServiceAgent, region.ServiceTelemetry, region.ServiceECS} {
				o.World.VPCEndpoints = append(o.World.VPCEndpoints, simworld.VPCEndpoint{
					VPC: defaultVPC, Service: service, Interfaces: []simworld.NetworkInterface{{Subnet: plainSubnet}},
				})
			}
		})
		waiting, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		Expect(w.sim.WaitForAgents(waiting)).To(Succeed())
		for _, arn := range w.agents() {
			Expect(w.sim.Agent(arn).Log()).To(ContainElement(HaveField("Fields", HavePrefix("url=\"https://ecs-a.ap-northeast-1.amazonaws.com/acs/1/"))))
		}
		obj := w.create(ctx, within(2*time.Minute))
		w.manage(ctx)
		Eventually(func() metav1.ConditionStatus {
			return condition(w.get(ctx, obj), v1alpha1.ConditionAgentsDisconnected).Status
		}).
			Should(Equal(metav1.ConditionTrue), func() string { return describe(w.get(ctx, obj)) })
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		Eventually(func() bool { return w.gone(ctx, obj) }).Should(BeTrue())
		w.expectRestored()
		waiting, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
		Expect(w.sim.WaitForAgents(waiting)).To(Succeed())
	})
})

var _ = Describe("An answer of ECS that the manager's own path shaped", func() {
	const privateACS, privateTCS, otherVPC = "ecs-a.ap-northeast-1.amazonaws.com", "ecs-t.ap-northeast-1.amazonaws.com", "vpc-0123456789abcdef0"

	// operatorPrivate has the manager call from a VPC with PrivateLink, which the agents' VPC lacks.
	operatorPrivate := func(w *world) {
		r := w.sim.Region()
		Expect(r.AddVPC(region.VPC{ID: otherVPC, CIDR: netip.MustParsePrefix("10.9.0.0/16")}, region.ACL{ID: newACL})).To(Succeed())
		Expect(r.AddSubnet(region.Subnet{ID: newSubnet, VPCID: otherVPC, CIDR: netip.MustParsePrefix("10.9.1.0/24"), AvailabilityZone: "ap-northeast-1a"})).To(Succeed())
		w.privateLinkIn(otherVPC, region.ServiceECS, newSubnet)
		Expect(r.SetCallerVPC(otherVPC)).To(Succeed())
		w.sim.SetHost(agents.ACS, privateACS, netip.MustParseAddr("192.0.2.7"))
		w.sim.SetHost(agents.TCS, privateTCS, netip.MustParseAddr("192.0.2.8"))
		w.before = w.entries()
	}
	// agentsPrivate has the agents' VPC lead to ECS by PrivateLink, which the manager doesn't use.
	agentsPrivate := func(w *world) { w.privateLink(region.ServiceECS, plainSubnet) }

	check := func(ctx context.Context, prepare func(*world), says, silences string) {
		w := newWorld(ctx)
		prepare(w)
		obj := w.blocking(ctx)
		discovered := func() string { return condition(w.get(ctx, obj), v1alpha1.ConditionEndpointsDiscovered).Message }
		Expect(discovered()).To(ContainSubstring(says))
		Expect(w.told("Warning TargetNote " + says)).To(HaveLen(1))

		By("giving it as a cause where agents stay connected, after a restart too")
		w.restart()
		w.run(ctx, 6*time.Minute, obj)
		Expect(discovered()).To(ContainSubstring(says))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionAgentsDisconnected).Message).To(ContainSubstring("(1) " + says))
		w.discard(ctx, obj)

		By("saying it in a plan")
		Expect(w.planned(ctx).Status.Plan.Notes).To(ContainElement(HavePrefix(says)))

		By("being silent once the spec names the other path's host")
		w.sim.SetHost(agents.ACS, privateACS, netip.MustParseAddr("192.0.2.7"))
		w.events.Events = make(chan string, 1000)
		obj = w.blocking(ctx, withEndpoints([]string{silences}))
		Expect(discovered()).NotTo(ContainSubstring("ECS named"))
		Expect(w.told("Warning TargetNote")).To(BeEmpty())
		w.discard(ctx, obj)
	}

	It("is noticed where the manager's is public and the agents' private", func(ctx context.Context) {
		check(ctx, agentsPrivate, "ECS named the public host "+acsHost+" to the manager, while the agents' VPC has the endpoint ", privateACS)
	})
	It("is not claimed against evidence: hosts that lead to private addresses, as in a hub of PrivateLink", func(ctx context.Context) {
		w := newWorld(ctx)
		operatorPrivate(w)
		w.sim.SetHost(agents.ACS, privateACS, netip.MustParseAddr("10.9.1.7"))
		w.sim.SetHost(agents.TCS, privateTCS, netip.MustParseAddr("10.9.1.8"))
		Expect(w.planned(ctx).Status.Plan.Notes).NotTo(ContainElement(ContainSubstring("ECS named")))
		obj := w.blocking(ctx)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionEndpointsDiscovered).Message).NotTo(ContainSubstring("ECS named"))
		w.discard(ctx, obj)
	})
	It("is not claimed while it is unknown which endpoints the VPC has", func(ctx context.Context) {
		w := newWorld(ctx)
		operatorPrivate(w)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeVpcEndpoints", Denied: true})
		obj := w.create(ctx)
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonAccessDenied))
		Expect(condition(seen, v1alpha1.ConditionEndpointsDiscovered).Message).NotTo(ContainSubstring("ECS named"), describe(seen))
		Expect(w.planned(ctx).Status.Plan.Notes).To(BeEmpty())
	})
	It("is noticed where the manager's is private and the agents' public", func(ctx context.Context) {
		check(ctx, operatorPrivate, "ECS named the PrivateLink host "+privateACS+" to the manager, while the agents' VPC has no endpoint for ECS with private DNS", acsHost)
	})
})
