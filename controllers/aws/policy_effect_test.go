// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
)

const (
	arnVPC      = "arn:aws:ec2:REGION:ACCOUNT_ID:vpc/VPC_ID"
	arnOtherVPC = "arn:aws:ec2:REGION:ACCOUNT_ID:vpc/vpc-2"
	arnACL      = "arn:aws:ec2:REGION:ACCOUNT_ID:network-acl/acl-1"
	arnSubnet   = "arn:aws:ec2:REGION:ACCOUNT_ID:subnet/subnet-1"
)

// shipped is a document of config/iam as IAM takes it: a placeholder is as good as any id.
func shipped(g *WithT, name string) *iam.Policy {
	p, err := iam.Parse(iamFile(g, name))
	g.Expect(err).NotTo(HaveOccurred(), name)
	return p
}

func allows(p *iam.Policy, action, resource string, keys iam.Keys) bool {
	return iam.Decide([]*iam.Policy{p}, iam.Request{Action: action, Resource: resource, Keys: keys}) == iam.Allow
}

const (
	cloneTag   = "aws:ResourceTag/agentdisconnect.dev/clone"
	clusterTag = "aws:ResourceTag/agentdisconnect.dev/cluster"
)

// runKeys are keys of a run's ledger, as ownership.TagKeys gives them.
var runKeys = ownership.TagKeys("0b6c1d52-7f7e-4c36-9a6a-6a4e3d1c2b1a")

func TestWhatThePoliciesAllow(t *testing.T) {
	inRegion := iam.Keys{}.With("ec2:Region", "REGION").With("aws:RequestedRegion", "REGION")
	acl := inRegion.With("ec2:Vpc", arnVPC)
	clone := acl.With(cloneTag, "uid")
	elsewhere := clone.With("ec2:Vpc", arnOtherVPC)
	ours := []string{"agentdisconnect.dev/clone", "agentdisconnect.dev/uid"}
	// EC2's keys for what is being created, and for DeleteTags, don't have the VPC.
	created := inRegion.With("aws:TagKeys", ours...).With("aws:RequestTag/agentdisconnect.dev/clone", "uid")
	named := inRegion.With("aws:TagKeys", ours...)
	fis, firewall := acl.With("aws:ResourceTag/managedByFIS", "true"), func(value string) iam.Keys { return acl.With("aws:ResourceTag/FMManaged", value) }

	for name, tc := range map[string]struct {
		actions       []string
		resource      string
		of            iam.Keys
		full, cloning bool
	}{
		"entries of any ACL of the VPC":    {[]string{"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry"}, arnACL, acl, true, false},
		"a deny on an ACL of AWS FIS":      {[]string{"ec2:CreateNetworkAclEntry"}, arnACL, fis, false, false},
		"undoing one on an ACL of AWS FIS": {[]string{"ec2:DeleteNetworkAclEntry", "ec2:DeleteTags"}, arnACL, fis.With("aws:TagKeys", runKeys...), true, false},
		"a deny on Firewall Manager's ACL": {[]string{"ec2:CreateNetworkAclEntry"}, arnACL, firewall("true"), false, false},
		"undoing one there":                {[]string{"ec2:DeleteNetworkAclEntry"}, arnACL, firewall("true"), true, false},
		"a deny on an ACL that it left":    {[]string{"ec2:CreateNetworkAclEntry"}, arnACL, firewall("False"), true, false},
		"entries of a clone":               {[]string{"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:ReplaceNetworkAclEntry"}, arnACL, clone, true, true},
		"entries of a clone elsewhere":     {[]string{"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:ReplaceNetworkAclEntry"}, arnACL, elsewhere, false, false},
		"replacing a third party's entry":  {[]string{"ec2:ReplaceNetworkAclEntry"}, arnACL, acl, false, false},
		"deleting a clone":                 {[]string{"ec2:DeleteNetworkAcl"}, arnACL, clone, true, true},
		"deleting a third party's ACL":     {[]string{"ec2:DeleteNetworkAcl"}, arnACL, acl, false, false},
		"deleting a clone elsewhere":       {[]string{"ec2:DeleteNetworkAcl"}, arnACL, elsewhere, false, false},
		"a clone, in its VPC":              {[]string{"ec2:CreateNetworkAcl"}, arnVPC, inRegion, true, true},
		"a clone, in another VPC":          {[]string{"ec2:CreateNetworkAcl"}, arnOtherVPC, inRegion, false, false},
		"a clone, with its tags":           {[]string{"ec2:CreateNetworkAcl"}, arnACL, created, true, true},
		"an ACL without tags":              {[]string{"ec2:CreateNetworkAcl"}, arnACL, inRegion, false, false},
		"an ACL with tags of others":       {[]string{"ec2:CreateNetworkAcl"}, arnACL, created.With("aws:TagKeys", "agentdisconnect.dev/clone", "Name"), false, false},
		"tags at creation":                 {[]string{"ec2:CreateTags"}, arnACL, created.With("ec2:CreateAction", "CreateNetworkAcl"), true, true},
		"tags at creation of others":       {[]string{"ec2:CreateTags"}, arnACL, created.With("ec2:CreateAction", "CreateNetworkAcl").With("aws:TagKeys", "Name"), false, false},
		"tags at creation of another kind": {[]string{"ec2:CreateTags"}, arnACL, created.With("ec2:CreateAction", "CreateVpc"), false, false},
		"a run's tags on any ACL":          {[]string{"ec2:CreateTags", "ec2:DeleteTags"}, arnACL, acl.With("aws:TagKeys", runKeys...), true, false},
		"making any ACL a clone":           {[]string{"ec2:CreateTags"}, arnACL, acl.With("aws:TagKeys", append(runKeys, "agentdisconnect.dev/clone")...), false, false},
		"making it one in other letters":   {[]string{"ec2:CreateTags"}, arnACL, acl.With("aws:TagKeys", "agentdisconnect.dev/CLONE"), false, false},
		"making any ACL another cluster's": {[]string{"ec2:CreateTags"}, arnACL, acl.With("aws:TagKeys", "agentdisconnect.dev/cluster"), false, false},
		"our tags on a clone":              {[]string{"ec2:CreateTags"}, arnACL, clone.With("aws:TagKeys", ours...), true, true},
		"our tags elsewhere":               {[]string{"ec2:CreateTags"}, arnACL, elsewhere.With("aws:TagKeys", ours...), false, false},
		"our tags on a subnet":             {[]string{"ec2:CreateTags", "ec2:DeleteTags"}, arnSubnet, clone.With("aws:TagKeys", ours...), false, false},
		"a third party's tag":              {[]string{"ec2:CreateTags", "ec2:DeleteTags"}, arnACL, clone.With("aws:TagKeys", "Name"), false, false},
		"a third party's tag among ours":   {[]string{"ec2:CreateTags", "ec2:DeleteTags"}, arnACL, clone.With("aws:TagKeys", append(ours, "Name")...), false, false},
		"removing our tags":                {[]string{"ec2:DeleteTags"}, arnACL, named, true, false},
		"removing our tags from a clone":   {[]string{"ec2:DeleteTags"}, arnACL, named.With(cloneTag, "uid"), true, true},
		"removing all tags, naming none":   {[]string{"ec2:DeleteTags"}, arnACL, clone, false, false},
		"swapping to an ACL of the VPC":    {[]string{"ec2:ReplaceNetworkAclAssociation"}, arnACL, acl, true, true},
		"swapping a subnet of the VPC":     {[]string{"ec2:ReplaceNetworkAclAssociation"}, arnSubnet, acl, true, true},
		"swapping a subnet elsewhere":      {[]string{"ec2:ReplaceNetworkAclAssociation"}, arnSubnet, elsewhere, false, false},
		"reading the VPC's quotas":         {[]string{"servicequotas:GetServiceQuota"}, "arn:aws:servicequotas:REGION:ACCOUNT_ID:vpc/L-2AEEBF1A", inRegion, true, true},
		"reading others' quotas":           {[]string{"servicequotas:GetServiceQuota"}, "arn:aws:servicequotas:REGION:ACCOUNT_ID:iam/L-1", inRegion, false, false},
		"instances of other clusters":      {[]string{"ecs:ListContainerInstances"}, "arn:aws:ecs:REGION:ACCOUNT_ID:cluster/another", inRegion, true, true},
		"another cluster's instances":      {[]string{"ecs:DescribeClusters"}, "arn:aws:ecs:REGION:ACCOUNT_ID:cluster/another", inRegion, true, true},
		"a container instance of another": {[]string{"ecs:DescribeContainerInstances"}, "arn:aws:ecs:REGION:ACCOUNT_ID:container-instance/another/1",
			inRegion.With("ecs:cluster", "arn:aws:ecs:REGION:ACCOUNT_ID:cluster/another"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, action := range tc.actions {
				g.Expect(allows(shipped(g, "policy.json"), action, tc.resource, tc.of)).To(Equal(tc.full), "policy.json, %s", action)
				g.Expect(allows(shipped(g, "policy-clone.json"), action, tc.resource, tc.of)).To(Equal(tc.cloning), "policy-clone.json, %s", action)
			}
		})
	}
}

func TestWhatTheSwitchsPoliciesAllow(t *testing.T) {
	inRegion := iam.Keys{}.With("ec2:Region", "REGION").With("aws:RequestedRegion", "REGION")
	acl := inRegion.With("ec2:Vpc", arnVPC)
	clone := acl.With(cloneTag, "uid")
	toScheduler := iam.Keys{}.With("iam:PassedToService", "scheduler.amazonaws.com")
	const (
		schedules = "arn:aws:scheduler:REGION:ACCOUNT_ID:schedule/"
		roles     = "arn:aws:iam::ACCOUNT_ID:role/"
	)
	manage := []string{"scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule"}
	entries := []string{"ec2:DeleteNetworkAclEntry"}

	for name, tc := range map[string]struct {
		policy   string
		actions  []string
		resource string
		of       iam.Keys
		allowed  bool
	}{
		"a schedule of the group":        {deadmanPolicy, manage, schedules + "SCHEDULE_GROUP/agd.uid.80", inRegion, true},
		"a schedule of another group":    {deadmanPolicy, manage, schedules + "default/agd.uid.80", inRegion, false},
		"a schedule of a longer name":    {deadmanPolicy, manage, schedules + "SCHEDULE_GROUP-2/agd.uid.80", inRegion, false},
		"listing, as it is judged":       {deadmanPolicy, []string{"scheduler:ListSchedules"}, schedules + "*/*", inRegion, true},
		"listing in another Region":      {deadmanPolicy, []string{"scheduler:ListSchedules"}, schedules + "*/*", iam.Keys{}.With("aws:RequestedRegion", "another"), false},
		"handing over the role":          {deadmanPolicy, []string{"iam:PassRole"}, roles + "DEADMAN_ROLE", toScheduler, true},
		"handing it to another service":  {deadmanPolicy, []string{"iam:PassRole"}, roles + "DEADMAN_ROLE", iam.Keys{}.With("iam:PassedToService", "ec2.amazonaws.com"), false},
		"handing it to no named service": {deadmanPolicy, []string{"iam:PassRole"}, roles + "DEADMAN_ROLE", nil, false},
		"handing over an admin's role":   {deadmanPolicy, []string{"iam:PassRole"}, roles + "admin", toScheduler, false},
		"the switch, on a clone":         {deadmanRole, entries, arnACL, clone, true},
		"the switch, elsewhere":          {deadmanRole, entries, arnACL, clone.With("ec2:Vpc", arnOtherVPC), false},
		"the switch, on no clone":        {deadmanRole, entries, arnACL, acl, false},
		"sweeping entries":               {sweepPolicy, entries, arnACL, acl, true},
		"sweeping entries elsewhere":     {sweepPolicy, entries, arnACL, acl.With("ec2:Vpc", arnOtherVPC), false},
		"sweeping a clone":               {sweepPolicy, []string{"ec2:DeleteNetworkAcl"}, arnACL, clone, true},
		"sweeping a third party's ACL":   {sweepPolicy, []string{"ec2:DeleteNetworkAcl"}, arnACL, acl, false},
		"sweeping, the subnet's way":     {sweepPolicy, []string{"ec2:ReplaceNetworkAclAssociation"}, arnSubnet, acl, true},
		"sweeping, back to the original": {sweepPolicy, []string{"ec2:ReplaceNetworkAclAssociation"}, arnACL, acl, true},
		"marking a clone as adopted":     {sweepPolicy, []string{"ec2:CreateTags"}, arnACL, clone.With("aws:TagKeys", "agentdisconnect.dev/adopted"), true},
		"marking a third party's ACL":    {sweepPolicy, []string{"ec2:CreateTags"}, arnACL, acl.With("aws:TagKeys", "agentdisconnect.dev/adopted"), false},
		"claiming something by a tag":    {sweepPolicy, []string{"ec2:CreateTags"}, arnACL, clone.With("aws:TagKeys", "agentdisconnect.dev/clone"), false},
		"removing our tags":              {sweepPolicy, []string{"ec2:DeleteTags"}, arnACL, inRegion.With("aws:TagKeys", "agentdisconnect.dev/uid"), true},
		"removing a third party's tag":   {sweepPolicy, []string{"ec2:DeleteTags"}, arnACL, inRegion.With("aws:TagKeys", "Name"), false},
		"removing all tags, naming none": {sweepPolicy, []string{"ec2:DeleteTags"}, arnACL, inRegion, false},
		"sweeping schedules":             {sweepPolicy, []string{"scheduler:GetSchedule", "scheduler:DeleteSchedule"}, schedules + "SCHEDULE_GROUP/agd.uid.80", inRegion, true},
		"sweeping others' schedules":     {sweepPolicy, []string{"scheduler:GetSchedule", "scheduler:DeleteSchedule"}, schedules + "default/nightly", inRegion, false},
		"arming, by who sweeps":          {sweepPolicy, []string{"scheduler:CreateSchedule", "scheduler:UpdateSchedule"}, schedules + "SCHEDULE_GROUP/agd.uid.80", inRegion, false},
		"denying, by who sweeps":         {sweepPolicy, []string{"ec2:CreateNetworkAclEntry", "ec2:ReplaceNetworkAclEntry", "ec2:CreateNetworkAcl"}, arnACL, clone, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, action := range tc.actions {
				g.Expect(allows(shipped(g, tc.policy), action, tc.resource, tc.of)).To(Equal(tc.allowed), action)
			}
		})
	}
}

// The narrower form of the policies in config/iam/README.md, which keeps the managers of several clusters from each other's
// clones.
func TestPoliciesOfOneClusterLeaveOthersClonesAlone(t *testing.T) {
	g := NewWithT(t)
	acl := iam.Keys{}.With("ec2:Region", "REGION").With("ec2:Vpc", arnVPC)
	own := acl.With(cloneTag, "uid").With(clusterTag, "CLUSTER_ID")
	others := acl.With(cloneTag, "uid").With(clusterTag, "another")
	made := iam.Keys{}.With("ec2:Region", "REGION").With("ec2:CreateAction", "CreateNetworkAcl").With("aws:TagKeys", "agentdisconnect.dev/clone", "agentdisconnect.dev/cluster").
		With("aws:RequestTag/agentdisconnect.dev/clone", "uid")
	onACLs := []string{
		"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:ReplaceNetworkAclEntry", "ec2:DeleteNetworkAcl", "ec2:CreateTags", "ec2:DeleteTags",
	}
	for _, name := range policies {
		narrow := forOneCluster(g, name)
		for _, action := range onACLs {
			g.Expect(allows(narrow, action, arnACL, own.With("aws:TagKeys", runKeys...))).To(BeTrue(), "%s, %s", name, action)
			g.Expect(allows(narrow, action, arnACL, others.With("aws:TagKeys", runKeys...))).To(BeFalse(), "%s, %s", name, action)
			g.Expect(allows(narrow, action, arnACL, acl.With(cloneTag, "uid").With("aws:TagKeys", runKeys...))).To(BeFalse(), "%s, %s", name, action)
		}
		for _, action := range []string{"ec2:CreateNetworkAcl", "ec2:CreateTags"} {
			g.Expect(allows(narrow, action, arnACL, made.With("aws:RequestTag/agentdisconnect.dev/cluster", "CLUSTER_ID"))).To(BeTrue(), "%s, %s", name, action)
			g.Expect(allows(narrow, action, arnACL, made.With("aws:RequestTag/agentdisconnect.dev/cluster", "another"))).To(BeFalse(), "%s, %s", name, action)
		}
	}
}

// forOneCluster is what README.md tells to do with a policy: a further condition in each statement that it names.
func forOneCluster(g *WithT, name string) *iam.Policy {
	readme := string(iamFile(g, "README.md"))
	_, row, _ := strings.Cut(readme, "**To the clones of one Kubernetes cluster:**")
	row, _, _ = strings.Cut(row, "\n- **")
	var document map[string]any
	g.Expect(json.Unmarshal(iamFile(g, name), &document)).To(Succeed())
	changed := 0
	for _, s := range document["Statement"].([]any) {
		statement := s.(map[string]any)
		if !strings.Contains(row, "`"+statement["Sid"].(string)+"`") {
			continue
		}
		key := clusterTag
		if slices.Contains([]string{"CloneWithTheTag", "TagClonesAtCreation"}, statement["Sid"].(string)) {
			key = "aws:RequestTag/agentdisconnect.dev/cluster"
		}
		g.Expect(row).To(ContainSubstring(`"` + key + `": "CLUSTER_ID"`))
		statement["Condition"].(map[string]any)["StringEquals"].(map[string]any)[key] = "CLUSTER_ID"
		changed++
	}
	g.Expect(changed).To(Equal(5))
	text, err := json.Marshal(document)
	g.Expect(err).NotTo(HaveOccurred())
	p, err := iam.Parse(text)
	g.Expect(err).NotTo(HaveOccurred())
	return p
}
