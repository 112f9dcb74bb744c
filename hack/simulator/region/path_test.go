// SPDX-License-Identifier: Apache-2.0

package region

import (
	"net/netip"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

const (
	subnetA = "subnet-0123456789abcdefa"
	subnetB = "subnet-0123456789abcdefb"
	aclA    = "acl-0123456789abcdefa"
	aclB    = "acl-0123456789abcdefb"
)

// crossed is a VPC with two subnets that have an ACL each, and an endpoint with an interface in both.
func crossed(t interface{ Fatal(...any) }) (*Region, VPCEndpoint) {
	r := small(t, clocktesting.NewFakePassiveClock(time.Now()))
	for _, s := range []Subnet{
		{ID: subnetA, CIDR: netip.MustParsePrefix("10.0.1.0/24"), AvailabilityZone: "ap-northeast-1a", NetworkACLID: aclA},
		{ID: subnetB, CIDR: netip.MustParsePrefix("10.0.2.0/24"), AvailabilityZone: "ap-northeast-1c", NetworkACLID: aclB},
	} {
		s.VPCID = testVPC
		if err := r.AddNetworkACL(ACL{ID: s.NetworkACLID, VPCID: testVPC, Entries: []acl.Entry{AllowAll(100, true), AllowAll(100, false)}}); err != nil {
			t.Fatal(err)
		}
		if err := r.AddSubnet(s); err != nil {
			t.Fatal(err)
		}
	}
	e, err := r.AddVPCEndpoint(VPCEndpoint{
		VPCID: testVPC, ServiceName: r.EndpointService(ServiceAgent), Interfaces: []NetworkInterface{{SubnetID: subnetA}, {SubnetID: subnetB}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, e
}

func TestPasses(t *testing.T) {
	host := netip.MustParseAddr("10.0.1.10")
	denied := func(number int, egress bool, ip netip.Addr) acl.Entry {
		return acl.Entry{RuleNumber: number, Egress: egress, Protocol: acl.All, CIDR: netip.PrefixFrom(ip, ip.BitLen())}
	}
	for name, tc := range map[string]struct {
		change    func(r *Region, near, far netip.Addr) error
		near, far bool // what is left of the interface in the host's own subnet, and in the other one
	}{
		"as it was": {func(*Region, netip.Addr, netip.Addr) error { return nil }, true, true},
		"own ACL denies both": {func(r *Region, near, far netip.Addr) error {
			return r.SetEntries(aclA, denied(80, true, near), denied(81, true, far), AllowAll(100, true), AllowAll(100, false))
		}, true, false},
		"own ACL denies everything": {func(r *Region, _, _ netip.Addr) error { return r.SetEntries(aclA) }, true, false},
		"the other subnet's ACL denies the host": {func(r *Region, _, _ netip.Addr) error {
			return r.CreateNetworkACLEntry(aclB, denied(80, false, host))
		}, true, false},
		"the other subnet's ACL denies the way back": {func(r *Region, _, _ netip.Addr) error {
			return r.CreateNetworkACLEntry(aclB, denied(80, true, host))
		}, true, false},
		"the endpoint is gone": {func(r *Region, _, _ netip.Addr) error {
			return r.RemoveVPCEndpoint(r.VPCEndpoints()[0].ID)
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, e := crossed(t)
			near, far := e.Interfaces[0].PrivateIP, e.Interfaces[1].PrivateIP
			if err := tc.change(r, near, far); err != nil {
				t.Fatal(err)
			}
			for ip, want := range map[netip.Addr]bool{near: tc.near, far: tc.far} {
				out := r.Passes(subnetA, host, acl.Packet{Egress: true, Protocol: acl.TCP, Remote: ip, Port: 443})
				in := r.Passes(subnetA, host, acl.Packet{Protocol: acl.TCP, Remote: ip, Port: 40000})
				if got := out && in; got != want {
					t.Errorf("round trip to %s: %v, want %v", ip, got, want)
				}
			}
		})
	}
}

// For an address that is no interface's, Passes says what the subnet's ACL says.
func TestPassesIsAllowsForTheRestOfTheWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, _ := crossed(t)
		for range rapid.IntRange(0, 5).Draw(t, "entries") {
			_ = r.CreateNetworkACLEntry(aclA, acl.Entry{
				RuleNumber: rapid.IntRange(1, 200).Draw(t, "number"), Egress: rapid.Bool().Draw(t, "egress"), Protocol: acl.All,
				CIDR: netip.MustParsePrefix(rapid.SampledFrom([]string{"52.119.0.0/16", "52.119.223.69/32", "2001:db8::/32", "::/0"}).Draw(t, "cidr")),
			})
		}
		p := acl.Packet{
			Egress: rapid.Bool().Draw(t, "out"), Protocol: acl.TCP, Port: 443,
			Remote: netip.MustParseAddr(rapid.SampledFrom([]string{"52.119.223.69", "52.119.1.1", "8.8.8.8", "2001:db8::1"}).Draw(t, "remote")),
		}
		if got, want := r.Passes(subnetA, netip.MustParseAddr("10.0.1.10"), p), r.Allows(subnetA, p); got != want {
			t.Fatalf("Passes says %v, Allows %v", got, want)
		}
	})
}

// Interfaces of a VPC are out of reach from another.
func TestPassesWithinOneVPCAlone(t *testing.T) {
	r, e := crossed(t)
	const other, elsewhere = "vpc-0123456789abcdef1", "subnet-0123456789abcdefc"
	if err := r.AddVPC(VPC{ID: other, CIDR: netip.MustParsePrefix("10.9.0.0/16")}, ACL{ID: "acl-0123456789abcdefc", Entries: []acl.Entry{AllowAll(100, true)}}); err != nil {
		t.Fatal(err)
	}
	if err := r.AddSubnet(Subnet{ID: elsewhere, VPCID: other, CIDR: netip.MustParsePrefix("10.9.1.0/24")}); err != nil {
		t.Fatal(err)
	}
	p := acl.Packet{Egress: true, Protocol: acl.TCP, Remote: e.Interfaces[0].PrivateIP, Port: 443}
	if r.Passes(elsewhere, netip.MustParseAddr("10.9.1.10"), p) {
		t.Error("a packet reached an interface of another VPC")
	}
	if r.Passes("", netip.MustParseAddr("192.168.7.11"), p) {
		t.Error("a packet reached an interface from outside of AWS")
	}
	p.Remote = netip.MustParseAddr("52.119.223.69")
	if !r.Passes("", netip.MustParseAddr("192.168.7.11"), p) {
		t.Error("a network ACL is in the way of a host outside of AWS")
	}
}
