// SPDX-License-Identifier: Apache-2.0

package world

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const mixedCapacity = `
quotas: {rulesPerNetworkACL: 40, networkACLsPerVPC: 3}
capacityProviders:
- {name: asg, autoScalingGroup: demo}
- name: managed
  managedInstances: {cluster: demo, subnets: [subnet-0c2e4a6b8d1f35790], autoRepair: true}
`

func TestCapacityAndQuotas(t *testing.T) {
	g := gomega.NewWithT(t)
	text := string(DefaultYAML()) + mixedCapacity
	w, err := Parse([]byte(strings.Replace(text, "- name: demo\n  containerInstances:\n", `- name: demo
  capacityProviders: [FARGATE, asg]
  fargateTasks: 2
  containerInstances:
  - {id: d0d1d2d3d4d5d6d7d8d9dadbdcdddedf, ec2InstanceID: mi-0a1b2c3d4e5f60718, external: true, privateIP: 192.168.7.11}
`, 1)))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	r, err := w.Build(region.Options{}, true)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	v := r.View(r.Now())
	q, _ := v.Quota("vpc", region.QuotaEntries)
	g.Expect(q.Value).To(gomega.Equal(40))
	q, _ = v.Quota("vpc", region.QuotaACLs)
	g.Expect(q.Value).To(gomega.Equal(3))
	c, _ := v.FindCluster("demo")
	g.Expect(c.CapacityProviders).To(gomega.ConsistOf("FARGATE", "asg", "managed"))
	g.Expect(v.Tasks(c.ARN)).To(gomega.HaveLen(2))
	g.Expect(v.ContainerInstances(c.ARN)).To(gomega.HaveLen(4))
}

func TestCapacityMistakes(t *testing.T) {
	base := string(DefaultYAML()) + mixedCapacity
	for name, tc := range map[string]struct{ old, new, want string }{
		"quota above AWS's":   {"rulesPerNetworkACL: 40", "rulesPerNetworkACL: 41", "quotas.rulesPerNetworkACL: 41; write 1 to 40"},
		"negative quota":      {"networkACLsPerVPC: 3", "networkACLsPerVPC: -1", "quotas.networkACLsPerVPC"},
		"below what is there": {"rulesPerNetworkACL: 40", "rulesPerNetworkACL: 1", "networkACLs[0].entries[0]: more than 1 egress entries"},
		"both kinds":          {"- name: managed\n", "- name: managed\n  autoScalingGroup: x\n", "capacityProviders[1]: it has autoScalingGroup or managedInstances"},
		"no such cluster":     {"{cluster: demo,", "{cluster: nope,", `capacityProviders[1].managedInstances.cluster: there is no cluster "nope"`},
		"no such subnet":      {"subnets: [subnet-0c2e4a6b8d1f35790]", "subnets: [subnet-00000000]", "capacityProviders[1].managedInstances.subnets[0]"},
		"name twice":          {"name: managed", "name: asg", "capacityProviders[1].name"},
		"AWS's name":          {"name: asg", "name: FARGATE", "capacityProviders[0].name"},
		"provider unknown":    {"- name: demo\n", "- name: demo\n  capacityProviders: [nope]\n", `clusters[0].capacityProviders[0]: there is no capacity provider "nope"`},
		"of an instance":      {"    privateIP: 10.0.1.11\n", "    privateIP: 10.0.1.11\n    capacityProvider: nope\n", "containerInstances[0].capacityProvider"},
		"external in AWS":     {"    privateIP: 10.0.1.11\n", "    privateIP: 10.0.1.11\n    external: true\n", "containerInstances[0].subnet: an external machine"},
		"external's id":       {"    privateIP: 10.0.1.11\n", "    privateIP: 10.0.1.11\n    external: true\n", "containerInstances[0].ec2InstanceID"},
		"negative tasks":      {"- name: demo\n", "- name: demo\n  fargateTasks: -1\n", "clusters[0].fargateTasks"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(base, tc.old, tc.new, 1)
			if text == base {
				t.Fatalf("%q is not in the world", tc.old)
			}
			if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error:\n%v\nwant in it:\n%s", err, tc.want)
			}
		})
	}
}
