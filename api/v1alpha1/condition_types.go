// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types of an AgentDisconnect. Each has a defined value in every state; the two of kstatus are there only
// while they are true.
const (
	// ConditionSucceeded has the state of the run as its reason: Unknown while it is on, True or False when it is over.
	ConditionSucceeded = "Succeeded"
	// ConditionEndpointsDiscovered is True when the hosts of every agent are known and each has an address.
	ConditionEndpointsDiscovered = "EndpointsDiscovered"
	// ConditionRulesInstalled is True when every planned deny was read back and is the first match for its address. It is
	// Unknown while the network ACL was not read lately.
	ConditionRulesInstalled = "RulesInstalled"
	// ConditionAgentsDisconnected is True when ECS reports that all tracked agents are disconnected. It is Unknown
	// while ECS was not asked lately, and never True when the run is over.
	ConditionAgentsDisconnected = "AgentsDisconnected"
	// ConditionRunTaskFails is there for a run with a probe. It is True when the last call of RunTask failed with AGENT for a
	// tracked container instance; of a run that is over, when any did. It is Unknown while no call was answered lately.
	ConditionRunTaskFails = "RunTaskFails"
	// ConditionCallersRecovered is there for a run that looks at its callers. It is True when callers met AGENT and all of them
	// recovered, and False when one certainly did not, or started twice. It is Unknown until CloudTrail shows enough.
	ConditionCallersRecovered = "CallersRecovered"
	// ConditionReconciling is there while the run discovers, installs, restores, recovers or verifies (kstatus: in progress).
	ConditionReconciling = "Reconciling"
	// ConditionStalled is there when a person must act, and after a run that failed (kstatus: failed).
	ConditionStalled = "Stalled"
)

// Reasons of ConditionSucceeded: the STATE column.
const (
	// StateWaiting: the run waits for something that ends without a person's action, such as another run on the same network ACL.
	StateWaiting = "Waiting"
	// StateRefused: the run can't start until a person changes something; the message says what.
	StateRefused = "Refused"
	// StateDiscovering: endpoints and agents are being looked up.
	StateDiscovering = "Discovering"
	// StateInstalling: the run has begun, and its rules are not all read back yet.
	StateInstalling = "Installing"
	// StateBlocking: every rule is in place.
	StateBlocking = "Blocking"
	// StateSuspended: the run is suspended; its rules are lifted, or it has not begun.
	StateSuspended = "Suspended"
	// StatePlanned: mode is Plan, and a run would start; status.plan says what it would do.
	StatePlanned = "Planned"
	// StatePlanRefused: mode is Plan, and a run would not start; status.plan says why.
	StatePlanRefused = "PlanRefused"
	// StateRestoring: the run's rules are being removed.
	StateRestoring = "Restoring"
	// StateRecovering: the rules are gone, and the run waits for the agents to connect again.
	StateRecovering = "Recovering"
	// StateVerifying: the rules are gone and the agents are no longer awaited; CloudTrail is read for what became of the callers.
	StateVerifying = "Verifying"
	// StateCompleted: all agents were seen disconnected, the rules are gone and the agents are connected again.
	StateCompleted = "Completed"
	// StateAgentsStayedConnected: at least one agent was never seen disconnected.
	StateAgentsStayedConnected = "AgentsStayedConnected"
	// StateAgentFailureNotSeen: all agents were seen disconnected, but no call of the run's probe failed with AGENT.
	StateAgentFailureNotSeen = "AgentFailureNotSeen"
	// StateCallersDidNotRecover: the run requires that its callers recover, and one that met AGENT did not.
	StateCallersDidNotRecover = "CallersDidNotRecover"
	// StateNoCallerMetAgent: the run requires that its callers recover, and none met AGENT.
	StateNoCallerMetAgent = "NoCallerMetAgent"
	// StateCallersNotObserved: the run requires that its callers recover, and CloudTrail did not show enough to tell.
	StateCallersNotObserved = "CallersNotObserved"
	// StateNotEnforced: the run denied TCS alone, and its rules were never read back in force.
	StateNotEnforced = "NotEnforced"
	// StateAgentsDidNotReconnect: the rules are gone, but agents were still disconnected 10 minutes later.
	StateAgentsDidNotReconnect = "AgentsDidNotReconnect"
	// StateAgentsNotObserved: the rules are gone, but the manager could not ask ECS what the agents did.
	StateAgentsNotObserved = "AgentsNotObserved"
)

// Reasons of status.abort, and of ConditionSucceeded after it.
const (
	// AbortStartDeadlineExceeded: the run had not begun by its start deadline, and does not start.
	AbortStartDeadlineExceeded = "StartDeadlineExceeded"
	// AbortDriftDetected: a third party removed or overrode the rules; with onDrift Reapply, more often than the run repairs.
	AbortDriftDetected = "DriftDetected"
	// AbortPlanDoesNotFit: an address was found that the network ACL has no room for.
	AbortPlanDoesNotFit = "PlanDoesNotFit"
	// AbortSubnetLeft: the subnet was moved to another network ACL, or deleted.
	AbortSubnetLeft = "SubnetLeftNetworkACL"
	// AbortNetworkACLShared: another subnet joined the network ACL, and its owner does not consent, or the run did not begin with it.
	AbortNetworkACLShared = "NetworkACLShared"
	// AbortNetworkACLDeleted: the network ACL is gone.
	AbortNetworkACLDeleted = "NetworkACLDeleted"
	// AbortCloneEdited: a third party edited the clone while it served the subnet.
	AbortCloneEdited = "CloneEdited"
	// AbortOriginalDeleted: the network ACL that the clone was copied from is gone; the clone stays in its place.
	AbortOriginalDeleted = "OriginalNetworkACLDeleted"
	// AbortOriginalChanged: a change of the original can't be carried over to the clone without renumbering it.
	AbortOriginalChanged = "OriginalNetworkACLChanged"
	// AbortQuotaExceeded: the account has no room for the clone.
	AbortQuotaExceeded = "QuotaExceeded"
	// AbortClusterGone: the ECS cluster was deleted or is no longer active.
	AbortClusterGone = "ClusterGone"
	// AbortAgentsLeft: no tracked container instance is left in the cluster.
	AbortAgentsLeft = "AgentsLeft"
	// AbortOtherClusters: another cluster's container instances joined a subnet that the rules act on.
	AbortOtherClusters = "OtherClusters"
	// AbortConsentWithdrawn: the owner of a subnet that the rules act on removed the tag with which it had consented.
	AbortConsentWithdrawn = "ConsentWithdrawn"
	// AbortHalted: an AgentDisconnectHalt ended all runs.
	AbortHalted = "Halted"
	// AbortStopConditionMet: an alarm of spec.stopConditions was in the state ALARM.
	AbortStopConditionMet = "StopConditionMet"
	// AbortSafetyLeverEngaged: the safety lever of AWS FIS was engaged in the Region.
	AbortSafetyLeverEngaged = "SafetyLeverEngaged"
	// AbortBrakeNotRead: an alarm of spec.stopConditions, or the safety lever, could not be read for a minute.
	AbortBrakeNotRead = "BrakeNotRead"
)

// Reasons why a run is refused (Stalled) or waits.
const (
	// ReasonSubnetNotFound: the subnet doesn't exist in the account and Region.
	ReasonSubnetNotFound = "SubnetNotFound"
	// ReasonSubnetNotSupported: agents in the subnet may use addresses that the manager can't determine (IPv6 only, or DNS64).
	ReasonSubnetNotSupported = "SubnetNotSupported"
	// ReasonNoConsent: a subnet that the rules would act on lacks the tag with which its owner consents.
	ReasonNoConsent = "NoConsent"
	// ReasonClusterNotFound: the cluster doesn't exist in the account and Region, or isn't active.
	ReasonClusterNotFound = "ClusterNotFound"
	// ReasonTaskDefinitionNotUsable: the probe's task definition does not exist, is inactive, or does not allow the launch type EC2.
	ReasonTaskDefinitionNotUsable = "TaskDefinitionNotUsable"
	// ReasonTasksLeft: tasks that the run's probe started are not known to be stopped.
	ReasonTasksLeft = "TasksLeft"
	// ReasonNoConnectedAgents: the cluster has no connected container instance in the subnet.
	ReasonNoConnectedAgents = "NoConnectedAgents"
	// ReasonAgentsDraining: every container instance in the subnet with a connected agent drains, so RunTask never fails with AGENT.
	ReasonAgentsDraining = "AgentsDraining"
	// ReasonTooManyAgents: the subnet has more container instances than a run can track.
	ReasonTooManyAgents = "TooManyAgents"
	// ReasonNetworkACLManaged: AWS FIS or Firewall Manager manages the network ACL.
	ReasonNetworkACLManaged = "NetworkACLManaged"
	// ReasonNetworkACLUnsettled: the network ACL to be cloned was changed a moment ago, and the change may be incomplete.
	ReasonNetworkACLUnsettled = "NetworkACLUnsettled"
	// ReasonNetworkACLDeniesAgents: the network ACL to be cloned allows no traffic to the agents' hosts, though the agents are connected.
	ReasonNetworkACLDeniesAgents = "NetworkACLDeniesAgents"
	// ReasonNetworkACLTemporary: the network ACL is a clone that another run left or another cluster's run uses.
	ReasonNetworkACLTemporary = "NetworkACLTemporary"
	// ReasonOtherClusters: other clusters have container instances in the subnet, or the manager can't determine whether they have.
	ReasonOtherClusters = "OtherClusters"
	// ReasonEndpointInSubnet: a VPC endpoint has an interface in the subnet itself, where no network ACL acts.
	ReasonEndpointInSubnet = "EndpointInSubnet"
	// ReasonProtectedAddress: the run would deny an address that callers, the clean-up or the cluster need.
	ReasonProtectedAddress = "ProtectedAddress"
	// ReasonNetworkACLHasNoEffect: the spec names what no network ACL acts on.
	ReasonNetworkACLHasNoEffect = "NetworkACLHasNoEffect"
	// ReasonAdditionalEndpointsForbidden: the manager forbids spec.additionalEndpoints.
	ReasonAdditionalEndpointsForbidden = "AdditionalEndpointsForbidden"
	// ReasonDurationTooLong: the duration is longer than the manager allows.
	ReasonDurationTooLong = "DurationTooLong"
	// ReasonTooManyRuns: as many runs are on as the manager allows at once.
	ReasonTooManyRuns = "TooManyRuns"
	// ReasonNotYet: the run waits for spec.startAfter.
	ReasonNotYet = "NotYet"
	// ReasonNoDeadManSwitch: the manager can't use EventBridge Scheduler for the dead man's switch that it is configured with.
	ReasonNoDeadManSwitch = "NoDeadManSwitch"
	// ReasonTagsFull: the network ACL has no room for the ownership tags.
	ReasonTagsFull = "TagsFull"
	// ReasonCloneEdited: the clone serves the subnet and has a third party's edit, which restoring the original would lose.
	ReasonCloneEdited = "CloneEdited"
	// ReasonCloneInUse: another subnet uses the clone, so it can't be deleted.
	ReasonCloneInUse = "CloneInUse"
	// ReasonNoRoom: an entry allows the traffic and no smaller number is free.
	ReasonNoRoom = "NoRoom"
	// ReasonQuotaExceeded: the rules don't fit the quota of entries.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonAlreadyDenied: the network ACL denies every address already, so that the run would create no rule.
	ReasonAlreadyDenied = "AlreadyDenied"
	// ReasonHostNotResolved: a host has no address.
	ReasonHostNotResolved = "HostNotResolved"
	// ReasonInvalidEndpoint: ECS named an endpoint that can't be used.
	ReasonInvalidEndpoint = "InvalidEndpoint"
	// ReasonTooManyEndpoints: more hosts or addresses than the status can hold.
	ReasonTooManyEndpoints = "TooManyEndpoints"
	// ReasonNoRole: the namespace has no role, and may not use the manager's own credentials.
	ReasonNoRole = "NoRole"
	// ReasonNoCredentials: the manager has no AWS credentials, or AWS doesn't accept them.
	ReasonNoCredentials = "NoCredentials"
	// ReasonAccessDenied: the manager's role lacks a permission; the message names it.
	ReasonAccessDenied = "AccessDenied"
	// ReasonWrongAccount: the manager's credentials are of another account than the one the run works in.
	ReasonWrongAccount = "WrongAccount"
	// ReasonNoRegion: neither the spec nor the cluster's ARN nor the manager names a Region.
	ReasonNoRegion = "NoRegion"
	// ReasonLedgerInvalid: status.rules was edited, and a line has a form that the controller does not write.
	ReasonLedgerInvalid = "LedgerInvalid"
	// ReasonThrottled: AWS limits the rate of calls; the manager retries them.
	ReasonThrottled = "Throttled"
	// ReasonAWSUnavailable: AWS did not answer, or answered with a server error; the manager retries the call.
	ReasonAWSUnavailable = "AWSUnavailable"
	// ReasonAWSRejected: AWS refused a call for a reason that none of the others covers.
	ReasonAWSRejected = "AWSRejected"
	// ReasonHolder: another run holds the network ACL.
	ReasonHolder = "NetworkACLHeld"
	// ReasonHalted: an AgentDisconnectHalt lets no run start.
	ReasonHalted = "Halted"
	// ReasonHaltsNotReadable: the manager can't read the AgentDisconnectHalts, so it lets no run start.
	ReasonHaltsNotReadable = "HaltsNotReadable"
	// ReasonStopConditionMet: an alarm of spec.stopConditions is in the state ALARM.
	ReasonStopConditionMet = "StopConditionMet"
	// ReasonAlarmNotFound: an alarm of spec.stopConditions does not exist in the account and Region.
	ReasonAlarmNotFound = "AlarmNotFound"
	// ReasonSafetyLeverEngaged: the safety lever of AWS FIS is engaged in the Region.
	ReasonSafetyLeverEngaged = "SafetyLeverEngaged"
)
