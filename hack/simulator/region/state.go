// SPDX-License-Identifier: Apache-2.0

package region

import (
	"maps"
	"net/netip"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// VPC is a virtual private cloud.
type VPC struct {
	ID   string
	CIDR netip.Prefix
	// IPv6CIDR is the zero Prefix for a VPC without IPv6.
	IPv6CIDR netip.Prefix
	Default  bool
	Tags     map[string]string
}

// Subnet is a subnet of a VPC. AssociationID and NetworkACLID are its one association with a network ACL: a subnet
// always has exactly one.
type Subnet struct {
	ID, VPCID        string
	CIDR, IPv6CIDR   netip.Prefix
	AvailabilityZone string
	PublicIP         bool
	AssociationID    string
	NetworkACLID     string
	// IPv6Native and DNS64 show in DescribeSubnets alone: hosts in the subnet have IPv4 addresses of its CIDR all the same.
	IPv6Native, DNS64 bool
	// OwnerID is the account that shares the subnet with this one (RAM); empty: it is this account's own.
	OwnerID string
	Tags    map[string]string
}

// ACL is a network ACL. Entries are in the order in which AWS lists them: ingress after egress, by rule number.
type ACL struct {
	ID, VPCID string
	Default   bool
	Entries   []acl.Entry
	Tags      map[string]string
	// Associations is filled in by snapshots only; within the state the subnets hold them.
	Associations []Association
}

// Association says which ACL a subnet has.
type Association struct{ ID, NetworkACLID, SubnetID string }

// Cluster is an ECS cluster.
type Cluster struct {
	Name, ARN string
	// Status is ACTIVE, or INACTIVE after its deletion.
	Status string
	// CapacityProviders are the names of those that the cluster may use.
	CapacityProviders []string
	// DefaultStrategy is what RunTask without a launch type goes by; empty: none.
	DefaultStrategy []StrategyItem
	Tags            map[string]string
}

// ContainerInstance is an EC2 instance that an ECS agent registered with a cluster, or an external one.
type ContainerInstance struct {
	ARN, ClusterARN string
	// EC2InstanceID is the id of a managed node of Systems Manager, mi-…, for an external instance.
	EC2InstanceID string
	// External is a machine outside of AWS: it has no subnet, and no network ACL is in its way.
	External bool
	// CapacityProvider is the name of the one that launched it, if any did.
	CapacityProvider string
	SubnetID         string
	InstanceType     string
	PrivateIP        netip.Addr
	// IPv6 is the zero Addr for an instance without IPv6.
	IPv6         netip.Addr
	AgentVersion string
	// AgentHash and DockerVersion go with the version; empty: those of the simulated agents.
	AgentHash, DockerVersion string
	AMI                      string
	// Outside: its agent runs outside of the simulator. It registered by the API, and its attributes
	// are all that it has told.
	Outside bool
	// Status is ACTIVE or DRAINING.
	Status         string
	AgentConnected bool
	// SessionCut: the packets of its session vanish, and ECS still counts it as connected; see
	// SetSessionCut.
	SessionCut  bool
	CPU, Memory int
	// GPUs is how many it has.
	GPUs int
	// InUse are the ports that the agent registered as taken; nil: those that ECS reserves.
	InUse *Ports
	// Attributes are custom ones, beside the built-in ones that follow from the other fields.
	Attributes   map[string]string
	Tags         map[string]string
	RegisteredAt time.Time
	// ACSEndpoint and TCSEndpoint are what DiscoverPollEndpoint gives this instance; empty: the Region's.
	ACSEndpoint, TCSEndpoint string
	Version                  int64
}

// TaskDefinition is one revision of a family.
type TaskDefinition struct {
	ARN, Family string
	Revision    int
	// Status is ACTIVE, or INACTIVE after its deregistration.
	Status string
	// Needs are what a task takes of its instance: CPU and memory are the caller's to fill in, the
	// rest follows from Document.
	Needs       Resources
	Constraints []Constraint
	// Document is the definition as it was registered, with the defaults that ECS adds.
	Document     map[string]any
	Tags         map[string]string
	RegisteredAt time.Time
	// DeregisteredAt is zero while it is ACTIVE.
	DeregisteredAt time.Time

	// What ECS reads in Document.
	NetworkMode        string
	RoleARNs           []string // the task role and the execution role, those that there are
	RequiresAttributes []string
	Compatibilities    []string
	Containers         []Container
}

// Constraint is a placement constraint: memberOf with an expression, or distinctInstance.
type Constraint struct{ Type, Expression string }

// table is a map that many states may share: the first change after share makes a copy.
type table[V any] struct {
	m      map[string]V
	shared bool
}

func (t *table[V]) share() table[V] { return table[V]{t.m, true} }

func (t *table[V]) own() {
	if t.shared || t.m == nil {
		t.m, t.shared = maps.Clone(t.m), false
	}
	if t.m == nil {
		t.m = map[string]V{}
	}
}

func (t *table[V]) put(key string, v V) {
	t.own()
	t.m[key] = v
}

func (t *table[V]) drop(key string) {
	t.own()
	delete(t.m, key)
}

func (t *table[V]) remove(gone func(string, V) bool) {
	t.own()
	maps.DeleteFunc(t.m, gone)
}

// state is everything that reads see. It is immutable once it is current: change works on one that shares its tables.
type state struct {
	at          time.Time
	moment      uint64
	vpcs        table[VPC]
	subnets     table[Subnet]
	acls        table[ACL]
	endpoints   table[VPCEndpoint]
	clusters    table[Cluster]           // by name
	instances   table[ContainerInstance] // by ARN
	definitions table[TaskDefinition]    // by family:revision
	tasks       table[Task]              // by ARN
	providers   table[CapacityProvider]  // by name
	quotas      table[int]               // by code, those that differ from the default

	schedules      table[Schedule]      // by group/name
	scheduleGroups table[ScheduleGroup] // by name, the default one not included
	invocations    table[Invocation]

	alarms table[Alarm]       // by name
	levers table[SafetyLever] // by id, those that were set
}

func (s *state) next() *state {
	return &state{
		at: s.at, vpcs: s.vpcs.share(), subnets: s.subnets.share(), acls: s.acls.share(), endpoints: s.endpoints.share(), clusters: s.clusters.share(),
		instances: s.instances.share(), definitions: s.definitions.share(), tasks: s.tasks.share(),
		providers: s.providers.share(), quotas: s.quotas.share(),
		schedules: s.schedules.share(), scheduleGroups: s.scheduleGroups.share(), invocations: s.invocations.share(),
		alarms: s.alarms.share(), levers: s.levers.share(),
	}
}
