// SPDX-License-Identifier: Apache-2.0

package call

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Call is one request to one action.
type Call struct {
	// Time is when the call arrived.
	Time time.Time
	// Service is the endpoint prefix, as in IAM: ec2, ecs, cloudtrail, servicequotas, sts, scheduler.
	Service string
	// Action is the name of the operation, e.g. CreateNetworkAclEntry.
	Action string
	// AccessKey is the access key id that signed the call, Region the one that it was signed for. Calls that AWS makes by
	// itself, for a schedule, have no key.
	AccessKey, Region string
	// Identity is the ARN of who called: of a user, of a role's session, or of the role that a schedule runs under.
	// Empty for a key of no identity.
	Identity string
	// Schedule is the ARN of the schedule that a call was made for; empty for all other calls.
	Schedule string
	// UserAgent is what the client says that it is.
	UserAgent string
	// DryRun is true where an EC2 call only asked whether it would be permitted.
	DryRun bool
	// ReadOnly is true for calls that change nothing.
	ReadOnly bool
	// Params are the request's parameters: EC2's by their flat names (NetworkAclId, Filter.1.Value.2), all strings;
	// those of the JSON services as they decode (float64, string, map[string]any …); those that Scheduler has in path and
	// query are among them, with a capital letter (Name, GroupName).
	Params map[string]any
	// Error is the code that the call was answered with; empty when it succeeded or was never answered (see Lost).
	Error string
	// Lost is true when the connection was closed in place of an answer.
	Lost bool
	// RequestID is the id in the answer and in CloudTrail.
	RequestID string
}

// Name is the action as IAM and faults write it, e.g. ec2:CreateNetworkAclEntry.
func (c Call) Name() string { return c.Service + ":" + c.Action }

// Param is a parameter as text, empty when the request did not have it.
func (c Call) Param(name string) string {
	if v, ok := c.Params[name]; ok && v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// String is the call on one line, for failure messages.
func (c Call) String() string {
	var b strings.Builder
	b.WriteString(c.Name())
	if c.DryRun {
		b.WriteString(" (dry run)")
	}
	switch {
	case c.Lost:
		b.WriteString(": answer lost")
	case c.Error != "":
		b.WriteString(": " + c.Error)
	}
	return b.String()
}

// Log keeps calls in the order of their arrival. The zero value is ready to use.
type Log struct {
	mu    sync.Mutex
	calls []*Call
}

// Add appends a call. Its outcome is filled in by Done.
func (l *Log) Add(c Call) (index int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, &c)
	return len(l.calls) - 1
}

// Done replaces the call at index by what is known of it at its end.
func (l *Log) Done(index int, c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[index] = &c
}

// All is a copy of the log; calls still under way are in it without their outcome.
func (l *Log) All() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := make([]Call, len(l.calls))
	for i, c := range l.calls {
		calls[i] = *c
	}
	return calls
}
