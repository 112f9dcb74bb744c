// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// reportable are what an agent calls the status of a task or a container.
var reportable = []string{region.StatusPending, region.StatusRunning, region.StatusStopped}

// acknowledgment is the answer to all reports.
type acknowledgment struct {
	Text string `json:"acknowledgment"`
}

type attachmentChange struct {
	ARN    string `json:"attachmentArn"`
	Status string `json:"status"`
}

type containerChange struct {
	Name     string `json:"containerName"`
	Digest   string `json:"imageDigest"`
	Runtime  string `json:"runtimeId"`
	ExitCode *int   `json:"exitCode"`
	Bindings []any  `json:"networkBindings"`
	Reason   string `json:"reason"`
	Status   string `json:"status"`
}

func (c containerChange) change() region.ContainerChange {
	return region.ContainerChange{Name: c.Name, Report: region.ContainerReport{
		Status: c.Status, RuntimeID: c.Runtime, ImageDigest: c.Digest, Reason: c.Reason, ExitCode: c.ExitCode, NetworkBindings: c.Bindings,
	}}
}

type taskChange struct {
	Cluster     string             `json:"cluster"`
	Task        string             `json:"task"`
	Status      string             `json:"status"`
	Reason      string             `json:"reason"`
	Containers  []containerChange  `json:"containers"`
	Attachments []attachmentChange `json:"attachments"`
	Agents      []struct {
		Container string `json:"containerName"`
		Name      string `json:"managedAgentName"`
		Status    string `json:"status"`
	} `json:"managedAgents"`
	PullStarted epoch `json:"pullStartedAt"`
	PullStopped epoch `json:"pullStoppedAt"`
	Stopped     epoch `json:"executionStoppedAt"`
}

func submitTaskStateChange(req *operation.Request, in taskChange) (string, func() (any, error), error) {
	if err := in.check(); err != nil {
		return "", nil, err
	}
	change := region.TaskChange{
		Status: in.Status, Reason: in.Reason,
		PullStartedAt: in.PullStarted.time(), PullStoppedAt: in.PullStopped.time(), ExecutionStoppedAt: in.Stopped.time(),
	}
	for _, c := range in.Containers {
		change.Containers = append(change.Containers, c.change())
	}
	return req.View().ClusterARN(in.Cluster), func() (any, error) {
		return acknowledgment{"ACK"}, req.Region.SubmitTaskStateChange(in.Cluster, in.Task, change)
	}, nil
}

// check refuses what no state of the Region could make right. A report is of the task, or of attachments alone.
func (in taskChange) check() error {
	for _, a := range in.Agents {
		if a.Container == "" || a.Name != "ExecuteCommandAgent" || a.Status == "" {
			return invalid("Invalid managed agent: name %q, container %q, status %q", a.Name, a.Container, a.Status)
		}
	}
	for _, c := range in.Containers {
		if c.Status != "" && !slices.Contains(reportable, c.Status) {
			return invalid("Invalid status of the container %s: %q", c.Name, c.Status)
		}
	}
	switch {
	case in.Task == "":
		return invalid("Task identifier cannot be empty.")
	case len(in.Attachments) > 0:
		return checkAttachments(in.Attachments)
	case !slices.Contains(reportable, in.Status):
		return invalid("Invalid status: %q", in.Status)
	}
	return nil
}

// checkAttachments refuses all: tasks have no attachments here.
func checkAttachments(attachments []attachmentChange) error {
	if len(attachments) == 0 {
		return invalid("Attachments cannot be empty.")
	}
	for _, a := range attachments {
		if a.ARN == "" || a.Status == "" {
			return invalid("Attachment ARN and status cannot be empty.")
		}
	}
	return invalid("The attachment %s was not found.", attachments[0].ARN)
}

func submitContainerStateChange(req *operation.Request, in struct {
	Cluster string `json:"cluster"`
	Task    string `json:"task"`
	containerChange
}) (string, func() (any, error), error) {
	if in.Task == "" || in.Name == "" || !slices.Contains(reportable, in.Status) {
		return "", nil, region.Errorf("ClientException", "Invalid report: task %q, container %q, status %q", in.Task, in.Name, in.Status)
	}
	return req.View().ClusterARN(in.Cluster), func() (any, error) {
		err := req.Region.SubmitTaskStateChange(in.Cluster, in.Task, region.TaskChange{Containers: []region.ContainerChange{in.change()}})
		// The service model has no InvalidParameterException for this action.
		if e, ok := errors.AsType[*region.Error](err); ok {
			err = region.Errorf("ClientException", "%s", e.Message)
		}
		return acknowledgment{"ACK"}, err
	}, nil
}

func submitAttachmentStateChanges(req *operation.Request, in struct {
	Cluster     string             `json:"cluster"`
	Attachments []attachmentChange `json:"attachments"`
}) (string, func() (any, error), error) {
	return req.View().ClusterARN(in.Cluster), nil, checkAttachments(in.Attachments)
}

// time is the time that a number of seconds stands for; zero: none.
func (e epoch) time() time.Time {
	if e == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(float64(e) * 1000))
}
