// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	acsHost = simworld.ACSHost
	tcsHost = simworld.TCSHost
)

func withEndpoints(hostnames []string, cidrs ...string) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) {
		obj.Spec.AdditionalEndpoints = &v1alpha1.AdditionalEndpoints{Hostnames: hostnames, CIDRs: cidrs}
	}
}

// namesFirst has ECS name endpoints of its own to the first container instance.
func namesFirst(endpoints simworld.Endpoints) func(*sim.Options) {
	return func(o *sim.Options) {
		o.World = simworld.Default()
		o.World.Clusters[0].ContainerInstances[0].Endpoints = endpoints
	}
}

// renameFirst has ECS name to the first container instance what it names to all, or an ACS endpoint of its own.
func (w *world) renameFirst(acs string) {
	GinkgoHelper()
	instance, _ := w.sim.Region().ContainerInstance(w.agents()[0])
	Expect(w.sim.Region().RemoveContainerInstance(instance.ARN)).To(Succeed())
	_, err := w.sim.Region().AddContainerInstance(clusterName, instance.ARN[len(instance.ARN)-32:], region.ContainerInstance{
		SubnetID: subnetID, AgentConnected: true, ACSEndpoint: acs,
	})
	Expect(err).NotTo(HaveOccurred())
}

func unresolved(host, why string) string {
	return fmt.Sprintf("%s has no address to deny (%s; the manager asked DNS server "+theResolver+"): check the name, and the DNS server that the manager asks (--dns-server)", host, why)
}

func invalid(endpoint string, session v1alpha1.Session, why string) string {
	return fmt.Sprintf("ECS named %q as %s endpoint: %s. ECS itself never names such an endpoint: check what answers the manager's calls (AWS_ENDPOINT_URL, a proxy)",
		endpoint, session, why)
}

var _ = DescribeTable("An endpoint that can't be denied", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("a host that doesn't exist", badInput{
		cause:  func(w *world) { w.sim.SetHost(agents.ACS, acsHost) },
		reason: v1alpha1.ReasonHostNotResolved, message: unresolved(acsHost, "no such host"),
		mend: func(w *world) { w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("192.0.2.7")) },
	}),
	Entry("a host that the DNS server fails for", badInput{
		cause:  func(w *world) { w.sim.DNS().SetFailing(tcsHost, true) },
		reason: v1alpha1.ReasonHostNotResolved, message: unresolved(tcsHost, "A: the DNS server fails"),
		mend: func(w *world) { w.sim.DNS().SetFailing(tcsHost, false) },
	}),
	Entry("a host that leads to no network address", badInput{
		cause:  func(w *world) { w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("127.0.0.1")) },
		reason: v1alpha1.ReasonHostNotResolved, message: unresolved(acsHost, "it has no IPv4 address that agents could connect to"),
		mend: func(w *world) { w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("192.0.2.7")) },
	}),
	Entry("a host of the spec that doesn't exist", badInput{
		object: withEndpoints([]string{"proxy.example.com"}),
		reason: v1alpha1.ReasonHostNotResolved, message: unresolved("proxy.example.com", "no such host"),
		mend: func(w *world) { w.sim.SetHost(agents.ACS, "proxy.example.com", netip.MustParseAddr("192.0.2.7")) },
	}),
	Entry("a host that ECS later replaces by another", badInput{
		simulator: namesFirst(simworld.Endpoints{ACS: "https://ecs-a-9.ap-northeast-1.amazonaws.com/"}),
		reason:    v1alpha1.ReasonHostNotResolved, message: unresolved("ecs-a-9.ap-northeast-1.amazonaws.com", "no such host"),
		mend: func(w *world) { w.renameFirst("") },
	}),
	Entry("an address in the place of a host", badInput{
		simulator: namesFirst(simworld.Endpoints{ACS: "https://10.1.2.3/"}),
		reason:    v1alpha1.ReasonInvalidEndpoint, message: invalid("https://10.1.2.3/", v1alpha1.SessionACS, "its host is an address, not a name"),
		mend: func(w *world) { w.renameFirst("") },
	}),
	Entry("a bare name in the place of a host", badInput{
		simulator: namesFirst(simworld.Endpoints{TCS: "https://localhost:8443/ws"}),
		reason:    v1alpha1.ReasonInvalidEndpoint, message: invalid("https://localhost:8443/ws", v1alpha1.SessionTCS, "its host is not a fully qualified name"),
		mend: func(w *world) { w.renameFirst("") },
	}),
	Entry("more hosts than a run takes", badInput{
		cause: func(w *world) {
			for i := range 64 {
				_, err := w.sim.Region().AddContainerInstance(clusterName, fmt.Sprintf("%032x", i), region.ContainerInstance{
					SubnetID: subnetID, AgentConnected: true, ACSEndpoint: fmt.Sprintf("https://ecs-a-%d.example.com/", i),
				})
				Expect(err).NotTo(HaveOccurred())
			}
		},
		reason:  v1alpha1.ReasonTooManyEndpoints,
		message: "the agents, the VPC's endpoints and spec.additionalEndpoints name 66 hosts, and a run can deny at most 64: choose a smaller subnet, or name fewer hosts",
		mend: func(w *world) {
			for _, instance := range w.sim.Region().ContainerInstances() {
				if instance.ACSEndpoint != "" {
					Expect(w.sim.Region().RemoveContainerInstance(instance.ARN)).To(Succeed())
				}
			}
		},
	}),
	Entry("a different one of each instance", badInput{
		simulator: func(o *sim.Options) {
			namesFirst(simworld.Endpoints{ACS: "https://first/"})(o)
			o.World.Clusters[0].ContainerInstances[1].Endpoints.ACS = "https://second/"
		},
		reason: v1alpha1.ReasonInvalidEndpoint, message: invalid("https://first/", v1alpha1.SessionACS, "its host is not a fully qualified name"),
	}),
)

var _ = Describe("A host that isn't resolved", func() {
	It("has ECS asked for another at most one a minute, not on every pass", func(ctx context.Context) {
		w := newWorld(ctx)
		w.sim.SetHost(agents.ACS, acsHost)
		obj := w.create(ctx)
		asked := func() int {
			return len(slices.DeleteFunc(w.sim.Calls(), func(c sim.Call) bool { return c.Action != "DiscoverPollEndpoint" }))
		}
		w.run(ctx, 59*time.Second, obj)
		Expect(asked()).To(Equal(2), "once for each instance")
		w.run(ctx, 5*time.Minute, obj)
		Expect(asked()).To(And(BeNumerically(">=", 6), BeNumerically("<=", 12)))
	})
})

var _ = Describe("A DNS server that says nothing", func() {
	It("is named, and keeps the run from beginning until another is given", func(ctx context.Context) {
		silent, err := net.ListenPacket("udp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(silent.Close)
		w := newWorld(ctx)
		w.options.DNSServer = silent.LocalAddr().String()
		w.restart()
		obj := w.create(ctx)
		w.run(ctx, time.Second, obj) // takes as long as a lookup may
		badInput{reason: v1alpha1.ReasonHostNotResolved, message: unresolved(acsHost, "A: the DNS server does not answer")}.expect(ctx, w, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionEndpointsDiscovered).Status).To(Equal(metav1.ConditionFalse))

		w.options.DNSServer = w.sim.DNSAddr()
		w.restart()
		w.run(ctx, 45*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		w.discard(ctx, obj)
	})
})

var _ = Describe("Additional endpoints", func() {
	address := netip.MustParseAddr

	It("are denied beside those of the agents, with the numbers next to the first allow", func(ctx context.Context) {
		w := newWorld(ctx)
		w.sim.SetHost(agents.ACS, "proxy.example.com", address("192.0.2.7"), address("192.0.2.6"))
		obj := w.blocking(ctx, withEndpoints([]string{"proxy.example.com"}, "198.51.100.0/24", "203.0.113.9/32"))
		denies := map[int]string{
			80: "52.119.219.115/32", 81: "52.119.220.39/32", 82: "52.119.223.69/32",
			90: "52.119.219.118/32", 91: "52.119.221.107/32", 92: "52.119.223.82/32",
			99: "198.51.100.0/24", 98: "203.0.113.9/32", 97: "192.0.2.6/32", 96: "192.0.2.7/32",
		}
		Expect(w.denies(aclID)).To(Equal(denies))

		By("saying in the status which is which")
		seen := w.get(ctx, obj)
		Expect(seen.Status.StartedWith.AdditionalEndpoints.CIDRs).To(Equal([]string{"198.51.100.0/24", "203.0.113.9/32"}))
		Expect(seen.Status.Endpoints).To(ContainElement(v1alpha1.Endpoint{
			Hostname: "proxy.example.com", Session: v1alpha1.EndpointAdditional, Addresses: []string{"192.0.2.6", "192.0.2.7"},
		}))
		hosts := map[int32]string{}
		for _, rule := range seen.Status.Rules {
			hosts[rule.RuleNumber] = rule.Hostname
		}
		Expect(hosts).To(And(HaveKeyWithValue(int32(99), ""), HaveKeyWithValue(int32(97), "proxy.example.com"), HaveKeyWithValue(int32(80), acsHost)))
		w.discard(ctx, obj)
	})

	It("that cover what agents connect to take the place of single rules", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx, withEndpoints(nil, "52.119.208.0/20"))
		Expect(w.denies(aclID)).To(Equal(map[int]string{99: "52.119.208.0/20"}))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionTrue))
		w.discard(ctx, obj)
	})

	It("that discovery finds too are denied once", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx, withEndpoints([]string{acsHost}))
		Expect(w.denies(aclID)).To(HaveLen(6))
		seen := w.get(ctx, obj)
		Expect(seen.Status.Endpoints).To(HaveLen(3))
		for _, endpoint := range seen.Status.Endpoints {
			Expect(endpoint.Addresses).To(HaveLen(3), endpoint.Hostname)
		}
		w.discard(ctx, obj)
	})
})

var _ = DescribeTable("Of the agents' sessions only those are denied that the spec names", func(ctx context.Context, sessions []v1alpha1.Session, numbers []int) {
	w := newWorld(ctx)
	if len(numbers) < 6 {
		// The host of a session that is left alone is not needed.
		other := map[v1alpha1.Session]string{v1alpha1.SessionACS: tcsHost, v1alpha1.SessionTCS: acsHost}[sessions[0]]
		w.sim.SetHost(agents.ACS, other)
	}
	obj := w.blocking(ctx, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Sessions = sessions })
	Expect(w.sessionNumbers(aclID)).To(Equal(numbers))
	w.discard(ctx, obj)
},
	Entry("ACS", []v1alpha1.Session{v1alpha1.SessionACS}, []int{80, 81, 82}),
	Entry("TCS", []v1alpha1.Session{v1alpha1.SessionTCS}, []int{90, 91, 92}),
	Entry("both", []v1alpha1.Session{v1alpha1.SessionTCS, v1alpha1.SessionACS}, []int{80, 81, 82, 90, 91, 92}),
	Entry("none of them: both", nil, []int{80, 81, 82, 90, 91, 92}),
)
