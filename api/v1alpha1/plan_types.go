// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds of the lists in a plan. Each comes with a count of all.
const (
	// MaxNamed bounds the lists of a plan that name the first of many.
	MaxNamed = 10
	// MaxRefusals bounds status.plan.refusals.
	MaxRefusals = 32
	// MaxNotes bounds status.plan.notes.
	MaxNotes = 16
)

// Plan is what a run would do at the time when it was made. Nothing was written to AWS for it.
type Plan struct {
	// time is when the plan was made.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	Time metav1.Time `json:"time,omitempty,omitzero"`

	// observedGeneration is the generation of the spec that it was made of.
	// +required
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// wouldStart is whether Run would start at that time, or as soon as spec.startAfter and spec.suspend let it: nothing
	// else stood against it.
	// +required
	WouldStart *bool `json:"wouldStart,omitempty"`

	// refusals are all the reasons for which Run would not start now. Unset: wouldStart is true.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Refusals []Refusal `json:"refusals,omitempty"`

	// notes are what is good to know before a run, a sentence each.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	Notes []string `json:"notes,omitempty"`

	// networkACL is which network ACL would carry the rules, and how.
	// +optional
	NetworkACL *PlannedNetworkACL `json:"networkACL,omitempty"`

	// rules are the entries that would be made. Unset: there is no plan that fits, and refusals say why.
	// +optional
	// +listType=map
	// +listMapKey=ruleNumber
	// +kubebuilder:validation:MaxItems=80
	Rules []PlannedRule `json:"rules,omitempty"`

	// endpoints are the hosts that would be denied, with the addresses that are known of each.
	// +optional
	// +listType=map
	// +listMapKey=hostname
	// +listMapKey=session
	// +kubebuilder:validation:MaxItems=64
	Endpoints []Endpoint `json:"endpoints,omitempty"`

	// otherClusters are the ARNs of other clusters with container instances in the subnet, the first ten.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=400
	OtherClusters []string `json:"otherClusters,omitempty"`

	// headroom is what the account's quotas leave room for.
	// +optional
	Headroom *Headroom `json:"headroom,omitempty"`

	// agents are the agents that would be hit.
	// +optional
	Agents *PlannedAgents `json:"agents,omitempty"`

	// outside are the cluster's container instances in other subnets, or in none: RunTask goes on working on them unless
	// the caller pins the subnet.
	// +optional
	Outside *InstanceList `json:"outside,omitempty"`
}

// Refusal is a reason for which a run would not start.
type Refusal struct {
	// reason is the reason as one CamelCase word.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
	Reason string `json:"reason,omitempty"`

	// message says what was seen and what to do.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// PlannedNetworkACL is the network ACL that a run would use.
type PlannedNetworkACL struct {
	// id is the network ACL that the subnet has: in mode Clone the one that would be copied.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// mode is how it would be used.
	// +required
	Mode NetworkACLMode `json:"mode,omitempty"`

	// modeReason says why this mode would be used.
	// +required
	ModeReason NetworkACLModeReason `json:"modeReason,omitempty"`

	// otherSubnets is how many other subnets are on it.
	// +required
	// +kubebuilder:validation:Minimum=0
	OtherSubnets *int32 `json:"otherSubnets,omitempty"`

	// otherSubnetIDs are the first ten of them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=64
	OtherSubnetIDs []string `json:"otherSubnetIDs,omitempty"`

	// renumbered says that copied entries would get other numbers in the clone, in the same order, since the original has
	// no room in front. Unset: they would not.
	// +optional
	Renumbered *bool `json:"renumbered,omitempty"`
}

// PlannedRule is an entry that a run would make: outbound, deny, all traffic.
type PlannedRule struct {
	// ruleNumber is its number.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=32766
	RuleNumber int32 `json:"ruleNumber,omitempty"`

	// cidr is the range that it would deny.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=49
	CIDR string `json:"cidr,omitempty"`

	// hostname is the host that the address belongs to. Unset: the range is one of the spec.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Hostname string `json:"hostname,omitempty"`
}

// Headroom is what quotas leave room for beside the planned rules. Below zero: so much is lacking.
type Headroom struct {
	// entryQuota is the quota of entries a network ACL, direction and address family, the default entry included.
	// +required
	// +kubebuilder:validation:Minimum=0
	EntryQuota *int32 `json:"entryQuota,omitempty"`

	// entryQuotaAssumed says that the quota could not be read, and that the manager's flag gave it. Unset: AWS said it.
	// +optional
	EntryQuotaAssumed *bool `json:"entryQuotaAssumed,omitempty"`

	// ipv4Entries is for how many further outbound IPv4 entries there is room.
	// +optional
	IPv4Entries *int32 `json:"ipv4Entries,omitempty"`

	// ipv6Entries is for how many further outbound IPv6 entries there is room.
	// +optional
	IPv6Entries *int32 `json:"ipv6Entries,omitempty"`

	// networkACLs is for how many further network ACLs there is room in the VPC, of the 200 that AWS grants unless it was
	// asked for more.
	// +optional
	NetworkACLs *int32 `json:"networkACLs,omitempty"`

	// tags is for how many further tags there is room on the network ACL, of 50.
	// +optional
	Tags *int32 `json:"tags,omitempty"`
}

// PlannedAgents are the agents that a run would hit.
type PlannedAgents struct {
	// total is how many container instances the cluster has in the subnet.
	// +required
	// +kubebuilder:validation:Minimum=0
	Total *int32 `json:"total,omitempty"`

	// connected is how many of them have a connected agent now: those would count.
	// +required
	// +kubebuilder:validation:Minimum=0
	Connected *int32 `json:"connected,omitempty"`

	// containerInstances are the ARNs of the first ten whose agent is connected.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=400
	ContainerInstances []string `json:"containerInstances,omitempty"`
}

// InstanceList counts container instances and names the first ten.
type InstanceList struct {
	// total is how many there are.
	// +required
	// +kubebuilder:validation:Minimum=0
	Total *int32 `json:"total,omitempty"`

	// atLeast says that there are more than total: they were not all listed. Unset: there are not.
	// +optional
	AtLeast *bool `json:"atLeast,omitempty"`

	// containerInstances are the ARNs of the first ten.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=400
	ContainerInstances []string `json:"containerInstances,omitempty"`
}
