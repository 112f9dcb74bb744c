// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Finalizer holds an object until every rule that its run made is known to be gone. It is set before the first write
// to AWS.
const Finalizer = "chaos.agentdisconnect.dev/restore"

// Session is a kind of connection that an ECS agent keeps to its control plane.
// +kubebuilder:validation:Enum=ACS;TCS
type Session string

const (
	// SessionACS is the agent communication service: ECS tells the agent over it what to run, and considers the agent
	// connected while the session is open.
	SessionACS Session = "ACS"
	// SessionTCS is the telemetry communication service, which the agent sends metrics to.
	SessionTCS Session = "TCS"
)

// NetworkACLMode says which network ACL carries the rules of a run.
// +kubebuilder:validation:Enum=InPlace;Clone
type NetworkACLMode string

const (
	// NetworkACLModeInPlace puts the rules on the network ACL that the subnet has.
	NetworkACLModeInPlace NetworkACLMode = "InPlace"
	// NetworkACLModeClone puts them on a copy of that network ACL, which serves the subnet alone while the run lasts.
	NetworkACLModeClone NetworkACLMode = "Clone"
)

// Mode is what is done with an object: run it, or only plan it.
// +kubebuilder:validation:Enum=Run;Plan
type Mode string

const (
	// ModeRun cuts the agents off. It is what an unset mode means.
	ModeRun Mode = "Run"
	// ModePlan writes nothing to AWS and reports what Run would do.
	ModePlan Mode = "Plan"
)

// OtherClusters says what to do where other clusters' agents are in the subnet.
// +kubebuilder:validation:Enum=Refuse;Allow
type OtherClusters string

const (
	// OtherClustersRefuse has the run refused. It is what an unset otherClusters means.
	OtherClustersRefuse OtherClusters = "Refuse"
	// OtherClustersAllow accepts that they are cut off too.
	OtherClustersAllow OtherClusters = "Allow"
)

// OnDrift says what to do when a third party removes or overrides a run's rules.
// +kubebuilder:validation:Enum=Reapply;Abort
type OnDrift string

const (
	// OnDriftReapply restores them, three times at most in a run. It is what an unset onDrift means.
	OnDriftReapply OnDrift = "Reapply"
	// OnDriftAbort ends the run.
	OnDriftAbort OnDrift = "Abort"
)

// AgentDisconnectSpec says which agents are cut off, and for how long.
// +kubebuilder:validation:XValidation:rule="!has(self.region) || self.cluster.split(':').size() < 4 || self.cluster.split(':')[3] == self.region",message="region differs from the region in the cluster's ARN: leave region out, or name the same one",fieldPath=".region"
// +kubebuilder:validation:XValidation:rule="!has(self.startAfter) || !has(self.startDeadline) || self.startDeadline > self.startAfter",message="startDeadline must be later than startAfter",fieldPath=".startDeadline"
// +kubebuilder:validation:XValidation:rule="!has(self.probe) || !has(self.sessions) || 'ACS' in self.sessions",message="a probe needs ACS among the sessions: without it ECS goes on to count the agents as connected, and RunTask starts tasks",fieldPath=".probe"
// +kubebuilder:validation:XValidation:rule="!has(self.callers) || !has(self.sessions) || 'ACS' in self.sessions",message="callers need ACS among the sessions: without it ECS goes on to count the agents as connected, and no caller meets AGENT",fieldPath=".callers"
type AgentDisconnectSpec struct {
	// cluster is the name or the ARN of the Amazon ECS cluster whose agents are cut off. It can't be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:XValidation:rule="self.matches('^(arn:aws(-[a-z]{1,8}){0,2}:ecs:[a-z]{2,8}(-[a-z]{1,16}){1,3}-[0-9]{1,2}:[0-9]{12}:cluster/)?[A-Za-z0-9_-]{1,255}$')",message="must be the name of an ECS cluster (letters, digits, - and _, 255 at most) or its ARN, such as arn:aws:ecs:ap-northeast-1:123456789012:cluster/demo"
	Cluster string `json:"cluster,omitempty"`

	// subnetID is the id of the subnet whose network ACL denies the agents' endpoints. Its owner consents with the tag
	// agentdisconnect.dev/allow on the subnet: "true", or the namespaces that may, separated by spaces. It can't be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^subnet-([0-9a-f]{8}|[0-9a-f]{17})$')",message="must be the id of a subnet, such as subnet-0a1b2c3d4e5f67890"
	SubnetID string `json:"subnetID,omitempty"`

	// duration is how long the run lasts, counted from status.startTime: 1m to 12h, in whole hours, minutes and seconds,
	// such as 10m or 1h30m. It may be changed while the run is on; a value that is already past ends the run.
	// Agents notice a dropped path only after 1 to 4 minutes, so less than 5m proves little.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('12h')",message="must be from 1m to 12h in whole hours, minutes and seconds, such as 10m or 1h30m"
	Duration metav1.Duration `json:"duration,omitempty"`

	// region is the AWS Region of the subnet and the cluster. Unset: the one in the cluster's ARN, else the manager's own.
	// It can't be changed, nor set or removed later.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]{2,8}(-[a-z]{1,16}){1,3}-[0-9]{1,2}$')",message="must be the code of an AWS Region, such as ap-northeast-1"
	Region string `json:"region,omitempty"`

	// sessions are the connections of the agents to deny: ACS, TCS or both. Unset: both. ECS counts an agent as
	// disconnected when its ACS session is gone. With TCS alone ECS shows nothing, and the result of the run depends on the
	// rules. A change has no effect on a run that has begun.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	Sessions []Session `json:"sessions,omitempty"`

	// mode is whether the run takes place. Plan writes nothing to AWS: it reports in status.plan what Run would do, and
	// every reason why it would be refused; it uses up no runID. Unset: Run. A change has no effect on a run that has begun.
	// +optional
	Mode Mode `json:"mode,omitempty"`

	// networkACLMode says which network ACL carries the rules. InPlace puts them on the subnet's own, other subnets that
	// it serves included. Clone puts them on a copy of it, which serves this subnet alone until the run is over. Unset:
	// InPlace where no other subnet uses that network ACL, else Clone. A change has no effect on a run that has begun.
	// +optional
	NetworkACLMode NetworkACLMode `json:"networkACLMode,omitempty"`

	// otherClusters says what to do where other clusters have container instances in the subnet: denied addresses are
	// denied to them too. Refuse: the run does not start, and the message names them. Allow: it does. Unset: Refuse. A
	// change has no effect on a run that has begun.
	// +optional
	OtherClusters OtherClusters `json:"otherClusters,omitempty"`

	// onDrift says what to do when a third party removes or overrides the rules. Reapply restores them, three times at most,
	// and then ends the run. Abort ends it at once. Unset: Reapply. A change has no effect on a run that has begun.
	// +optional
	OnDrift OnDrift `json:"onDrift,omitempty"`

	// additionalEndpoints are destinations to deny besides those that discovery finds. Unset: none. A change has no effect
	// on a run that has begun.
	// +optional
	AdditionalEndpoints *AdditionalEndpoints `json:"additionalEndpoints,omitempty"`

	// probe calls RunTask in the subnet while the agents are disconnected. The run then succeeds only if a call failed with AGENT
	// for a tracked container instance. Unset: nothing is called. A change has no effect on a run that has begun.
	// +optional
	Probe *Probe `json:"probe,omitempty"`

	// callers has the manager read from CloudTrail, after the rules are gone, who called RunTask on the cluster during the run, who
	// met AGENT and who recovered. An empty value reports it. Unset: CloudTrail is not read. A change has no effect on a run that
	// has begun.
	// +optional
	Callers *Callers `json:"callers,omitempty"`

	// stopConditions are alarms that stop the run. It does not start while one is in the state ALARM or does not exist, and it is aborted
	// when one is in ALARM, or can't be read for a minute. INSUFFICIENT_DATA stops nothing. Unset: no alarm is read. A change has no effect
	// on a run that has begun.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	StopConditions []StopCondition `json:"stopConditions,omitempty"`

	// startAfter is the time before which the run does not start, such as 2026-01-02T15:04:05Z. Endpoints are looked up
	// from 10 minutes before. Unset: the run starts as soon as it can. A change has no effect on a run that has begun.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('3000-01-01T00:00:00Z') && self.getMilliseconds() == 0",message="must be a time of the years 2000 to 2999 in whole seconds, such as 2026-01-02T15:04:05Z or 2026-01-02T15:04:05+09:00"
	StartAfter *metav1.Time `json:"startAfter,omitempty"`

	// startDeadline is the time from which a run that has not started never does, so that a cluster that is rebuilt from a
	// repository does not repeat old experiments. Unset: one hour after startAfter, or where that is unset one hour
	// after the run was requested: by creating the object, by a new runID, or by changing mode from Plan to Run. Once the
	// run has begun it has no effect.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('3000-01-01T00:00:00Z') && self.getMilliseconds() == 0",message="must be a time of the years 2000 to 2999 in whole seconds, such as 2026-01-02T15:04:05Z or 2026-01-02T15:04:05+09:00"
	StartDeadline *metav1.Time `json:"startDeadline,omitempty"`

	// suspend lifts the rules while it is true; before the start it keeps the run from starting. Deadlines do not move, so
	// a forgotten pause is harmless. Unset: false.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// runID tells one run of this object from the next. An object whose run is over stays inert however often it is
	// applied again; a new value runs it again, once the old run is over. Unset: it runs once. Removing a value is no
	// new value.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$')",message="must consist of letters, digits, '-', '_' and '.', with a letter or digit at both ends, such as 2026-01-02 or v1.2.3"
	RunID string `json:"runID,omitempty"`

	// ttlSecondsAfterFinished is how long after its run is over the object is deleted. Unset: never. It is not for objects
	// that a repository holds: they would be made, and run, again.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// StopCondition is an alarm that ends a run, or keeps it from starting.
type StopCondition struct {
	// cloudWatchAlarm is the name of an alarm of Amazon CloudWatch in the account and Region of the run, or its ARN. It may be a metric
	// alarm or a composite alarm.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=400
	// +kubebuilder:validation:XValidation:rule="self.startsWith('arn:') ? self.matches('^arn:aws(-[a-z]{1,8}){0,2}:cloudwatch:[a-z]{2,8}(-[a-z]{1,16}){1,3}-[0-9]{1,2}:[0-9]{12}:alarm:[^[:cntrl:]]{1,255}$') : self.size() <= 255 && !self.matches('[[:cntrl:]]')",message="must be the name of a CloudWatch alarm, 255 characters at most, or its ARN, such as arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:checkout-errors"
	CloudWatchAlarm string `json:"cloudWatchAlarm,omitempty"`
}

// AdditionalEndpoints are destinations for paths that discovery can't see.
// +kubebuilder:validation:MinProperties=1
type AdditionalEndpoints struct {
	// hostnames are fully qualified host names, in lower case, whose addresses are denied. Unset: none.
	// Hosts of the APIs that callers, the clean-up and the cluster need can't be among them, nor others that share their addresses.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$')",message="must be a fully qualified host name in lower case without a dot at its end, such as ecs-a-4.ap-northeast-1.amazonaws.com"
	// +kubebuilder:validation:items:XValidation:rule="!self.matches('^([a-z0-9-]+[.])?ecs(-fips)?[.][a-z]{2,8}(-[a-z]{1,16}){1,3}-[0-9]{1,2}[.]')",message="is the ECS API itself, which the callers under test need: only hosts of agent sessions can be denied"
	Hostnames []string `json:"hostnames,omitempty"`

	// cidrs are IPv4 ranges of /16 or narrower and IPv6 ranges of /48 or narrower, such as 192.0.2.10/32. A range that covers an
	// address which callers, the clean-up or the cluster need, or one of the subnet itself, is refused. Unset: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self) && cidr(self) == cidr(self).masked() && cidr(self).prefixLength() >= (cidr(self).ip().family() == 4 ? 16 : 48)",message="must be an IPv4 range from /16 to /32 or an IPv6 range from /48 to /128 without host bits, such as 192.0.2.10/32"
	// +kubebuilder:validation:items:XValidation:rule="!isCIDR(self) || !cidr('169.254.0.0/16').containsCIDR(self) && !cidr('fe80::/10').containsCIDR(self)",message="is link-local, which network ACLs do not act on: name ranges that packets leave the subnet for"
	CIDRs []string `json:"cidrs,omitempty"`
}

// AgentDisconnect cuts the ECS agents of one cluster in one subnet off from their control plane for a while, so that
// callers of RunTask meet the failure reason AGENT, and gives everything back at the end.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.status.completionTime`
// +kubebuilder:resource:path=agentdisconnects,scope=Namespaced,shortName=agd,categories=chaos
// +kubebuilder:validation:XValidation:rule="self.spec.cluster == oldSelf.spec.cluster",message="cluster is immutable: create another AgentDisconnect for another cluster",fieldPath=".spec.cluster",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="self.spec.subnetID == oldSelf.spec.subnetID",message="subnetID is immutable: create another AgentDisconnect for another subnet",fieldPath=".spec.subnetID",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.spec.region) == has(oldSelf.spec.region) && (!has(self.spec.region) || self.spec.region == oldSelf.spec.region)",message="region is immutable, and can be neither added nor removed: create another AgentDisconnect for another region",fieldPath=".spec.region",reason=FieldValueForbidden
// +kubebuilder:printcolumn:name="STATE",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].reason`,description="Where the run is"
// +kubebuilder:printcolumn:name="REASON",type=string,JSONPath=`.status.reason`,description="Why, where the state alone does not say it"
// +kubebuilder:printcolumn:name="AGENTS",type=string,JSONPath=`.status.agents.reached`,description="Agents that were seen disconnected by the run, of those that were connected before the start"
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="EXPIRES",type=string,priority=1,JSONPath=`.status.expirationTime`,description="When the rules are removed (UTC)"
// +kubebuilder:printcolumn:name="DISCONNECTED",type=integer,priority=1,JSONPath=`.status.agents.disconnected`,description="Agents of the run that ECS reports as disconnected now"
// +kubebuilder:printcolumn:name="CALLERS",type=integer,priority=1,JSONPath=`.status.callers.met`,description="Callers that met AGENT"
// +kubebuilder:printcolumn:name="RECOVERED",type=integer,priority=1,JSONPath=`.status.callers.recovered`,description="Callers that met AGENT and recovered"
// +kubebuilder:printcolumn:name="CLUSTER",type=string,priority=1,JSONPath=`.spec.cluster`,description="The ECS cluster"
// +kubebuilder:printcolumn:name="SUBNET",type=string,priority=1,JSONPath=`.spec.subnetID`,description="The subnet"
// +kubebuilder:printcolumn:name="ACL",type=string,priority=1,JSONPath=`.status.networkACL.id`,description="The network ACL that carries the rules"
// +kubebuilder:printcolumn:name="MODE",type=string,priority=1,JSONPath=`.status.networkACL.mode`,description="How the network ACL is used"
// +kubebuilder:printcolumn:name="REGION",type=string,priority=1,JSONPath=`.status.target.region`,description="The AWS Region"
type AgentDisconnect struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says which agents are cut off, and for how long.
	// +required
	Spec AgentDisconnectSpec `json:"spec,omitempty,omitzero"`

	// status is what the controller sees and did.
	// +optional
	// +default={"observedGeneration":-1}
	Status AgentDisconnectStatus `json:"status,omitempty,omitzero"`
}

// AgentDisconnectList is a list of AgentDisconnect objects.
// +kubebuilder:object:root=true
type AgentDisconnectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []AgentDisconnect `json:"items"`
}
