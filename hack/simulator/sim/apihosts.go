// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"hash/fnv"
	"net/netip"
	"slices"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// apiLabels are the first labels of the host names of AWS's APIs that a Region's DNS knows.
var apiLabels = []string{"ecs", "ec2", "sts", "scheduler", "servicequotas", "cloudtrail", "monitoring", "fis"}

// otherRegions are some whose names resolve from anywhere, as all of AWS's do.
var otherRegions = []string{"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-northeast-1"}

// apiHosts are the host names of the APIs in the Region and in some others, with made-up addresses of their own, two each; the
// dual-stack names have an IPv6 one too. The API itself listens on loopback: nothing connects to these.
func apiHosts(r *region.Region) map[string][]netip.Addr {
	hosts := map[string][]netip.Addr{}
	add := func(name, suffix string) {
		for _, label := range apiLabels {
			four := []netip.Addr{apiAddress(label, name, 0), apiAddress(label, name, 1)}
			hosts[label+"."+name+"."+suffix] = four
			if suffix == "amazonaws.com" {
				six := netip.AddrFrom16([16]byte{0x26, 0x00, 0x1f, 0xff, 14: four[0].As4()[2], 15: four[0].As4()[3]})
				hosts[label+"."+name+".api.aws"] = append([]netip.Addr{six}, four...)
			}
		}
	}
	for _, name := range otherRegions {
		add(name, "amazonaws.com")
	}
	add(r.Name(), r.DNSSuffix())
	return hosts
}

// apiAddress is an address in 99.77.0.0/16 that is the same in every run, and of one API alone.
func apiAddress(label, region string, n byte) netip.Addr {
	h := fnv.New32a()
	_, _ = h.Write([]byte(label + "." + region))
	sum := h.Sum32()
	return netip.AddrFrom4([4]byte{99, 77, byte(sum >> 8), byte(sum)&^1 | n})
}

// SetName gives a host name that nothing of the simulator listens behind, such as that of an API, these addresses; none make it
// unknown.
func (s *Simulator) SetName(host string, addresses ...netip.Addr) { s.zone.set(host, addresses) }

// APIAddresses are the addresses that callers of the Region's APIs use now: those of the hosts, as DNS has them outside of all VPCs,
// and those of the VPC endpoints for their services; address to name.
func (s *Simulator) APIAddresses() map[netip.Addr]string {
	names := map[netip.Addr]string{}
	for _, label := range apiLabels {
		for _, host := range []string{label + "." + s.region.Name() + "." + s.region.DNSSuffix(), label + "." + s.region.Name() + ".api.aws"} {
			for _, address := range s.zone.Lookup(host) {
				if names[address] == "" { // dual-stack names share the IPv4 addresses
					names[address] = host
				}
			}
		}
	}
	for _, endpoint := range s.region.VPCEndpoints() {
		if slices.Contains(apiLabels, endpoint.Service()) {
			for _, address := range endpoint.Addresses() {
				names[address] = endpoint.ID
			}
		}
	}
	return names
}
