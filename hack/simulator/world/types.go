// SPDX-License-Identifier: Apache-2.0

package world

import "encoding/json"

// World is the whole file.
type World struct {
	// Account is the 12-digit account id.
	Account string `json:"account"`
	// Region is the Region's name, e.g. ap-northeast-1.
	Region string `json:"region"`
	// AccessKeys are the credentials that may call; none: one that may do everything, DefaultAccessKey.
	AccessKeys []AccessKey `json:"accessKeys,omitempty"`
	// Roles are the IAM roles that schedules can run under, and callers can assume.
	Roles []Role `json:"roles,omitempty"`
	// ScheduleGroups are the groups of EventBridge Scheduler beside the one named default.
	ScheduleGroups []string `json:"scheduleGroups,omitempty"`
	// Hosts are the names that DNS knows, with the control plane's address behind them.
	Hosts []Host `json:"hosts,omitempty"`
	// DNSTTL is how long an answer of DNS may be kept, e.g. 60s; unset: 60s. Real time, whatever the scale.
	DNSTTL string `json:"dnsTTL,omitempty"`
	// Endpoints are what DiscoverPollEndpoint gives every container instance; it names none that is unset.
	Endpoints Endpoints `json:"endpoints"`
	VPCs      []VPC     `json:"vpcs,omitempty"`
	// NetworkACLs include the default one of each VPC.
	NetworkACLs     []NetworkACL     `json:"networkACLs,omitempty"`
	Subnets         []Subnet         `json:"subnets,omitempty"`
	VPCEndpoints    []VPCEndpoint    `json:"vpcEndpoints,omitempty"`
	Clusters        []Cluster        `json:"clusters,omitempty"`
	TaskDefinitions []TaskDefinition `json:"taskDefinitions,omitempty"`
	// CapacityProviders are those beside FARGATE and FARGATE_SPOT, which are there anyway.
	CapacityProviders []CapacityProvider `json:"capacityProviders,omitempty"`
	// Quotas are what Service Quotas tells and EC2 enforces.
	Quotas Quotas `json:"quotas,omitzero"`
	// Trail is how CloudTrail shows events.
	Trail Trail `json:"trail,omitzero"`
	// Alarms are those of CloudWatch. Nothing evaluates them: SetAlarmState changes their states.
	Alarms []Alarm `json:"alarms,omitempty"`
}

// Alarm is an alarm of CloudWatch.
type Alarm struct {
	Name string `json:"name"`
	// Composite makes it a composite alarm; unset: a metric alarm.
	Composite bool `json:"composite,omitempty"`
	// State is OK (unset), ALARM or INSUFFICIENT_DATA.
	State string `json:"state,omitempty"`
}

// Trail is how CloudTrail shows events, in every Region.
type Trail struct {
	// Delay is how long an event takes at least, e.g. 5m; unset: 5m. The scale divides it, and
	// Jitter.
	Delay string `json:"delay,omitempty"`
	// Jitter is by how much longer an event takes at most, e.g. 10m; unset: by nothing, so that all
	// come in their order.
	Jitter string `json:"jitter,omitempty"`
	// Duplicates is how many events lookups return twice, e.g. 5%; unset: none.
	Duplicates string `json:"duplicates,omitempty"`
	// Seed selects another draw of delays and duplicates; unset: 0.
	Seed uint64 `json:"seed,omitempty"`
	// Throttled limits LookupEvents to two calls a second, as AWS does; unset: no limit.
	Throttled bool `json:"throttled,omitempty"`
}

// Quotas are those of Amazon VPC that can be changed.
type Quotas struct {
	// RulesPerNetworkACL counts the entries of a direction and address family, the default one included; unset: 20. At
	// most 40.
	RulesPerNetworkACL int `json:"rulesPerNetworkACL,omitempty"`
	// NetworkACLsPerVPC includes the default one; unset: 200.
	NetworkACLsPerVPC int `json:"networkACLsPerVPC,omitempty"`
}

// AccessKey is an identity and what it may do.
type AccessKey struct {
	// ID is the access key id, Secret its secret. The simulator tells callers apart by the id and checks no signature.
	ID     string `json:"id"`
	Secret string `json:"secret"`
	// ARN is the user or root that it belongs to; unset: the session of Role, without that a user
	// named after the key.
	ARN string `json:"arn,omitempty"`
	// Role is the ARN of the role whose session it belongs to, Session that session's name; unset:
	// it is a user's.
	Role    string `json:"role,omitempty"`
	Session string `json:"session,omitempty"`
	// InvokedBy is the service of AWS that makes the calls in the session, e.g.
	// states.amazonaws.com; unset: none.
	InvokedBy string `json:"invokedBy,omitempty"`
	// Account is the account that it belongs to; unset: the world's. Another account sees an empty Region.
	Account string `json:"account,omitempty"`
	// Allow and Deny are patterns for service:Action; unset Allow: *. Deny wins.
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
	// Policies are documents of IAM. With them, a call needs what they allow together, beside Allow and Deny; unset: no bound.
	Policies []json.RawMessage `json:"policies,omitempty"`
}

// Role is an IAM role.
type Role struct {
	// ARN is arn:aws:iam::ACCOUNT:role/NAME.
	ARN string `json:"arn"`
	// Trust are the services that may assume it, e.g. scheduler.amazonaws.com.
	Trust []string `json:"trust,omitempty"`
	// TrustPolicy is the document of IAM that says which users and roles may assume it; unset: none.
	TrustPolicy json.RawMessage `json:"trustPolicy,omitempty"`
	// Allow are patterns for service:Action; unset: nothing.
	Allow []string `json:"allow,omitempty"`
	// Policies are documents of IAM. With them, a call needs what they allow together, beside Allow; unset: no bound.
	Policies []json.RawMessage `json:"policies,omitempty"`
}

// Host is a DNS name.
type Host struct {
	Name string `json:"name"`
	// Session is what listens there: ACS or TCS.
	Session string `json:"session"`
	// Addresses are all addresses that lookups rotate through.
	Addresses []string `json:"addresses"`
}

// Endpoints are URLs.
type Endpoints struct {
	ACS            string `json:"acs,omitempty"`
	TCS            string `json:"tcs,omitempty"`
	ServiceConnect string `json:"serviceConnect,omitempty"`
}

// VPC is a virtual private cloud.
type VPC struct {
	ID   string `json:"id"`
	CIDR string `json:"cidr"`
	// IPv6CIDR is /44 to /60; unset: no IPv6. With it the "*" entries of IPv6 are added to all ACLs of the VPC, and rule 101,
	// which allows IPv6, to each direction of the default one that has just the rule 100 that allows IPv4.
	IPv6CIDR string            `json:"ipv6CIDR,omitempty"`
	Default  bool              `json:"default,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// NetworkACL is a network ACL. The "*" entries are added.
type NetworkACL struct {
	ID  string `json:"id"`
	VPC string `json:"vpc"`
	// Default makes it the ACL of the VPC's subnets that name none.
	Default bool              `json:"default,omitempty"`
	Entries []Entry           `json:"entries,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// Entry is a rule.
type Entry struct {
	Rule int `json:"rule"`
	// Direction is egress or ingress.
	Direction string `json:"direction"`
	// Action is allow or deny.
	Action string `json:"action"`
	// Protocol is all, tcp, udp, icmp or a number; unset: all.
	Protocol string `json:"protocol,omitempty"`
	CIDR     string `json:"cidr"`
	// Ports is a port or a range, for tcp and udp: "443", "1024-65535".
	Ports string `json:"ports,omitempty"`
	// ICMPType and ICMPCode are for icmp; unset: any.
	ICMPType *int `json:"icmpType,omitempty"`
	ICMPCode *int `json:"icmpCode,omitempty"`
}

// Subnet is a subnet.
type Subnet struct {
	ID               string `json:"id"`
	VPC              string `json:"vpc"`
	CIDR             string `json:"cidr"`
	IPv6CIDR         string `json:"ipv6CIDR,omitempty"`
	AvailabilityZone string `json:"availabilityZone"`
	// IPv6Native and DNS64 are what DescribeSubnets says of the subnet; nothing else goes by them.
	IPv6Native bool `json:"ipv6Native,omitempty"`
	DNS64      bool `json:"dns64,omitempty"`
	// NetworkACL is the ACL that the subnet has; unset: the VPC's default one.
	NetworkACL string `json:"networkACL,omitempty"`
	// Owner is the account that shares the subnet with the world's; unset: it is the world's own.
	Owner string `json:"owner,omitempty"`
	// AssociationID is the id of the association with it; unset: made up.
	AssociationID string            `json:"associationID,omitempty"`
	PublicIP      bool              `json:"publicIP,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
}

// VPCEndpoint is an interface endpoint.
type VPCEndpoint struct {
	// ID is unset: made up.
	ID  string `json:"id,omitempty"`
	VPC string `json:"vpc"`
	// Service is the last part of the service's name: ecs-agent, ecs-telemetry, ecs, or another of AWS's.
	Service string `json:"service"`
	// PrivateDNS is unset: true, as for endpoints that the console makes.
	PrivateDNS *bool `json:"privateDNS,omitempty"`
	// State is unset: available.
	State string `json:"state,omitempty"`
	// Interfaces are one an Availability Zone.
	Interfaces []NetworkInterface `json:"interfaces"`
	Tags       map[string]string  `json:"tags,omitempty"`
}

// NetworkInterface is one of an endpoint.
type NetworkInterface struct {
	Subnet string `json:"subnet"`
	// ID, PrivateIP and IPv6 are unset: made up, IPv6 in a subnet that has it.
	ID        string `json:"id,omitempty"`
	PrivateIP string `json:"privateIP,omitempty"`
	IPv6      string `json:"ipv6,omitempty"`
}

// Cluster is an ECS cluster.
type Cluster struct {
	Name               string              `json:"name"`
	ContainerInstances []ContainerInstance `json:"containerInstances,omitempty"`
	// CapacityProviders are the names of those that the cluster may use, beside those of Managed Instances that name it.
	CapacityProviders []string `json:"capacityProviders,omitempty"`
	// DefaultCapacityProviderStrategy names providers that the cluster may use; unset: RunTask goes by the launch type.
	DefaultCapacityProviderStrategy []StrategyItem `json:"defaultCapacityProviderStrategy,omitempty"`
	// FargateTasks is how many tasks run on Fargate.
	FargateTasks int               `json:"fargateTasks,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
}

// StrategyItem is a capacity provider in a strategy.
type StrategyItem struct {
	CapacityProvider string `json:"capacityProvider"`
	Weight           int    `json:"weight,omitempty"`
	Base             int    `json:"base,omitempty"`
}

// CapacityProvider is one of the two kinds.
type CapacityProvider struct {
	Name string `json:"name"`
	// AutoScalingGroup is the name of an Auto Scaling group.
	AutoScalingGroup string `json:"autoScalingGroup,omitempty"`
	// ManagedInstances are instances that ECS launches and replaces itself.
	ManagedInstances *ManagedInstances `json:"managedInstances,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
}

// ManagedInstances belong to one cluster.
type ManagedInstances struct {
	Cluster        string   `json:"cluster"`
	Subnets        []string `json:"subnets,omitempty"`
	SecurityGroups []string `json:"securityGroups,omitempty"`
	// AutoRepair makes ECS replace instances that it finds impaired.
	AutoRepair bool `json:"autoRepair,omitempty"`
}

// ContainerInstance is an EC2 instance with an ECS agent, or an external machine with one.
type ContainerInstance struct {
	// External is a machine outside of AWS: no subnet, and an id mi-… in place of i-….
	External bool `json:"external,omitempty"`
	// CapacityProvider is the name of the one that launched it; unset: none.
	CapacityProvider string `json:"capacityProvider,omitempty"`
	// ID is the last part of the ARN: 32 hexadecimal digits.
	ID            string `json:"id"`
	EC2InstanceID string `json:"ec2InstanceID"`
	// Subnet has the private address in it; unset for an external machine.
	Subnet    string `json:"subnet,omitempty"`
	PrivateIP string `json:"privateIP"`
	// IPv6 is an address of the subnet; unset: one that is free, where the subnet has IPv6.
	IPv6 string `json:"ipv6,omitempty"`
	// InstanceType is unset: m5.large. AgentVersion is unset: 1.105.1.
	InstanceType string `json:"instanceType,omitempty"`
	AgentVersion string `json:"agentVersion,omitempty"`
	// GPUs is how many GPUs it has.
	GPUs int `json:"gpus,omitempty"`
	// Status is ACTIVE (unset) or DRAINING.
	Status string `json:"status,omitempty"`
	// Stopped makes an instance without a running agent: it never connects.
	Stopped    bool              `json:"stopped,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	// Endpoints are this instance's own; what is unset is the world's.
	Endpoints Endpoints         `json:"endpoints,omitzero"`
	Tags      map[string]string `json:"tags,omitempty"`
}

// TaskDefinition is a family; each further one of the same name is its next revision.
type TaskDefinition struct {
	Family string `json:"family"`
	Image  string `json:"image"`
	CPU    int    `json:"cpu"`
	Memory int    `json:"memory"`
}
