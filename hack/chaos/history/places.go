// SPDX-License-Identifier: Apache-2.0

package history

import "agentdisconnect.dev/agentdisconnect/hack/simulator/world"

// The names that operations use, and what they stand for in the simulator's default world.
const (
	// dedicated is a subnet that has its network ACL, of the same name, to itself.
	dedicated = "dedicated"
	// shared and plain are two subnets on the VPC's default network ACL, which is called shared too.
	shared = "shared"
	plain  = "plain"
)

// Subnets are the ids of the subnets.
var Subnets = map[string]string{
	dedicated: world.DedicatedSubnet,
	shared:    world.SharedSubnet,
	plain:     world.PlainSubnet,
}

// ACLs are the ids of the network ACLs, those included that AddACL makes.
var ACLs = map[string]string{
	dedicated: world.DedicatedACL,
	shared:    world.SharedACL,
	"spare1":  "acl-05a4e10000000000a",
	"spare2":  "acl-05a4e20000000000b",
}

// Objects are the names of the objects.
var Objects = []string{"anna", "ben", "carl", "dora"}

// Hosts are the hosts that agents connect to.
var Hosts = []string{world.ACSHost, world.TCSHost}

// clonePrefix begins the name of the clone of an object's run.
const clonePrefix = "clone:"
