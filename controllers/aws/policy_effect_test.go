// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const (
	arnVPC      = "arn:aws:ec2:REGION:ACCOUNT_ID:vpc/VPC_ID"
	arnOtherVPC = "arn:aws:ec2:REGION:ACCOUNT_ID:vpc/vpc-2"
	arnACL      = "arn:aws:ec2:REGION:ACCOUNT_ID:network-acl/acl-1"
	arnSubnet   = "arn:aws:ec2:REGION:ACCOUNT_ID:subnet/subnet-1"
)

// facts are the condition keys of a request, with their values.
type facts map[string][]string

// with gives the facts and a further one.
func (f facts) with(key string, values ...string) facts {
	all := facts{key: values}
	for k, v := range f {
		if _, replaced := all[k]; !replaced {
			all[k] = v
		}
	}
	return all
}

// allows judges one resource of a request as IAM does: some statement has the action, the resource and all conditions.
func (d document) allows(action, resource string, f facts) bool {
	return slices.ContainsFunc(d.Statement, func(s statement) bool {
		return slices.Contains(s.Action, action) && slices.ContainsFunc(s.Resource, func(pattern string) bool { return like(pattern, resource) }) &&
			s.holds(f)
	})
}

func (s statement) holds(f facts) bool {
	for operator, keys := range s.Condition {
		for key, want := range keys {
			have, present := f[key]
			held := false
			switch operator {
			case "StringEquals", "ArnEquals":
				held = len(have) == 1 && have[0] == want
			case "ForAllValues:StringLike": // true of no values at all
				held = !slices.ContainsFunc(have, func(v string) bool { return !like(want, v) })
			case "Null":
				held = present != (want == "true")
			default:
				panic("this test knows nothing of " + operator)
			}
			if !held {
				return false
			}
		}
	}
	return true
}

// like matches * with anything, as IAM does; path.Match stops at a slash.
func like(pattern, text string) bool {
	flat := func(s string) string { return strings.ReplaceAll(s, "/", "|") }
	ok, err := path.Match(flat(pattern), flat(text))
	return ok && err == nil
}

func TestWhatThePoliciesAllow(t *testing.T) {
	inRegion := facts{"ec2:Region": {"REGION"}, "aws:RequestedRegion": {"REGION"}}
	acl := inRegion.with("ec2:Vpc", arnVPC)
	clone := acl.with("aws:ResourceTag/agentdisconnect.dev/clone", "uid")
	elsewhere := clone.with("ec2:Vpc", arnOtherVPC)
	ours := []string{"agentdisconnect.dev/clone", "agentdisconnect.dev/uid"}
	// EC2's keys for what is being created, and for DeleteTags, don't have the VPC.
	created := inRegion.with("aws:TagKeys", ours...).with("aws:RequestTag/agentdisconnect.dev/clone", "uid")
	named := inRegion.with("aws:TagKeys", ours...)
	tag := "aws:ResourceTag/agentdisconnect.dev/clone"

	for name, tc := range map[string]struct {
		actions       []string
		resource      string
		of            facts
		full, cloning bool
	}{
		"entries of any ACL of the VPC":    {[]string{"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry"}, arnACL, acl, true, false},
		"entries of a clone":               {[]string{"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:ReplaceNetworkAclEntry"}, arnACL, clone, true, true},
		"entries of a clone elsewhere":     {[]string{"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:ReplaceNetworkAclEntry"}, arnACL, elsewhere, false, false},
		"replacing a stranger's entry":     {[]string{"ec2:ReplaceNetworkAclEntry"}, arnACL, acl, false, false},
		"deleting a clone":                 {[]string{"ec2:DeleteNetworkAcl"}, arnACL, clone, true, true},
		"deleting a stranger's ACL":        {[]string{"ec2:DeleteNetworkAcl"}, arnACL, acl, false, false},
		"deleting a clone elsewhere":       {[]string{"ec2:DeleteNetworkAcl"}, arnACL, elsewhere, false, false},
		"a clone, in its VPC":              {[]string{"ec2:CreateNetworkAcl"}, arnVPC, inRegion, true, true},
		"a clone, in another VPC":          {[]string{"ec2:CreateNetworkAcl"}, arnOtherVPC, inRegion, false, false},
		"a clone, with its tags":           {[]string{"ec2:CreateNetworkAcl"}, arnACL, created, true, true},
		"an ACL without tags":              {[]string{"ec2:CreateNetworkAcl"}, arnACL, inRegion, false, false},
		"an ACL with tags of others":       {[]string{"ec2:CreateNetworkAcl"}, arnACL, created.with("aws:TagKeys", "agentdisconnect.dev/clone", "Name"), false, false},
		"tags at creation":                 {[]string{"ec2:CreateTags"}, arnACL, created.with("ec2:CreateAction", "CreateNetworkAcl"), true, true},
		"tags at creation of others":       {[]string{"ec2:CreateTags"}, arnACL, created.with("ec2:CreateAction", "CreateNetworkAcl").with("aws:TagKeys", "Name"), false, false},
		"tags at creation of another kind": {[]string{"ec2:CreateTags"}, arnACL, created.with("ec2:CreateAction", "CreateVpc"), false, false},
		"our tags on any ACL of the VPC":   {[]string{"ec2:CreateTags"}, arnACL, acl.with("aws:TagKeys", ours...), true, false},
		"our tags on a clone":              {[]string{"ec2:CreateTags"}, arnACL, clone.with("aws:TagKeys", ours...), true, true},
		"our tags elsewhere":               {[]string{"ec2:CreateTags"}, arnACL, elsewhere.with("aws:TagKeys", ours...), false, false},
		"our tags on a subnet":             {[]string{"ec2:CreateTags", "ec2:DeleteTags"}, arnSubnet, clone.with("aws:TagKeys", ours...), false, false},
		"a stranger's tag":                 {[]string{"ec2:CreateTags", "ec2:DeleteTags"}, arnACL, clone.with("aws:TagKeys", "Name"), false, false},
		"a stranger's tag among ours":      {[]string{"ec2:CreateTags", "ec2:DeleteTags"}, arnACL, clone.with("aws:TagKeys", append(ours, "Name")...), false, false},
		"removing our tags":                {[]string{"ec2:DeleteTags"}, arnACL, named, true, false},
		"removing our tags from a clone":   {[]string{"ec2:DeleteTags"}, arnACL, named.with(tag, "uid"), true, true},
		"removing all tags, naming none":   {[]string{"ec2:DeleteTags"}, arnACL, clone, false, false},
		"swapping to an ACL of the VPC":    {[]string{"ec2:ReplaceNetworkAclAssociation"}, arnACL, acl, true, true},
		"swapping a subnet of the VPC":     {[]string{"ec2:ReplaceNetworkAclAssociation"}, arnSubnet, acl, true, true},
		"swapping a subnet elsewhere":      {[]string{"ec2:ReplaceNetworkAclAssociation"}, arnSubnet, elsewhere, false, false},
		"reading the VPC's quotas":         {[]string{"servicequotas:GetServiceQuota"}, "arn:aws:servicequotas:REGION:ACCOUNT_ID:vpc/L-2AEEBF1A", inRegion, true, true},
		"reading others' quotas":           {[]string{"servicequotas:GetServiceQuota"}, "arn:aws:servicequotas:REGION:ACCOUNT_ID:iam/L-1", inRegion, false, false},
		"instances of other clusters":      {[]string{"ecs:ListContainerInstances"}, "arn:aws:ecs:REGION:ACCOUNT_ID:cluster/another", inRegion, true, true},
		"another cluster's instances":      {[]string{"ecs:DescribeClusters"}, "arn:aws:ecs:REGION:ACCOUNT_ID:cluster/another", inRegion, true, true},
		"a container instance of another": {[]string{"ecs:DescribeContainerInstances"}, "arn:aws:ecs:REGION:ACCOUNT_ID:container-instance/another/1",
			inRegion.with("ecs:cluster", "arn:aws:ecs:REGION:ACCOUNT_ID:cluster/another"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, action := range tc.actions {
				g.Expect(policy(g, "policy.json").allows(action, tc.resource, tc.of)).To(Equal(tc.full), "policy.json, %s", action)
				g.Expect(policy(g, "policy-clone.json").allows(action, tc.resource, tc.of)).To(Equal(tc.cloning), "policy-clone.json, %s", action)
			}
		})
	}
}

func TestWhatTheSwitchsPoliciesAllow(t *testing.T) {
	inRegion := facts{"ec2:Region": {"REGION"}, "aws:RequestedRegion": {"REGION"}}
	acl := inRegion.with("ec2:Vpc", arnVPC)
	clone := acl.with("aws:ResourceTag/agentdisconnect.dev/clone", "uid")
	toScheduler := facts{"iam:PassedToService": {"scheduler.amazonaws.com"}}
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
		of       facts
		allowed  bool
	}{
		"a schedule of the group":        {deadmanPolicy, manage, schedules + "SCHEDULE_GROUP/agd.uid.80", inRegion, true},
		"a schedule of another group":    {deadmanPolicy, manage, schedules + "default/agd.uid.80", inRegion, false},
		"a schedule of a longer name":    {deadmanPolicy, manage, schedules + "SCHEDULE_GROUP-2/agd.uid.80", inRegion, false},
		"listing, as it is judged":       {deadmanPolicy, []string{"scheduler:ListSchedules"}, schedules + "*/*", inRegion, true},
		"listing in another Region":      {deadmanPolicy, []string{"scheduler:ListSchedules"}, schedules + "*/*", facts{"aws:RequestedRegion": {"another"}}, false},
		"handing over the role":          {deadmanPolicy, []string{"iam:PassRole"}, roles + "DEADMAN_ROLE", toScheduler, true},
		"handing it to another service":  {deadmanPolicy, []string{"iam:PassRole"}, roles + "DEADMAN_ROLE", facts{"iam:PassedToService": {"ec2.amazonaws.com"}}, false},
		"handing it to nobody named":     {deadmanPolicy, []string{"iam:PassRole"}, roles + "DEADMAN_ROLE", nil, false},
		"handing over an admin's role":   {deadmanPolicy, []string{"iam:PassRole"}, roles + "admin", toScheduler, false},
		"the switch, on a clone":         {deadmanRole, entries, arnACL, clone, true},
		"the switch, elsewhere":          {deadmanRole, entries, arnACL, clone.with("ec2:Vpc", arnOtherVPC), false},
		"the switch, on no clone":        {deadmanRole, entries, arnACL, acl, false},
		"sweeping entries":               {sweepPolicy, entries, arnACL, acl, true},
		"sweeping entries elsewhere":     {sweepPolicy, entries, arnACL, acl.with("ec2:Vpc", arnOtherVPC), false},
		"sweeping a clone":               {sweepPolicy, []string{"ec2:DeleteNetworkAcl"}, arnACL, clone, true},
		"sweeping a stranger's ACL":      {sweepPolicy, []string{"ec2:DeleteNetworkAcl"}, arnACL, acl, false},
		"sweeping, the subnet's way":     {sweepPolicy, []string{"ec2:ReplaceNetworkAclAssociation"}, arnSubnet, acl, true},
		"sweeping, back to the original": {sweepPolicy, []string{"ec2:ReplaceNetworkAclAssociation"}, arnACL, acl, true},
		"marking a clone as adopted":     {sweepPolicy, []string{"ec2:CreateTags"}, arnACL, clone.with("aws:TagKeys", "agentdisconnect.dev/adopted"), true},
		"marking a stranger's ACL":       {sweepPolicy, []string{"ec2:CreateTags"}, arnACL, acl.with("aws:TagKeys", "agentdisconnect.dev/adopted"), false},
		"claiming something by a tag":    {sweepPolicy, []string{"ec2:CreateTags"}, arnACL, clone.with("aws:TagKeys", "agentdisconnect.dev/clone"), false},
		"removing our tags":              {sweepPolicy, []string{"ec2:DeleteTags"}, arnACL, inRegion.with("aws:TagKeys", "agentdisconnect.dev/uid"), true},
		"removing a stranger's tag":      {sweepPolicy, []string{"ec2:DeleteTags"}, arnACL, inRegion.with("aws:TagKeys", "Name"), false},
		"removing all tags, naming none": {sweepPolicy, []string{"ec2:DeleteTags"}, arnACL, inRegion, false},
		"sweeping schedules":             {sweepPolicy, []string{"scheduler:GetSchedule", "scheduler:DeleteSchedule"}, schedules + "SCHEDULE_GROUP/agd.uid.80", inRegion, true},
		"sweeping others' schedules":     {sweepPolicy, []string{"scheduler:GetSchedule", "scheduler:DeleteSchedule"}, schedules + "default/nightly", inRegion, false},
		"arming, by who sweeps":          {sweepPolicy, []string{"scheduler:CreateSchedule", "scheduler:UpdateSchedule"}, schedules + "SCHEDULE_GROUP/agd.uid.80", inRegion, false},
		"denying, by who sweeps":         {sweepPolicy, []string{"ec2:CreateNetworkAclEntry", "ec2:ReplaceNetworkAclEntry", "ec2:CreateNetworkAcl"}, arnACL, clone, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, action := range tc.actions {
				g.Expect(policy(g, tc.policy).allows(action, tc.resource, tc.of)).To(Equal(tc.allowed), action)
			}
		})
	}
}
