// SPDX-License-Identifier: Apache-2.0

package history

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
	dedicated: "subnet-0c2e4a6b8d1f35790",
	shared:    "subnet-0e8d6c4b2a9f71350",
	plain:     "subnet-0f9b7d5c3e1a86420",
}

// ACLs are the ids of the network ACLs, those included that AddACL makes.
var ACLs = map[string]string{
	dedicated: "acl-0b3d6f9a1c5e72840",
	shared:    "acl-0d5f8a2c4e6b19370",
	"spare1":  "acl-05a4e10000000000a",
	"spare2":  "acl-05a4e20000000000b",
}

// Objects are the names of the objects.
var Objects = []string{"anna", "ben", "carl", "dora"}

// Hosts are the hosts that agents connect to.
var Hosts = []string{"ecs-a-4.ap-northeast-1.amazonaws.com", "ecs-t-4.ap-northeast-1.amazonaws.com"}

// clonePrefix begins the name of the clone of an object's run.
const clonePrefix = "clone:"
