// SPDX-License-Identifier: Apache-2.0

package report

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Document is what the format json prints. Fields are added to it, and none is renamed or removed.
// What is not known is left out. Times are in UTC.
type Document struct {
	// Version is that of this structure.
	Version int `json:"version"`
	// Time is when the report was made.
	Time      metav1.Time `json:"time"`
	Namespace string      `json:"namespace,omitempty"`
	Name      string      `json:"name"`
	UID       string      `json:"uid,omitempty"`
	RunID     string      `json:"runID,omitempty"`
	Verdict   Verdict     `json:"verdict"`
	// Checks are the promises of the run, in the order in which it keeps them.
	Checks     []Check     `json:"checks"`
	Target     Target      `json:"target"`
	NetworkACL *NetworkACL `json:"networkACL,omitempty"`
	Times      Times       `json:"times"`
	Agents     *Agents     `json:"agents,omitempty"`
	// Probe counts what the calls of RunTask by the run's probe came to.
	Probe []Outcome `json:"probe,omitempty"`
	// Callers are what CloudTrail shows of the callers of RunTask. It is left out of a run that does
	// not look at them.
	Callers *Callers `json:"callers,omitempty"`
	// Endpoints are the hosts whose addresses the run denied, Exemptions what it did not deny.
	Endpoints  []Endpoint  `json:"endpoints,omitempty"`
	Exemptions []Exemption `json:"exemptions,omitempty"`
	// Rules are those that the run has, or may have, on the network ACL now.
	Rules []Rule `json:"rules,omitempty"`
	// DriftRepairs is how often the run restored its rules.
	DriftRepairs int32       `json:"driftRepairs,omitempty"`
	Timeline     []Entry     `json:"timeline,omitempty"`
	Conditions   []Condition `json:"conditions,omitempty"`
}

// Outcome counts the calls of a probe that came to the same.
type Outcome struct {
	// Reason is AGENT, another reason of RunTask, or a word of the product: see status.probe.outcomes.
	Reason  string      `json:"reason"`
	Count   int32       `json:"count"`
	First   metav1.Time `json:"first"`
	Last    metav1.Time `json:"last"`
	Message string      `json:"message,omitempty"`
}

// Callers are what CloudTrail shows of the callers of RunTask and StartTask on the run's cluster.
type Callers struct {
	// Required says that the verdict of the run depends on them.
	Required bool `json:"required"`
	// RecoverWithinSeconds is how long after its first AGENT a caller may take.
	RecoverWithinSeconds int64 `json:"recoverWithinSeconds"`
	// Known says that all is known which CloudTrail had to show of them.
	Known bool `json:"known"`
	// Observed is when CloudTrail was last read; left out: it was not. The calls between
	// CompleteSince and CompleteUntil are all known.
	Observed      *metav1.Time `json:"observed,omitempty"`
	CompleteSince *metav1.Time `json:"completeSince,omitempty"`
	CompleteUntil *metav1.Time `json:"completeUntil,omitempty"`
	// Message is why CloudTrail could not be read when that was last tried.
	Message string `json:"message,omitempty"`

	Calls    int32 `json:"calls"`
	MetCalls int32 `json:"metCalls"`
	// Met is Recovered, NotRecovered and NotKnown together. StartedTwice counts callers that are in
	// one of them too.
	Met          int32 `json:"met"`
	Recovered    int32 `json:"recovered"`
	NotRecovered int32 `json:"notRecovered"`
	NotKnown     int32 `json:"notKnown"`
	StartedTwice int32 `json:"startedTwice"`
	// PendingTasks are those that were started before ECS was seen to report the agent there as
	// disconnected, and PendingCalls the calls that started them.
	PendingTasks int32 `json:"pendingTasks,omitempty"`
	PendingCalls int32 `json:"pendingCalls,omitempty"`
	// Errors count the calls that failed as a whole, by AWS's code, and OtherErrors those of further
	// codes. Unreadable are events that could not be understood, and Withheld calls of which
	// CloudTrail does not show the cluster.
	Errors      []CallerError `json:"errors,omitempty"`
	OtherErrors int32         `json:"otherErrors,omitempty"`
	Unreadable  int32         `json:"unreadable,omitempty"`
	Withheld    int32         `json:"withheld,omitempty"`
	// Worst are those that met AGENT, the worst first. The object lists 20 at most.
	Worst []Caller `json:"worst,omitempty"`
}

// CallerError counts the calls that failed as a whole with one code.
type CallerError struct {
	Code  string `json:"code"`
	Calls int32  `json:"calls"`
}

// Caller is a principal that starts tasks of a family, and met AGENT.
type Caller struct {
	// Principal is an ARN, Service the AWS service that made the calls. One of them may be left out.
	Principal string `json:"principal,omitempty"`
	Service   string `json:"service,omitempty"`
	// Family is left out if CloudTrail does not show it.
	Family string `json:"family,omitempty"`
	// Outcome is NotRecovered, StartedTwice, NotKnown or Recovered.
	Outcome      string `json:"outcome"`
	Calls        int32  `json:"calls"`
	MetCalls     int32  `json:"metCalls"`
	StartedTasks int32  `json:"startedTasks,omitempty"`
	// ExtraTasks is how many more it started than it asked for.
	ExtraTasks int32        `json:"extraTasks,omitempty"`
	FirstAgent metav1.Time  `json:"firstAgent"`
	LastAgent  metav1.Time  `json:"lastAgent"`
	Recovered  *metav1.Time `json:"recovered,omitempty"`
}

// Verdict is the run as one word.
type Verdict struct {
	// State is the reason of the condition Succeeded; empty: the manager has not processed the object.
	State string `json:"state,omitempty"`
	// Succeeded is the status of that condition: True, False, or Unknown while the run is not over.
	Succeeded string `json:"succeeded"`
	// Over says that the run is over.
	Over    bool   `json:"over"`
	Message string `json:"message,omitempty"`
}

// Result is what came of a check.
type Result string

const (
	// Passed: the promise was kept.
	Passed Result = "passed"
	// Failed: it was not kept, or a person must act before it can be.
	Failed Result = "failed"
	// Skipped: it is not decided, or the run does not make it.
	Skipped Result = "skipped"
)

// Check is one promise of the run.
type Check struct {
	// Name is a word that stays, for programs; Title says it to people.
	Name    string `json:"name"`
	Title   string `json:"title"`
	Result  Result `json:"result"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Seconds is how long after the start the promise was kept.
	Seconds *int64 `json:"seconds,omitempty"`
}

// Target is what the run is aimed at.
type Target struct {
	AccountID string `json:"accountID,omitempty"`
	// RoleARN is the role that the manager assumed; empty: its own credentials.
	RoleARN    string `json:"roleARN,omitempty"`
	Region     string `json:"region,omitempty"`
	Cluster    string `json:"cluster"`
	ClusterARN string `json:"clusterARN,omitempty"`
	SubnetID   string `json:"subnetID"`
	VPCID      string `json:"vpcID,omitempty"`
}

// NetworkACL is the network ACL that carried the rules.
type NetworkACL struct {
	ID         string `json:"id,omitempty"`
	Mode       string `json:"mode"`
	OriginalID string `json:"originalID,omitempty"`
	// DeadManSwitch is how far the schedules are that remove the rules if no manager does.
	DeadManSwitch string `json:"deadManSwitch,omitempty"`
}

// Times are when the run came how far.
type Times struct {
	Requested    *metav1.Time `json:"requested,omitempty"`
	Started      *metav1.Time `json:"started,omitempty"`
	Enforced     *metav1.Time `json:"enforced,omitempty"`
	Disconnected *metav1.Time `json:"disconnected,omitempty"`
	Expires      *metav1.Time `json:"expires,omitempty"`
	Aborted      *metav1.Time `json:"aborted,omitempty"`
	Restored     *metav1.Time `json:"restored,omitempty"`
	// Verifying is from when on the run did nothing but look at its callers.
	Verifying   *metav1.Time `json:"verifying,omitempty"`
	Reconnected *metav1.Time `json:"reconnected,omitempty"`
	Completed   *metav1.Time `json:"completed,omitempty"`
}

// Agents are those that the run tracked.
type Agents struct {
	// Total is how many there are, Disconnected how many of them were seen disconnected by the run.
	Total        int   `json:"total"`
	Disconnected int   `json:"disconnected"`
	Uncounted    int32 `json:"uncounted,omitempty"`
	// Omitted is how many of them Tracked leaves out: they were disconnected by the run, and connected again.
	Omitted int32   `json:"omitted,omitempty"`
	Tracked []Agent `json:"tracked,omitempty"`
}

// Agent is one of them.
type Agent struct {
	ARN string `json:"arn"`
	// ID is the last part of the ARN.
	ID string `json:"id"`
	// Disconnected is when it was first seen disconnected by the run.
	Disconnected *metav1.Time `json:"disconnected,omitempty"`
	// Connected is what ECS reported last.
	Connected *bool `json:"connected,omitempty"`
	Gone      bool  `json:"gone,omitempty"`
}

// Endpoint is a host, and its addresses.
type Endpoint struct {
	Hostname  string   `json:"hostname"`
	Session   string   `json:"session"`
	Addresses []string `json:"addresses,omitempty"`
}

// Exemption is a range that the run did not deny.
type Exemption struct {
	CIDR    string `json:"cidr"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Rule is a line of the ledger.
type Rule struct {
	NetworkACLID string `json:"networkACLID"`
	RuleNumber   int32  `json:"ruleNumber"`
	CIDR         string `json:"cidr"`
	Hostname     string `json:"hostname,omitempty"`
	State        string `json:"state"`
}

// Entry is an entry of the timeline.
type Entry struct {
	Time         metav1.Time `json:"time"`
	Type         string      `json:"type"`
	Reason       string      `json:"reason,omitempty"`
	Message      string      `json:"message,omitempty"`
	Disconnected *int32      `json:"disconnected,omitempty"`
	Total        *int32      `json:"total,omitempty"`
	// Count is how many things of its type the entry stands for.
	Count int32 `json:"count"`
}

// Condition is a condition of the object.
type Condition struct {
	Type    string      `json:"type"`
	Status  string      `json:"status"`
	Reason  string      `json:"reason"`
	Message string      `json:"message,omitempty"`
	Since   metav1.Time `json:"since"`
}
