// SPDX-License-Identifier: Apache-2.0

package region

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
)

// kind is what an EC2 id can name, with the codes for one that is malformed and one that doesn't exist. AWS's spelling
// of "ID" in them is not regular.
type kind struct {
	prefix, noun, malformed, notFound, resourceType string
}

var (
	kindVPC    = kind{"vpc", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", "vpc"}
	kindSubnet = kind{"subnet", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", "subnet"}
	kindACL    = kind{"acl", "networkAcl", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound", "network-acl"}
	// AWS spells the malformed and the missing interface differently.
	kindInterface = kind{"eni", "networkInterface", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound", "network-interface"}
	kindEndpoint  = kind{"vpce", "vpcEndpoint", "InvalidVpcEndpointId.Malformed", "InvalidVpcEndpointId.NotFound", "vpc-endpoint"}

	kindAssoc = kind{"aclassoc", "association", "InvalidAssociationID.NotFound", "InvalidAssociationID.NotFound", ""}
)

// IDs are 8 hexadecimal digits in old accounts and 17 since 2016.
var idPattern = regexp.MustCompile(`^([a-z]+)-([0-9a-f]{8}|[0-9a-f]{17})$`)

func (k kind) check(id string) error {
	if m := idPattern.FindStringSubmatch(id); m == nil || m[1] != k.prefix {
		return Errorf(k.malformed, "Invalid id: %q (expecting \"%s-...\")", id, k.prefix)
	}
	return nil
}

func (k kind) missing(id string) error {
	if k == kindEndpoint {
		return Errorf(k.notFound, "The Vpc Endpoint Id '%s' does not exist", id)
	}
	if k == kindAssoc {
		return Errorf(k.notFound, "The association ID '%s' does not exist", id)
	}
	return Errorf(k.notFound, "The %s ID '%s' does not exist", k.noun, id)
}

// CheckVPCID refuses what can't be the id of a VPC. AWS looks at the form of ids before it looks at permissions.
func CheckVPCID(id string) error { return kindVPC.check(id) }

// CheckSubnetID refuses what can't be the id of a subnet.
func CheckSubnetID(id string) error { return kindSubnet.check(id) }

// CheckNetworkACLID refuses what can't be the id of a network ACL.
func CheckNetworkACLID(id string) error { return kindACL.check(id) }

// CheckAssociationID refuses what can't be the id of an association.
func CheckAssociationID(id string) error { return kindAssoc.check(id) }

// CheckVPCEndpointID refuses what can't be the id of a VPC endpoint.
func CheckVPCEndpointID(id string) error { return kindEndpoint.check(id) }

// CheckNetworkInterfaceID refuses what can't be the id of a network interface.
func CheckNetworkInterfaceID(id string) error { return kindInterface.check(id) }

// interfaceID is the id of an instance's first network interface; it follows from the instance's.
func interfaceID(ec2InstanceID string) string {
	sum := sha256.Sum256([]byte(ec2InstanceID))
	return "eni-0" + hex.EncodeToString(sum[:])[:16]
}
