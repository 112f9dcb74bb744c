// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"net/netip"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric"
)

// Kind is which of the two services a session is with.
type Kind string

const (
	// ACS is the agent communication service, which ECS's agentConnected follows.
	ACS Kind = "ACS"
	// TCS is the telemetry service.
	TCS Kind = "TCS"
)

// kinds are both, for what is done for each.
var kinds = [...]Kind{ACS, TCS}

// Endpoints is what DiscoverPollEndpoint answers.
type Endpoints struct {
	// ACS is "endpoint", such as "https://ecs-a-4.ap-northeast-1.amazonaws.com/".
	ACS string
	// TCS is "telemetryEndpoint".
	TCS string
}

// Task is what ACS tells an agent of a task.
type Task struct {
	ARN     string `json:"arn"`
	Family  string `json:"family"`
	Version string `json:"version"`
	// DesiredStatus is RUNNING or STOPPED.
	DesiredStatus string `json:"desiredStatus"`
	// Containers are what the task consists of. The simulated agents don't look at them.
	Containers []Container `json:"containers"`
}

// told is what tells one message about a task from another.
type told struct{ arn, desiredStatus string }

func (t Task) told() told { return told{t.ARN, t.DesiredStatus} }

// Container is what ACS tells an agent of a container.
type Container struct {
	Name        string            `json:"name"`
	Image       string            `json:"image"`
	CPU         int               `json:"cpu"`
	Memory      int               `json:"memory"`
	Essential   bool              `json:"essential"`
	Command     []string          `json:"command,omitempty"`
	EntryPoint  []string          `json:"entryPoint,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	Ports       []PortMapping     `json:"portMappings,omitempty"`
}

// PortMapping is a port of a container and of its host.
type PortMapping struct {
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	Protocol      string `json:"protocol,omitempty"`
}

// Options of an Agent. Cluster, ContainerInstanceARN, Host, Fabric, Discover and Resolve are required.
type Options struct {
	// Cluster is the name or ARN that the agent is configured with.
	Cluster              string
	ContainerInstanceARN string
	// Host is the container instance: its subnet, its private address and its IPv6 address if it has one.
	Host   fabric.Host
	Fabric *fabric.Fabric
	// Discover calls DiscoverPollEndpoint of the ECS API, which is none of the hosts that the agent then connects to.
	Discover func(ctx context.Context) (Endpoints, error)
	// Resolve looks a host up once, as the instance's resolver does. A network ACL doesn't act on it.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Tasks are those on the instance; nil: none yet, and an agent of its own has them.
	Tasks *Tasks
	// Report, when set, calls SubmitTaskStateChange of the ECS API, for a task that is RUNNING or
	// STOPPED.
	Report func(taskARN, status string) error
	// Scale divides every time, 1 when zero.
	Scale float64
	// Seed of the jitter.
	Seed uint64
}

// ControlPlaneOptions of a ControlPlane. Fabric is required.
type ControlPlaneOptions struct {
	Fabric *fabric.Fabric
	// OnSession, when set, is told when the first session of a kind of a container instance has come up, and when
	// its last has gone. Calls come one at a time, in order; it must not call the ControlPlane.
	OnSession func(kind Kind, containerInstanceARN string, up bool)
	// Payloads, when set, are the tasks whose desired status the agent of a container instance has
	// not acknowledged, and Acknowledged, set with it, is told of those that it then acknowledges.
	// Neither must call the ControlPlane.
	Payloads     func(containerInstanceARN string) []Task
	Acknowledged func(tasks []Task)
	// Scale divides every time, 1 when zero.
	Scale float64
	// Seed of the heartbeats' phase.
	Seed uint64

	// listen opens a service's listener, on loopback when nil; tests have one without sockets.
	listen listenFunc
}
