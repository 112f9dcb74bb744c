// SPDX-License-Identifier: Apache-2.0

package world

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func TestDefaultWorld(t *testing.T) {
	g := gomega.NewWithT(t)
	w := Default()
	g.Expect(w.Validate()).To(gomega.Succeed())
	r, err := w.Build(region.Options{}, true)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	v := r.View(time.Time{})
	alone := 0
	for _, a := range v.NetworkACLs() {
		if len(a.Associations) == 1 {
			alone++
			g.Expect(a.Default).To(gomega.BeFalse())
		} else {
			g.Expect(len(a.Associations)).To(gomega.BeNumerically(">=", 2))
		}
	}
	g.Expect(alone).To(gomega.Equal(1), "one subnet has its ACL to itself")
	addresses := 0
	for _, h := range w.Hosts {
		addresses += len(h.Addresses)
	}
	g.Expect(addresses).To(gomega.Equal(6))
	g.Expect(w.Keys()).To(gomega.HaveLen(1))
}

func TestConstantsNameTheDefaultWorld(t *testing.T) {
	g, w := gomega.NewWithT(t), Default()
	g.Expect([]string{w.Account, w.Region, w.VPCs[0].ID}).To(gomega.Equal([]string{DefaultAccount, DefaultRegion, DefaultVPC}))
	g.Expect([]string{w.Hosts[0].Name, w.Hosts[1].Name}).To(gomega.Equal([]string{ACSHost, TCSHost}))

	r, err := w.Build(region.Options{}, true)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	homes := map[string]string{}
	for _, s := range r.View(time.Time{}).Subnets() {
		homes[s.ID] = s.NetworkACLID
	}
	g.Expect(homes).To(gomega.Equal(map[string]string{DedicatedSubnet: DedicatedACL, SharedSubnet: SharedACL, PlainSubnet: SharedACL}))

	instances := map[string][]string{}
	for _, i := range r.ContainerInstances() {
		key := i.ClusterARN + " " + i.SubnetID
		instances[key] = append(instances[key], i.ARN[strings.LastIndex(i.ARN, "/")+1:])
	}
	g.Expect(instances).To(gomega.Equal(map[string][]string{
		DefaultClusterARN + " " + DedicatedSubnet: {DedicatedInstance1, DedicatedInstance2},
		DefaultClusterARN + " " + SharedSubnet:    {SharedInstance},
		OtherClusterARN + " " + SharedSubnet:      {OtherInstance},
	}))
}

// change is the default world's text with one place changed.
func change(old, replacement string) string {
	text := string(DefaultYAML())
	if !strings.Contains(text, old) {
		panic("the default world has no " + old)
	}
	return strings.Replace(text, old, replacement, 1)
}

func TestMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"unknown field":        {change("  tags: {Name: shared-2}", "  tag: {Name: shared-2}"), []string{`unknown field "subnets[2].tag"`}},
		"field twice":          {change("region: ap-northeast-1", "region: ap-northeast-1\nregion: x"), []string{`"region" already set`}},
		"not YAML":             {"a: [", []string{"yaml"}},
		"account as number":    {change(`"123456789012"`, `123456789012`), []string{"account"}},
		"short account":        {change(`"123456789012"`, `"1234"`), []string{`account: "1234" is no account id; write 12 digits`}},
		"no Region":            {change("region: ap-northeast-1", "region: tokyo"), []string{`region: "tokyo" is no Region`}},
		"dangling VPC":         {change("  vpc: vpc-0a7c1e5f3b9d24680\n  cidr: 10.0.1.0/24", "  vpc: vpc-00000000000000000\n  cidr: 10.0.1.0/24"), []string{`subnets[0].vpc: there is no VPC "vpc-00000000000000000"; add it under vpcs`}},
		"dangling ACL":         {change("networkACL: acl-0b3d6f9a1c5e72840", "networkACL: acl-00000000000000000"), []string{`subnets[0].networkACL: there is no network ACL`}},
		"dangling subnet":      {change("subnet: subnet-0c2e4a6b8d1f35790", "subnet: subnet-00000000000000000"), []string{`clusters[0].containerInstances[0].subnet: there is no subnet`}},
		"no default ACL":       {change("  default: true\n", ""), []string{"vpcs[0]: no network ACL of vpc-0a7c1e5f3b9d24680 says default: true"}},
		"same id twice":        {change("subnet-0e8d6c4b2a9f71350", "subnet-0c2e4a6b8d1f35790"), []string{`subnets[1].id: subnet "subnet-0c2e4a6b8d1f35790" is at subnets[0].id already`}},
		"overlap":              {change("10.0.2.0/24", "10.0.0.0/22"), []string{"subnets[1].cidr: 10.0.0.0/22 overlaps 10.0.1.0/24 of subnets[0]"}},
		"outside the VPC":      {change("10.0.3.0/24", "10.1.3.0/24"), []string{"subnets[2].cidr: 10.1.3.0/24 lies outside of 10.0.0.0/16"}},
		"host bits":            {change("10.0.3.0/24", "10.0.3.1/24"), []string{"subnets[2].cidr: 10.0.3.1/24 has bits set beyond its length; write 10.0.3.0/24"}},
		"no CIDR":              {change("10.0.3.0/24", "10.0.3.0"), []string{`subnets[2].cidr: "10.0.3.0" is no CIDR block`}},
		"zone elsewhere":       {change("ap-northeast-1d", "us-east-1a"), []string{"subnets[2].availabilityZone"}},
		"address of no subnet": {change("privateIP: 10.0.1.11", "privateIP: 10.0.9.11"), []string{"containerInstances[0].privateIP: 10.0.9.11 lies outside of 10.0.1.0/24"}},
		"bad instance id":      {change("i-0a1b2c3d4e5f60718", "i-1"), []string{"ec2InstanceID"}},
		"bad entry":            {change("direction: egress", "direction: out"), []string{`networkACLs[0].entries[0]: direction "out"; write egress or ingress`}},
		"reserved number":      {change("rule: 100", "rule: 32767"), []string{"networkACLs[0].entries[0]: InvalidParameterValue"}},
		"number twice": {change("  - {rule: 100, direction: ingress, action: allow, cidr: 0.0.0.0/0}", "  - {rule: 100, direction: egress, action: deny, cidr: 0.0.0.0/0}"),
			[]string{"networkACLs[0].entries[1].rule: entries[0] has egress rule 100 already"}},
		"ports without protocol": {change("action: allow, cidr", "action: allow, ports: '443', cidr"), []string{"networkACLs[0].entries[0]: ports"}},
		"bad host address":       {change("52.119.223.69", "52.119.223.690"), []string{`hosts[0].addresses[0]: "52.119.223.690" is no IP address`}},
		"bad endpoint":           {change("acs: https://ecs-a-4", "acs: ecs-a-4"), []string{"endpoints.acs"}},
		"bad session":            {change("session: TCS", "session: SSM"), []string{`hosts[1].session: "SSM"; write ACS or TCS`}},
		"bad TTL":                {string(DefaultYAML()) + "dnsTTL: soon\n", []string{`dnsTTL: "soon" is no duration`}},
		"bad pattern":            {string(DefaultYAML()) + "accessKeys:\n- {id: AKIA1, secret: x, allow: [DescribeVpcs]}\n", []string{`accessKeys[0]: "DescribeVpcs" is no pattern`}},
		"bad role":               {string(DefaultYAML()) + "roles:\n- {arn: switch}\n", []string{`roles[0].arn: "switch" is no ARN of a role; write one like arn:aws:iam::123456789012:role/name`}},
		"bad role's pattern":     {string(DefaultYAML()) + "roles:\n- {arn: 'arn:aws:iam::123456789012:role/switch', allow: [all]}\n", []string{`roles[0]: "all" is no pattern`}},
		"bad group":              {string(DefaultYAML()) + "scheduleGroups: [a, a b, default, a]\n", []string{`scheduleGroups[1]: "a b"`, `scheduleGroups[2]: "default"`, `scheduleGroups[3]: schedule group "a" is at scheduleGroups[0] already`}},
		"all at once": {strings.ReplaceAll(change("10.0.3.0/24", "10.0.3.0"), "10.0.0.0/16", "10.0.0.0"),
			[]string{"vpcs[0].cidr", "subnets[2].cidr"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tc.text))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error:\n%v\nwant in it:\n%s", err, want)
				}
			}
		})
	}
}

func TestAccessKeys(t *testing.T) {
	g := gomega.NewWithT(t)
	w, err := Parse([]byte(string(DefaultYAML()) + `
accessKeys:
- {id: AKIAREADER, secret: x, allow: ["ec2:Describe*"], deny: ["ec2:DescribeTags"]}
- {id: AKIAOTHER, secret: x, account: "210987654321"}
`))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	keys := w.Keys()
	g.Expect(keys[0].ARN).To(gomega.Equal("arn:aws:iam::123456789012:user/AKIAREADER"))
	g.Expect(keys[1].ARN).To(gomega.Equal("arn:aws:iam::210987654321:user/AKIAOTHER"))
	g.Expect(keys[1].Allow).To(gomega.Equal([]string{"*"}))
}
