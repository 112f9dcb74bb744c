// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bytes"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const smallWorld = `account: "123456789012"
region: ap-northeast-1
endpoints: {acs: "https://a.example/", tcs: "https://t.example/"}
hosts: [{name: a.example, session: ACS, addresses: [192.0.2.1]}]
vpcs: [{id: vpc-0a1b2c3d, cidr: 10.0.0.0/16, ipv6CIDR: "2001:db8::/56"}]
networkACLs:
- {id: acl-0a1b2c3d, vpc: vpc-0a1b2c3d, default: true, entries: [{rule: 100, direction: egress, action: allow, cidr: 0.0.0.0/0, protocol: tcp, ports: 1-2}]}
subnets: [{id: subnet-0a1b2c3d, vpc: vpc-0a1b2c3d, cidr: 10.0.1.0/24, ipv6CIDR: "2001:db8::/64", availabilityZone: ap-northeast-1a}]
vpcEndpoints: [{vpc: vpc-0a1b2c3d, service: ecs-agent, interfaces: [{subnet: subnet-0a1b2c3d, privateIP: 10.0.1.9}]}]
clusters: [{name: demo, containerInstances: [{id: 0123456789abcdef0123456789abcdef, ec2InstanceID: i-0a1b2c3d, subnet: subnet-0a1b2c3d, privateIP: 10.0.1.7}]}]
taskDefinitions: [{family: web, image: x, cpu: 1, memory: 1}]
`

// A world is refused with its mistakes, or a Region can be made of it; what is written of it is the same world.
func FuzzParse(f *testing.F) {
	f.Add([]byte(smallWorld))
	for old, with := range map[string]string{
		"10.0.0.0/16": "10.0.0.0/33", "0.0.0.0/0": "::/0", "rule: 100": "rule: -1", "1-2": "2-1", "10.0.1.7": "10.0.9.7", "10.0.1.0/24": "0.0.0.0/0",
		"2001:db8::/64": "2001:db8:1::/64", "10.0.1.9": "10.0.1.7", "protocol: tcp": "protocol: \"999\"", "i-0a1b2c3d": "", "192.0.2.1": "fe80::1%eth0",
		"default: true": "default: false", "clusters: [": "clusters: [&a {name: b}, *a, ", "demo": "d\\u0000", "https://a.example/": "http://[::1", "cpu: 1": "cpu: 1e99",
	} {
		f.Add([]byte(strings.ReplaceAll(smallWorld, old, with)))
	}
	f.Add([]byte("a: &a [1]\nb: [*a, *a]"))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 || bytes.Count(text, []byte("*")) > 8 {
			return
		}
		w, err := Parse(text)
		if err != nil {
			return
		}
		if _, err := w.Build(region.Options{}, true); err != nil {
			t.Fatalf("it was found to be valid: %v", err)
		}
		_ = w.Keys()
		written, err := yaml.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(written)
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if rewritten, err := yaml.Marshal(again); err != nil || !bytes.Equal(rewritten, written) {
			t.Fatalf("%v\n%s\nis not\n%s", err, rewritten, written)
		}
	})
}
