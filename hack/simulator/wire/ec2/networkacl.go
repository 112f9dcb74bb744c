// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/url"
	"strconv"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type networkACLXML struct {
	ID           string           `xml:"networkAclId"`
	VPCID        string           `xml:"vpcId"`
	Default      bool             `xml:"default"`
	Entries      []entryXML       `xml:"entrySet>item"`
	Associations []associationXML `xml:"associationSet>item"`
	Tags         []tagXML         `xml:"tagSet>item"`
	OwnerID      string           `xml:"ownerId"`
}

type associationXML struct {
	ID       string `xml:"networkAclAssociationId"`
	ACLID    string `xml:"networkAclId"`
	SubnetID string `xml:"subnetId"`
}

func toNetworkACLXML(r *region.Region, a region.ACL) networkACLXML {
	out := networkACLXML{ID: a.ID, VPCID: a.VPCID, Default: a.Default, Tags: toTags(a.Tags), OwnerID: r.Account()}
	for _, e := range a.Entries {
		out.Entries = append(out.Entries, toEntryXML(e))
	}
	for _, s := range a.Associations {
		out.Associations = append(out.Associations, associationXML{s.ID, s.NetworkACLID, s.SubnetID})
	}
	return out
}

// networkACLValues are what filters see of a network ACL.
func networkACLValues(r *region.Region, a region.ACL) values {
	return func(name string) (list []string, ok bool) {
		if list, ok := tagValues(name, a.Tags); ok {
			return list, true
		}
		switch name {
		case "network-acl-id":
			return []string{a.ID}, true
		case "vpc-id":
			return []string{a.VPCID}, true
		case "owner-id":
			return []string{r.Account()}, true
		case "default":
			return []string{strconv.FormatBool(a.Default)}, true
		}
		for _, s := range a.Associations {
			v, known := associationValue(s, name)
			if !known {
				break
			}
			list = append(list, v)
		}
		if _, known := associationValue(region.Association{}, name); known {
			return list, true
		}
		for _, e := range a.Entries {
			list = append(list, entryValues(e, name)...)
		}
		return list, entryFilter(name)
	}
}

func associationValue(s region.Association, name string) (string, bool) {
	switch name {
	case "association.association-id":
		return s.ID, true
	case "association.network-acl-id":
		return s.NetworkACLID, true
	case "association.subnet-id":
		return s.SubnetID, true
	}
	return "", false
}

func describeNetworkAcls(req *operation.Request) (operation.Effect, error) {
	ids := operation.List(req.Form, "NetworkAclId")
	for _, id := range ids {
		if err := region.CheckNetworkACLID(id); err != nil {
			return operation.Effect{}, err
		}
	}
	p, err := pages(req.Form, "networkAclIds", ids)
	if err != nil {
		return operation.Effect{}, err
	}
	fs, err := filters(req.Form, networkACLValues(req.Region, region.ACL{}))
	if err != nil {
		return operation.Effect{}, err
	}
	return operation.Effect{
		Trail: map[string]any{"networkAclIdSet": trailIDs("networkAclId", ids), "filterSet": trailFilters(req.Form)},
		Run: func() (any, error) {
			all, err := selected(ids, req.View().NetworkACLs(), func(a region.ACL) string { return a.ID }, region.MissingNetworkACL)
			if err != nil {
				return nil, err
			}
			var answer struct {
				ACLs []networkACLXML `xml:"networkAclSet>item"`
				Next string          `xml:"nextToken,omitempty"`
			}
			var match []region.ACL
			for _, a := range all {
				if passesAll(fs, networkACLValues(req.Region, a)) {
					match = append(match, a)
				}
			}
			match, answer.Next = cut(p, match, func(a region.ACL) string { return a.ID })
			for _, a := range match {
				answer.ACLs = append(answer.ACLs, toNetworkACLXML(req.Region, a))
			}
			return answer, nil
		},
	}, nil
}

type createdACL struct {
	ACL   networkACLXML `xml:"networkAcl"`
	Token string        `xml:"clientToken,omitempty"`
}

// Trail implements cloudtrail.Trailed.
func (c createdACL) Trail() map[string]any {
	return map[string]any{"networkAcl": map[string]any{
		"networkAclId": c.ACL.ID, "vpcId": c.ACL.VPCID, "default": c.ACL.Default, "ownerId": c.ACL.OwnerID,
	}}
}

type replaced struct {
	ID string `xml:"newAssociationId"`
}

// Trail implements cloudtrail.Trailed.
func (r replaced) Trail() map[string]any { return map[string]any{"newAssociationId": r.ID} }

func createNetworkACL(req *operation.Request) (operation.Effect, error) {
	vpcID, err := checkedID(req.Form, "VpcId", region.CheckVPCID)
	if err != nil {
		return operation.Effect{}, err
	}
	tags, err := tagSpecifications(req.Form, "network-acl")
	if err != nil {
		return operation.Effect{}, err
	}
	token := req.Form.Get("ClientToken")
	if len(token) > 64 {
		return operation.Effect{}, region.Errorf("InvalidParameterValue", "ClientToken is longer than 64 characters")
	}
	var also []string
	if len(tags) > 0 {
		also = []string{"CreateTags"}
	}
	return operation.Effect{
		Resource: req.Region.ARN("ec2", "vpc/"+vpcID), Also: also, Creates: aclARN(req, "*"),
		Trail: map[string]any{"vpcId": vpcID, "clientToken": token},
		Run: func() (any, error) {
			a, err := req.Region.CreateNetworkACL(vpcID, token, canonical(req.Form), tags)
			if err != nil {
				return nil, err
			}
			return createdACL{toNetworkACLXML(req.Region, a), token}, nil
		},
	}, nil
}

func deleteNetworkACL(req *operation.Request) (operation.Effect, error) {
	id, err := checkedID(req.Form, "NetworkAclId", region.CheckNetworkACLID)
	return operation.Effect{
		Resource: aclARN(req, id), Subjects: []string{id}, Trail: map[string]any{"networkAclId": id}, Resources: aclResource(id),
		Run: func() (any, error) { return succeed(req.Region.DeleteNetworkACL(id)) },
	}, err
}

func replaceAssociation(req *operation.Request) (operation.Effect, error) {
	association, err := checkedID(req.Form, "AssociationId", region.CheckAssociationID)
	if err != nil {
		return operation.Effect{}, err
	}
	id, err := checkedID(req.Form, "NetworkAclId", region.CheckNetworkACLID)
	return operation.Effect{
		Resource: aclARN(req, id), Subjects: []string{id}, Resources: aclResource(id),
		Trail: map[string]any{"associationId": association, "networkAclId": id},
		Run: func() (any, error) {
			newID, err := req.Region.ReplaceNetworkACLAssociation(association, id)
			return replaced{newID}, err
		},
	}, err
}

func aclARN(req *operation.Request, id string) string {
	return req.Region.ARN("ec2", "network-acl/"+id)
}

// aclResource is how CloudTrail lists a network ACL that an event is about.
func aclResource(id string) []region.EventResource {
	return []region.EventResource{{Type: "AWS::EC2::NetworkAcl", Name: id}}
}

// selected picks the resources with the ids, or all if there are none.
func selected[T any](ids []string, all []T, id func(T) string, missing func(string) error) ([]T, error) {
	if len(ids) == 0 {
		return all, nil
	}
	wanted := map[string]bool{}
	for _, i := range ids {
		wanted[i] = true
	}
	var out []T
	for _, t := range all {
		if wanted[id(t)] {
			out = append(out, t)
			delete(wanted, id(t))
		}
	}
	for _, i := range ids {
		if wanted[i] {
			return nil, missing(i)
		}
	}
	return out, nil
}

// canonical is the request without what differs between a call and its retry.
func canonical(form url.Values) string {
	rest := url.Values{}
	for k, v := range form {
		if k != "ClientToken" && k != "DryRun" {
			rest[k] = v
		}
	}
	return rest.Encode()
}

func trailIDs(name string, ids []string) map[string]any {
	if len(ids) == 0 {
		return map[string]any{}
	}
	items := []any{}
	for _, id := range ids {
		items = append(items, map[string]any{name: id})
	}
	return map[string]any{"items": items}
}

// protocolNames are the names that the filter entry.protocol takes beside numbers.
var protocolNames = map[int]string{acl.TCP: "tcp", acl.UDP: "udp", acl.ICMP: "icmp"}
