// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds of the lists in the status. The controller stops before it reaches them and says so: a status that the API
// server refuses could not record what it owns.
const (
	// MaxEndpoints bounds status.endpoints.
	MaxEndpoints = 64
	// MaxAddresses bounds status.endpoints[].addresses.
	MaxAddresses = 40
	// MaxExemptions bounds status.exemptions.
	MaxExemptions = 64
	// MaxRules bounds status.rules: at most 40 entries fit a network ACL's direction, and lines whose end is not yet
	// known stay beside the ones that replaced them.
	MaxRules = 80
	// MaxContainerInstances bounds status.agents.containerInstances.
	MaxContainerInstances = 1000
)

// Every time has a pattern, the form in which metav1.Time is written. Without it the API server would accept times that
// don't decode, such as 2026-01-02t03:04:05z, and the zero time, which is written as null.

// AgentDisconnectStatus is what the controller sees and what it owns in AWS.
type AgentDisconnectStatus struct {
	// conditions report the progress of the run. Succeeded has the state of the run as its reason: Unknown while it is on, True or False
	// when it is over. EndpointsDiscovered, RulesInstalled and AgentsDisconnected say how far it came. Reconciling is there
	// while something is being changed, Stalled while a person must act and after a run that failed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:XValidation:rule="self.lastTransitionTime >= timestamp('2000-01-01T00:00:00Z') && self.lastTransitionTime < timestamp('3000-01-01T00:00:00Z')",message="must be a time of the years 2000 to 2999 as RFC 3339 writes it, such as 2026-01-02T15:04:05Z",fieldPath=".lastTransitionTime"
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// state is the reason of the condition Succeeded: the run as one word, for tools that read a field and no list. It belongs to
	// the spec of observedGeneration, and to the run of runID. Unset: the controller has not processed the object yet.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	State string `json:"state,omitempty"`

	// reason says why the run is in its state, where the state alone does not: what a person must solve, what the run waits for, why it
	// was aborted, or what a completed run shows of its callers. It is one CamelCase word; the conditions have the sentences. Unset: the
	// state says it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`

	// observedGeneration is the generation of the spec that this status is about. -1: the controller has not processed the object yet, so
	// that tools which wait for a generation don't take a new object for a finished one.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// observedMode is Plan where the spec asked for a plan when the controller last read it, and no run has been requested
	// since. A change of spec.mode to Run requests one, whether a plan was made or not. Unset: a run was asked for.
	// +optional
	ObservedMode Mode `json:"observedMode,omitempty"`

	// runID is the spec's runID of the run that this status is about, which waits, is on or is over: a tool compares it with
	// the spec's before it believes the conditions. Unset: the run has none, or only a plan was asked for.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	RunID string `json:"runID,omitempty"`

	// requestTime is when this run was requested by a new runID, or by a mode that was Plan before. Unset: creating the
	// object did.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	RequestTime *metav1.Time `json:"requestTime,omitempty"`

	// startTime is when the run began: set once, before the first write to AWS. Unset: it has not begun.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// expirationTime is when the rules are removed: startTime plus the duration. Set together with startTime, it moves
	// only when spec.duration is changed while the run is on.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	ExpirationTime *metav1.Time `json:"expirationTime,omitempty"`

	// enforcedTime is when every address was first read back as denied. Unset: not yet.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	EnforcedTime *metav1.Time `json:"enforcedTime,omitempty"`

	// restoredTime is when the last of the run's rules was known to be gone. Unset: rules of the run may be in place.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	RestoredTime *metav1.Time `json:"restoredTime,omitempty"`

	// recoveredTime is when the run had done waiting for its agents and began to look at its callers. The run is over once that is
	// done. Unset: it still waits for them, or its callers are not looked at.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	RecoveredTime *metav1.Time `json:"recoveredTime,omitempty"`

	// completionTime is when the run was over. A run that has one is never continued.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// target is the place in AWS that the run works in. That something isn't found means that it is gone only there.
	// +optional
	Target *Target `json:"target,omitempty"`

	// networkACL is the network ACL that carries the rules.
	// +optional
	NetworkACL *NetworkACL `json:"networkACL,omitempty"`

	// endpoints are the hosts that the agents connect to, with every address seen for them. Within a run addresses are
	// only ever added.
	// +optional
	// +listType=map
	// +listMapKey=hostname
	// +listMapKey=session
	// +kubebuilder:validation:MaxItems=64
	Endpoints []Endpoint `json:"endpoints,omitempty"`

	// exemptions are addresses and ranges that the run would deny and does not, since they were found during the run to be ones that
	// callers, the clean-up or the cluster need, or that no network ACL acts on. Unset: it denies all.
	// +optional
	// +listType=map
	// +listMapKey=cidr
	// +kubebuilder:validation:MaxItems=64
	Exemptions []Exemption `json:"exemptions,omitempty"`

	// startedWith is what the spec said when the run began, of the fields whose changes wait for the next run.
	// +optional
	StartedWith *StartedWith `json:"startedWith,omitempty"`

	// rules is the ledger: every network ACL entry that this run made or may have made, until it is known to be gone.
	// +optional
	// +listType=map
	// +listMapKey=networkACLID
	// +listMapKey=ruleNumber
	// +kubebuilder:validation:MaxItems=80
	Rules []Rule `json:"rules,omitempty"`

	// driftRepairs is how often this run restored rules that a third party had removed or overridden. A repair counts
	// once AWS acknowledged all of its entries.
	// +optional
	// +kubebuilder:validation:Minimum=1
	DriftRepairs int32 `json:"driftRepairs,omitempty"`

	// agents counts the agents of the target and lists those that the run tracks.
	// +optional
	Agents *Agents `json:"agents,omitempty"`

	// probe is what the probe of the run saw. Unset: the run has none.
	// +optional
	Probe *ProbeStatus `json:"probe,omitempty"`

	// callers are what CloudTrail shows of the callers of RunTask. Unset: it was not read, since the run is not that far, or
	// spec.callers was unset when it began.
	// +optional
	Callers *CallersStatus `json:"callers,omitempty"`

	// abort says why the run ended before its time. Set before anything is restored, and never removed.
	// +optional
	Abort *Abort `json:"abort,omitempty"`

	// plan is what a run would do, in mode Plan.
	// +optional
	Plan *Plan `json:"plan,omitempty"`

	// timeline is what happened in the run, and when, in the order of time. Where more than 64 things happened, entries in
	// the middle are left out, and others of their type count them. A new run begins a new one. It is only shown: nothing
	// that the controller does depends on it. Unset: nothing happened yet.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Timeline []TimelineEntry `json:"timeline,omitempty"`
}

// StartedWith holds fields of the spec, and what the manager was set to, as they were when the run began.
// +kubebuilder:validation:MinProperties=1
type StartedWith struct {
	// sessions are spec.sessions. Unset: both.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=2
	Sessions []Session `json:"sessions,omitempty"`

	// networkACLMode is spec.networkACLMode. Unset: it left the choice to the controller.
	// +optional
	NetworkACLMode NetworkACLMode `json:"networkACLMode,omitempty"`

	// otherClusters is spec.otherClusters, Refuse where that was unset.
	// +required
	OtherClusters OtherClusters `json:"otherClusters,omitempty"`

	// onDrift is spec.onDrift, Reapply where that was unset.
	// +required
	OnDrift OnDrift `json:"onDrift,omitempty"`

	// additionalEndpoints is spec.additionalEndpoints. Ledger lines may be of its ranges.
	// +optional
	AdditionalEndpoints *AdditionalEndpoints `json:"additionalEndpoints,omitempty"`

	// probe is spec.probe. Unset: the run has no probe.
	// +optional
	Probe *Probe `json:"probe,omitempty"`

	// callers is spec.callers. Unset: the run's callers are not looked at.
	// +optional
	Callers *Callers `json:"callers,omitempty"`

	// stopConditions are spec.stopConditions. Unset: the run reads no alarm.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	StopConditions []StopCondition `json:"stopConditions,omitempty"`

	// cloudTrailDelay is by how much CloudTrail may be late, in whole hours, minutes and seconds: the manager's --cloudtrail-delay.
	// Unset: 15m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0",message="must be in whole hours, minutes and seconds, such as 15m0s"
	CloudTrailDelay *metav1.Duration `json:"cloudTrailDelay,omitempty"`

	// startAfter is spec.startAfter.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	StartAfter *metav1.Time `json:"startAfter,omitempty"`
}

// Target is the place in AWS that a run works in.
type Target struct {
	// accountID is the 12 digits of the AWS account.
	// +required
	// +kubebuilder:validation:MinLength=12
	// +kubebuilder:validation:MaxLength=12
	AccountID string `json:"accountID,omitempty"`

	// roleARN is the role that the manager assumed for the object's namespace when the run began; unset: the run uses the
	// manager's own credentials.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=640
	RoleARN string `json:"roleARN,omitempty"`

	// region is the AWS Region.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Region string `json:"region,omitempty"`

	// clusterARN is the ARN of the ECS cluster.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=400
	ClusterARN string `json:"clusterARN,omitempty"`

	// vpcID is the id of the subnet's VPC.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	VPCID string `json:"vpcID,omitempty"`

	// ipv6 says that the subnet has an IPv6 range, so that IPv6 addresses are denied too. Unset: it has none.
	// +optional
	IPv6 *bool `json:"ipv6,omitempty"`
}

// EndpointSession says what a host serves.
// +kubebuilder:validation:Enum=ACS;TCS;Additional
type EndpointSession string

const (
	// EndpointACS is a host of the agent communication service.
	EndpointACS EndpointSession = "ACS"
	// EndpointTCS is a host of the telemetry communication service.
	EndpointTCS EndpointSession = "TCS"
	// EndpointAdditional is a host of spec.additionalEndpoints.
	EndpointAdditional EndpointSession = "Additional"
)

// Endpoint is one host and the addresses seen for it.
type Endpoint struct {
	// hostname is the host, as ECS named it to the agents or as the spec does; or the id of a VPC endpoint (vpce-…), whose
	// network interfaces have the addresses.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Hostname string `json:"hostname,omitempty"`

	// session is what the host serves: ACS, TCS, or Additional for a host of the spec.
	// +required
	Session EndpointSession `json:"session,omitempty"`

	// addresses are the IP addresses that lookups of the host gave, or those of the VPC endpoint's interfaces, sorted.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=40
	// +kubebuilder:validation:items:MaxLength=45
	Addresses []string `json:"addresses,omitempty"`
}

// Exemption is an address or a range that a run does not deny.
type Exemption struct {
	// cidr is the address, as a /32 or /128, or a range of the spec.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=49
	CIDR string `json:"cidr,omitempty"`

	// reason is ProtectedAddress or NetworkACLHasNoEffect.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
	Reason string `json:"reason,omitempty"`

	// message names what needs the address.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}

// Abort says why a run ended before its time.
type Abort struct {
	// reason is the reason as one CamelCase word, the same as that of the Succeeded condition at the end.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
	Reason string `json:"reason,omitempty"`

	// message says what was seen and what to do.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// time is when the run was ended.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	Time metav1.Time `json:"time,omitempty,omitzero"`
}
