// SPDX-License-Identifier: Apache-2.0

package callers

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

const (
	// MostCallers and MostErrors bound the lists of a verdict.
	MostCallers = 20
	MostErrors  = 10
)

// Outcome is what became of a caller that met AGENT.
type Outcome string

// The outcomes, the worst first.
const (
	// NotRecovered: the trail is known for the whole time that the caller had, and shows no task.
	NotRecovered Outcome = "NotRecovered"
	// StartedTwice: it recovered, and started more tasks than it had asked for.
	StartedTwice Outcome = "StartedTwice"
	// NotKnown: no task was seen yet, and the time that the caller has is not over, or not all of
	// it is known.
	NotKnown Outcome = "NotKnown"
	// Recovered: it had a task started in time.
	Recovered Outcome = "Recovered"
)

// Verdict is what the trail shows of the callers of a run.
type Verdict struct {
	// Calls counts those on the cluster from when the denies stood until the agents were back, those that
	// failed as a whole included.
	Calls int
	// MetCalls counts those of them that were answered with AGENT for a tracked container instance.
	MetCalls int
	// Met counts the callers that met AGENT. It is the sum of Recovered, NotRecovered and NotKnown.
	Met, Recovered, NotRecovered, NotKnown int
	// StartedTwice counts the callers that started more tasks than they asked for, whatever else
	// became of them.
	StartedTwice int
	// Errors are the calls that failed as a whole, by code, the most frequent first. OtherErrors
	// counts those that the list has no room for.
	Errors      []ErrorCount
	OtherErrors int
	// Withheld counts the calls of which CloudTrail doesn't show on which cluster they were made.
	Withheld int
	// Window is what was started while ECS did not know yet that agents are disconnected.
	Window Window
	// Callers are those that met AGENT, the worst first.
	Callers []Caller
	// Settled says that no event that CloudTrail may still show can change the verdict: the trail is
	// known completely for as long as any caller has.
	Settled bool
}

// ErrorCount is how many calls failed as a whole with a code.
type ErrorCount struct {
	Code  string
	Calls int
}

// Window counts the calls between when the denies stood and the time at which ECS was seen to report the
// container instance's agent as disconnected, and the tasks on tracked container instances with
// which they were answered. Such a task waits in PENDING until the agent is back.
type Window struct{ Calls, Tasks int }

// Caller is a principal that runs tasks of a family, and met AGENT.
type Caller struct {
	Principal record.Principal
	Family    string
	Outcome   Outcome
	// Calls counts its calls from when the denies stood until the agents were back, MetCalls those of them
	// that were answered with AGENT, and Started the tasks that were started in time after the first.
	Calls, MetCalls, Started int
	// Extra is how many tasks more than asked for were started.
	Extra int
	// FirstAgent and LastAgent are when it met AGENT first and last. RecoveredAt is when the first
	// task after the first AGENT was started; zero: none was.
	FirstAgent, LastAgent, RecoveredAt time.Time
}
