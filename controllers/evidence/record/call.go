// SPDX-License-Identifier: Apache-2.0

package record

import (
	"time"
)

// Names of the calls that start tasks on container instances.
const (
	RunTask   = "RunTask"
	StartTask = "StartTask"
)

// Call is a call of RunTask or StartTask as CloudTrail recorded it. It is shared by all that read
// it: its lists must not be changed.
type Call struct {
	EventID string
	// Time is when the call was answered, in whole seconds, as CloudTrail has it.
	Time      time.Time
	Principal Principal
	// Cluster is as the caller gave it, a name or an ARN; empty: the cluster called default.
	Cluster string
	// Family is that of the task definition, without the revision.
	Family string
	// Count is how many tasks the caller asked for.
	Count int
	// StartedBy, Group and ClientToken are as the caller gave them.
	StartedBy, Group, ClientToken string
	// Tasks are those that were started, and Failures those that were not, as the answer has them.
	Tasks    []Task
	Failures []Failure
	// ErrorCode is why the call failed as a whole; empty: it was answered.
	ErrorCode string
	// Withheld says that CloudTrail has no parameters of the call, as of some that were not allowed:
	// then its cluster and family are not known.
	Withheld bool
}

// Principal is an identity that makes calls, without the session: two calls of the same principal
// have equal values.
type Principal struct {
	// ARN is that of the role, the IAM user or the root user; what CloudTrail has where it has no
	// ARN. Empty: a service that acts by itself.
	ARN string
	// Service is the AWS service that made the call for the identity, such as
	// states.amazonaws.com; empty: none.
	Service string
}

// String names the principal: its service first, where there is one.
func (p Principal) String() string {
	switch {
	case p.Service == "":
		return p.ARN
	case p.ARN == "":
		return p.Service
	}
	return p.Service + " with " + p.ARN
}

// Task is a task that a call started.
type Task struct {
	ARN string
	// ContainerInstance is the ARN of the container instance; empty: none was chosen yet.
	ContainerInstance string
}

// Failure is why a call did not start a task.
type Failure struct {
	// ARN is that of the container instance, in most cases.
	ARN    string
	Reason string
}
