// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"net/netip"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// Kind is what an operation does.
type Kind string

// What people do to objects.
const (
	// Create makes an object, unless there is one of that name.
	Create Kind = "create"
	// Apply creates the object again, or writes the spec that it was created with over what it has now.
	Apply Kind = "apply"
	// Lengthen gives the run another duration: For, counted from its start. It may be shorter, and past already.
	Lengthen Kind = "duration"
	// Suspend and Resume set spec.suspend.
	Suspend Kind = "suspend"
	Resume  Kind = "resume"
	// Renew gives spec.runID a new value.
	Renew Kind = "runID"
	// Delete deletes the object.
	Delete Kind = "delete"
	// Force takes the finalizer off by hand. With Gone, the object is deleted in the same breath.
	Force Kind = "force"
	// DropCondition takes a condition out of the status by hand.
	DropCondition Kind = "dropCondition"
	// DamageLedger makes a line of status.rules one that the controller never writes.
	DamageLedger Kind = "damageLedger"
)

// What people do to stop runs.
const (
	// Brake engages a brake for a time: a halt, the safety lever of AWS FIS, or the alarm that objects with Stop name. How says
	// which; see Brakes.
	Brake Kind = "brake"
)

// What third parties do in AWS.
const (
	// AddEntry, ReplaceEntry and DeleteEntry edit entries of third parties.
	AddEntry     Kind = "addEntry"
	ReplaceEntry Kind = "replaceEntry"
	DeleteEntry  Kind = "deleteEntry"
	// AddTag and RemoveTag edit tags of third parties.
	AddTag    Kind = "addTag"
	RemoveTag Kind = "removeTag"
	// StripTags takes tags of the product off a network ACL.
	StripTags Kind = "stripTags"
	// RemoveRule deletes a rule of the run, ReplaceRule puts an entry of a third party in its place, and OverrideRule allows
	// its address in front of it.
	RemoveRule   Kind = "removeRule"
	ReplaceRule  Kind = "replaceRule"
	OverrideRule Kind = "overrideRule"
	// Consent gives a subnet's consent back, Withdraw takes it away.
	Consent  Kind = "consent"
	Withdraw Kind = "withdraw"
	// MoveSubnet gives a subnet another network ACL.
	MoveSubnet Kind = "moveSubnet"
	// AddACL makes a network ACL, and DeleteACL deletes one that no subnet has.
	AddACL    Kind = "addACL"
	DeleteACL Kind = "deleteACL"
)

// What callers do, and how CloudTrail shows it.
const (
	// Call has a caller (Pick) call RunTask in a subnet, Nth times at most and a time (For) apart, until
	// a task starts.
	Call Kind = "call"
	// Trail has CloudTrail show what comes from now on after For at least and Window more at most, and
	// Pick percent of it twice.
	Trail Kind = "trail"
)

// What happens to agents and hosts.
const (
	// AgentsDown stops the agents of a subnet, AgentsUp starts them.
	AgentsDown Kind = "agentsDown"
	AgentsUp   Kind = "agentsUp"
	// AddInstance and RemoveInstance change the container instances of a subnet.
	AddInstance    Kind = "addInstance"
	RemoveInstance Kind = "removeInstance"
	// Rotate gives a host other addresses.
	Rotate Kind = "rotate"
)

// What happens to the manager and around it.
const (
	// Crash ends the manager at the Nth point of a kind (At) from now on, and starts a new one a time (For) later.
	Crash Kind = "crash"
	// Off stops the manager for a time, during which the history goes on.
	Off Kind = "off"
	// Freeze pauses the manager for a time at the Nth point of a kind; a second one takes over, and the first one wakes
	// beside it.
	Freeze Kind = "freeze"
	// AWSFault has calls of an action go wrong for a time, in the way that How says.
	AWSFault Kind = "awsFault"
	// KubeFault has the API server fail for a time, in the way that How says.
	KubeFault Kind = "kubeFault"
	// Skew starts a new manager on a machine whose clock is wrong by For for a time (Window), and then one whose clock is
	// right.
	Skew Kind = "skew"
	// Pass lets time go by.
	Pass Kind = "pass"
)

// Op is one operation. Fields that its kind has no use for are left out.
type Op struct {
	Do     Kind   `json:"do"`
	Object string `json:"object,omitempty"`
	// There has it done in the managers' own account, in a history with Spoke.
	There bool `json:"there,omitempty"`
	// Subnet and ACL are names: see Subnets and ACLs. An ACL may also be an object's name with "clone:" in front.
	Subnet string `json:"subnet,omitempty"`
	ACL    string `json:"acl,omitempty"`
	// For is how long something lasts, and how long a run does.
	For Span `json:"for,omitempty"`
	// Start and Window are how long after its creation a run may begin, and by when it has to.
	Start  Span `json:"start,omitempty"`
	Window Span `json:"window,omitempty"`
	// Mode and OnDrift are those of the spec.
	Mode    string `json:"mode,omitempty"`
	OnDrift string `json:"onDrift,omitempty"`
	Gone    bool   `json:"gone,omitempty"`
	// Probe gives the object a probe.
	Probe bool `json:"probe,omitempty"`
	// Stop has an alarm stop the run.
	Stop bool `json:"stop,omitempty"`
	// Recover has the run look at its callers, which have that long to recover, and Require makes it part
	// of the verdict.
	Recover Span `json:"recover,omitempty"`
	Require bool `json:"require,omitempty"`
	// At says of which kind the points are that a crash counts; see Points. Nth counts from 1. What a third party does can wait
	// for a point too: it is done in the middle of a pass then.
	At  string `json:"at,omitempty"`
	Nth int    `json:"nth,omitempty"`
	// How is the kind of a fault, Action the calls that it hits; Nth calls at most, where that is set.
	How    string `json:"how,omitempty"`
	Action string `json:"action,omitempty"`
	// Pick chooses among what there is, counted around.
	Pick      int          `json:"pick,omitempty"`
	Entry     *Entry       `json:"entry,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// Entry is a third party's entry: TCP to one port, or all traffic where Port is 0.
type Entry struct {
	Number  int          `json:"number"`
	Ingress bool         `json:"ingress,omitempty"`
	Allow   bool         `json:"allow,omitempty"`
	CIDR    netip.Prefix `json:"cidr"`
	Port    int          `json:"port,omitempty"`
}

// Rule is the entry as the Region has it.
func (e Entry) Rule() acl.Entry {
	rule := acl.Entry{RuleNumber: e.Number, Egress: !e.Ingress, Allow: e.Allow, Protocol: acl.All, CIDR: e.CIDR}
	if e.Port != 0 {
		rule.Protocol, rule.From, rule.To = acl.TCP, e.Port, e.Port
	}
	return rule
}

// History is what happens, in order, and how it ends.
type History struct {
	// Seed is what it was drawn from; 0: it was written by hand.
	Seed uint64 `json:"seed,omitempty"`
	// Note says what it showed.
	Note string `json:"note,omitempty"`
	// Armed: the managers have a dead man's switch.
	Armed bool `json:"armed,omitempty"`
	// Spoke: the managers' own account is another one, and they assume a role. There are objects and third parties in both.
	Spoke bool `json:"spoke,omitempty"`
	// Reads and Changes are how many calls a second the managers make for long; 0: any number.
	Reads   float64 `json:"reads,omitempty"`
	Changes float64 `json:"changes,omitempty"`
	Ops     []Op    `json:"ops"`
	// Deleted: all objects are deleted at the end. Otherwise they are left to their own ends.
	Deleted bool `json:"deleted,omitempty"`
}

// Span is a duration that is written as in "1m30s".
type Span time.Duration

// MarshalText implements encoding.TextMarshaler.
func (s Span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = Span(d)
	return err
}

func (s Span) d() time.Duration { return time.Duration(s) }

// nth is which of the points that a crash counts ends the manager.
func (o Op) nth() int { return cmp.Or(o.Nth, 1) }

// Points are what a crash can count: calls to AWS that change something or that look, and writes of Kubernetes objects, each
// before its effect or between that and the answer.
var Points = []string{"before aws write", "after aws write", "before aws read", "before kube write", "after kube write"}

// Brakes are those that can be engaged. Of halts there may be several at a time.
var Brakes = []string{leverBrake, alarmBrake, haltBrake}

// AWSFaults and KubeFaults are the ways in which calls go wrong.
var (
	AWSFaults  = []string{"error", "errorAfter", "lost", "throttle", "stale5s", "stale60s", "denied"}
	KubeFaults = []string{"conflict", "gone", "lost"}
)
