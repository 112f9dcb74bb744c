// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"maps"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// The resource types and condition keys of each action are those of AWS's Service Authorization Reference. A resource that
// doesn't exist has an ARN and none of the keys that come from its state.

// Condition keys.
const (
	keyRegion       = "ec2:Region"
	keyVPC          = "ec2:Vpc"
	keyCreateAction = "ec2:CreateAction"
	keyTagKeys      = "aws:TagKeys"
	keyRequestTag   = "aws:RequestTag/"
)

// asks are what IAM is asked for a call.
func asks(req *operation.Request, _ operation.Effect) []iam.Request {
	v, action, form := req.Region.View(time.Time{}), req.Call.Name(), req.Form
	inRegion := iam.Keys{}.With(keyRegion, req.Region.Name())
	switch req.Call.Action {
	case "CreateNetworkAclEntry", "ReplaceNetworkAclEntry", "DeleteNetworkAclEntry", "DeleteNetworkAcl":
		return []iam.Request{aclAsk(req, v, action, form.Get("NetworkAclId"))}
	case "ReplaceNetworkAclAssociation":
		all := []iam.Request{aclAsk(req, v, action, form.Get("NetworkAclId"))}
		// An association has no ARN: of one that isn't there no subnet is known.
		for _, s := range v.Subnets() {
			if s.AssociationID == form.Get("AssociationId") {
				all = append(all, iam.Request{Action: action, Resource: resourceARN(req, s.ID), Keys: resourceKeys(req, v, s.ID).With("ec2:SubnetID", s.ID)})
			}
		}
		return all
	case "CreateNetworkAcl":
		return createACLAsks(req, v, inRegion)
	case "CreateTags":
		tags, _ := readTags(form, "Tag.") // it was read before
		var all []iam.Request
		for _, id := range operation.List(form, "ResourceId") {
			all = append(all, iam.Request{Action: action, Resource: resourceARN(req, id), Keys: withTags(resourceKeys(req, v, id), tags)})
		}
		return all
	case "DeleteTags":
		var all []iam.Request
		tags, _ := readTags(form, "Tag.")
		for _, id := range operation.List(form, "ResourceId") {
			keys := withTags(resourceKeys(req, v, id).With(keyVPC), tags) // the reference lists ec2:Vpc for CreateTags alone
			all = append(all, iam.Request{Action: action, Resource: resourceARN(req, id), Keys: keys})
		}
		return all
	}
	return []iam.Request{{Action: action, Resource: "*", Keys: inRegion}}
}

// createACLAsks are of the VPC, of the network ACL that is to be, and of its tags: EC2 asks for those as CreateTags, and
// says which action creates what they are for.
func createACLAsks(req *operation.Request, v region.View, inRegion iam.Keys) []iam.Request {
	action, vpcID := req.Call.Name(), req.Form.Get("VpcId")
	tags, _ := tagSpecifications(req.Form, "network-acl") // they were read before
	made := withTags(inRegion, tags)
	all := []iam.Request{
		{Action: action, Resource: resourceARN(req, vpcID), Keys: resourceKeys(req, v, vpcID).With("ec2:VpcID", vpcID)},
		{Action: action, Resource: aclARN(req, "*"), Keys: made},
	}
	if len(tags) > 0 {
		all = append(all, iam.Request{Action: "ec2:CreateTags", Resource: aclARN(req, "*"), Keys: made.With(keyCreateAction, req.Call.Action)})
	}
	return all
}

func aclAsk(req *operation.Request, v region.View, action, id string) iam.Request {
	_, there := v.NetworkACL(id)
	return iam.Request{Action: action, Resource: aclARN(req, id), Keys: resourceKeys(req, v, id).With("ec2:NetworkAclID", id), Absent: !there}
}

// resourceKeys are those that come from the state of a resource: its VPC and its tags.
func resourceKeys(req *operation.Request, v region.View, id string) iam.Keys {
	keys := iam.Keys{}.With(keyRegion, req.Region.Name())
	vpcID := ""
	if a, ok := v.NetworkACL(id); ok {
		vpcID = a.VPCID
	} else if s, ok := v.Subnet(id); ok {
		vpcID = s.VPCID
	}
	if vpcID != "" {
		keys = keys.With(keyVPC, req.Region.ARN("ec2", "vpc/"+vpcID))
	}
	for key, value := range v.TagsOf(id) {
		keys = keys.With("aws:ResourceTag/"+key, value).With("ec2:ResourceTag/"+key, value)
	}
	return keys
}

// withTags adds the tags that a request names.
func withTags(keys iam.Keys, tags map[string]string) iam.Keys {
	keys = keys.With(keyTagKeys, slices.Sorted(maps.Keys(tags))...)
	for key, value := range tags {
		keys = keys.With(keyRequestTag+key, value)
	}
	return keys
}
