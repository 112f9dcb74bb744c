// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// Hosts of APIs, and what the message about a protected address ends with.
const (
	ecsAPI     = "ecs.ap-northeast-1.amazonaws.com"
	stsAPI     = "sts.ap-northeast-1.amazonaws.com"
	neededFix  = ", which callers, the clean-up or the cluster need, so that no run may deny it: "
	rangeFix   = "name narrower ranges in spec.additionalEndpoints"
	hostFix    = "take the host out of spec.additionalEndpoints"
	apiAddress = "52.119.210.4"
)

func ranges(cidrs ...string) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) {
		obj.Spec.AdditionalEndpoints = &v1alpha1.AdditionalEndpoints{CIDRs: cidrs}
	}
}

func hosts(names ...string) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) {
		obj.Spec.AdditionalEndpoints = &v1alpha1.AdditionalEndpoints{Hostnames: names}
	}
}

// named gives a host an address, in DNS alone.
func named(host, address string) func(*world) {
	return func(w *world) { w.sim.SetName(host, netip.MustParseAddr(address)) }
}

// renamed is named by a manager that never knew another one.
func renamed(host, address string) func(*world) {
	return func(w *world) {
		named(host, address)(w)
		w.restart()
	}
}

// protectedBad is bad input by an address that must not be denied.
func protectedBad(cause func(*world), object func(*v1alpha1.AgentDisconnect), message string, mend func(*world)) badInput {
	return badInput{cause: cause, object: object, reason: v1alpha1.ReasonProtectedAddress, message: message, mend: mend}
}

// withoutEffect is bad input by what no network ACL acts on.
func withoutEffect(cause func(*world), object func(*v1alpha1.AgentDisconnect), message string) badInput {
	return badInput{cause: cause, object: object, reason: v1alpha1.ReasonNetworkACLHasNoEffect, message: message}
}

var _ = DescribeTable("An address that callers, the clean-up or the cluster need", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("is one of the ECS API in a range of the spec", protectedBad(
		named(ecsAPI, apiAddress), ranges("52.119.208.0/20"),
		"52.119.208.0/20 covers "+apiAddress+" of "+ecsAPI+" (the ECS API)"+neededFix+rangeFix, renamed(ecsAPI, "192.0.2.1"))),
	Entry("is behind a name of the EC2 API", protectedBad(
		nil, hosts("ec2.ap-northeast-1.amazonaws.com"),
		"ec2.ap-northeast-1.amazonaws.com is a host of the EC2 API"+neededFix+hostFix, nil)),
	Entry("is behind a dual-stack name of the STS API", protectedBad(
		nil, hosts("sts.ap-northeast-1.api.aws"), "sts.ap-northeast-1.api.aws is a host of the STS API"+neededFix+hostFix, nil)),
	Entry("is one of the STS API under another name", protectedBad(
		func(w *world) { named(stsAPI, "192.0.2.9")(w); named("alias.example.com", "192.0.2.9")(w) }, hosts("alias.example.com"),
		"alias.example.com shares the address 192.0.2.9 of "+stsAPI+" (the STS API)"+neededFix+hostFix, renamed(stsAPI, "192.0.2.10"))),
	Entry("is one of an agents' host too", protectedBad(
		named(ecsAPI, first), nil,
		acsHost+" shares the address "+first+" of "+ecsAPI+" (the ECS API)"+neededFix+"leave the session that the host serves out of spec.sessions",
		renamed(ecsAPI, "192.0.2.1"))),
	Entry("is one of the VPC's endpoint for the ECS API", protectedBad(
		func(w *world) { w.interfaceFor("ecs", "10.0.2.77") }, ranges("10.0.2.64/26"),
		"10.0.2.64/26 covers 10.0.2.77 of vpce-0aaaaaaaaaaaaaaaa (the ECS API)"+neededFix+rangeFix,
		func(w *world) { Expect(w.sim.Region().RemoveVPCEndpoint("vpce-0aaaaaaaaaaaaaaaa")).To(Succeed()) })),
	Entry("is one of the Kubernetes API server", protectedBad(
		func(w *world) {
			w.options.APIServer = func(context.Context) ([]discovery.Protected, error) {
				return []discovery.Protected{{Address: netip.MustParseAddr("10.0.3.5"), Name: "endpoint slice default/kubernetes", API: "the Kubernetes API server"}}, nil
			}
			w.restart()
		}, ranges("10.0.3.0/24"),
		"10.0.3.0/24 covers 10.0.3.5 of endpoint slice default/kubernetes (the Kubernetes API server)"+neededFix+rangeFix, nil)),
)

var _ = DescribeTable("What no network ACL acts on is refused", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("as a part of the subnet", withoutEffect(nil, ranges("10.0.1.128/25"),
		"10.0.1.128/25 overlaps the subnet's own range 10.0.1.0/24, and no network ACL acts within a subnet: "+rangeFix)),
	Entry("as the range of the VPC", withoutEffect(nil, ranges("10.0.0.0/16"),
		"10.0.0.0/16 overlaps the subnet's own range 10.0.1.0/24, and no network ACL acts within a subnet: "+rangeFix)),
	Entry("as a proxy in the subnet", withoutEffect(named("proxy.example.com", "10.0.1.200"), hosts("proxy.example.com"),
		"10.0.1.200 of proxy.example.com is in the subnet's own range 10.0.1.0/24, and no network ACL acts within a subnet: "+hostFix)),
)

// interfaceFor gives the VPC an endpoint for a service, with an interface in the shared subnet.
func (w *world) interfaceFor(service, address string) {
	GinkgoHelper()
	subnet, _ := w.sim.Region().View(time.Time{}).Subnet(sharedSubnet)
	_, err := w.sim.Region().AddVPCEndpoint(region.VPCEndpoint{
		ID: "vpce-0aaaaaaaaaaaaaaaa", VPCID: subnet.VPCID, ServiceName: w.sim.Region().EndpointService(service),
		Interfaces: []region.NetworkInterface{{SubnetID: sharedSubnet, PrivateIP: netip.MustParseAddr(address)}},
	})
	Expect(err).NotTo(HaveOccurred())
}

var _ = Describe("Protected addresses", func() {
	It("have to be known before a run begins", func(ctx context.Context) {
		w := newWorld(ctx)
		w.sim.SetName(stsAPI)
		obj := w.create(ctx)
		w.run(ctx, 2*time.Minute, obj)
		badInput{reason: v1alpha1.ReasonAWSUnavailable, message: "the addresses of " + stsAPI + " (the STS API) are not all known: no such host. No run may deny these addresses, so the run begins when they are known: check the Region, and the DNS server that the manager asks (--dns-server)"}.expect(ctx, w, obj)
		named(stsAPI, "192.0.2.9")(w)
		w.run(ctx, 30*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})

	It("may not be refused by an object of which the manager forbids further destinations", func(ctx context.Context) {
		badInput{
			cause:   func(w *world) { w.options.AllowAdditionalEndpoints = false; w.restart() },
			object:  ranges("192.0.2.0/24"),
			reason:  v1alpha1.ReasonAdditionalEndpointsForbidden,
			message: "the manager forbids spec.additionalEndpoints (--allow-additional-endpoints=false): remove the field, or have the manager's flag changed",
		}.check(ctx)
	})

	It("that an agents' host gets during a run are never denied, and the run says so", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		named(ecsAPI, "192.0.2.77")(w)
		w.run(ctx, 30*time.Second, obj) // the lookups know it now
		w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("192.0.2.77"))
		w.run(ctx, time.Minute, obj)

		seen := w.get(ctx, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(seen.Status.Exemptions).To(HaveLen(1))
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Message).To(ContainSubstring("denies 6 addresses of 2 hosts by 6 rules of this run, as read back; not denied: 192.0.2.77/32 (" + acsHost + " shares the address 192.0.2.77 of " + ecsAPI + " (the ECS API))"))

		By("by a manager that begins anew too")
		w.restart()
		w.run(ctx, time.Minute, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		w.expectEnded(ctx, obj)
	})

	It("that are denied when they become protected are let through, while the run goes on", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		Expect(w.reachable(subnetID, first)).To(BeFalse())
		named(ecsAPI, first)(w)
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(w.reachable(subnetID, first)).To(BeTrue(), describe(seen))
		Expect(w.denies(aclID)).To(HaveLen(5))
		Expect(seen.Status.Rules).To(HaveLen(5))
		Expect(seen.Status.Abort).To(BeNil())
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionTrue))
		w.expectEnded(ctx, obj)
	})

	It("can come to lie in a range of the spec: then the range is not denied", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx, ranges("10.0.2.64/26"))
		Expect(w.denies(aclID)).To(HaveLen(7))
		w.interfaceFor("ec2", "10.0.2.77")
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.denies(aclID)).To(HaveLen(6), describe(w.get(ctx, obj)))
		w.expectEnded(ctx, obj)
	})

	It("do not keep a run from its end when they can't be looked up", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		Expect(w.sim.DNS().Close()).To(Succeed())
		w.restart()
		w.expectEnded(ctx, obj)
	})
})

// expectEnded deletes a run's object, and holds the Region against what it was before.
func (w *world) expectEnded(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	Expect(kube.Delete(ctx, obj)).To(Succeed())
	w.run(ctx, 30*time.Second, obj)
	Expect(w.gone(ctx, obj)).To(BeTrue(), "the object stays")
	w.expectRestored()
}

var _ = Describe("The address of a VPC endpoint's interface", func() {
	It("is let through again once two reads lack the interface, while the run goes on", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.interfaceFor("ecs-agent", "10.0.2.77")
		obj := w.settled(ctx)
		Expect(w.denies(aclID)).To(HaveLen(7))
		Expect(w.reachable(subnetID, "10.0.2.77")).To(BeFalse())
		Expect(w.sim.Region().RemoveVPCEndpoint("vpce-0aaaaaaaaaaaaaaaa")).To(Succeed())

		asked := w.count("ec2:DescribeVpcEndpoints")
		w.until(ctx, obj, 95*time.Second, func(*v1alpha1.AgentDisconnect) bool { return w.count("ec2:DescribeVpcEndpoints") > asked })
		Expect(w.denies(aclID)).To(HaveLen(7), "one read is not enough")

		w.run(ctx, 100*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(w.denies(aclID)).To(HaveLen(6), describe(seen))
		Expect(w.reachable(subnetID, "10.0.2.77")).To(BeTrue())
		Expect(seen.Status.Rules).To(HaveLen(6))
		Expect(seen.Status.Abort).To(BeNil())
		for _, endpoint := range seen.Status.Endpoints {
			Expect(strings.HasPrefix(endpoint.Hostname, "vpce-")).To(BeFalse(), "the endpoint is still named")
		}
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionTrue))
		w.expectEnded(ctx, obj)
	})
})
