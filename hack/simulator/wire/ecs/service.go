// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// Service is ECS.
func Service() operation.Service {
	return operation.Service{
		Name: "ecs", Source: "ecs.amazonaws.com", Asks: asks,
		Operations: map[string]operation.Operation{
			"DescribeClusters":           read(describeClusters),
			"ListClusters":               read(listClusters),
			"DescribeCapacityProviders":  read(describeCapacityProviders),
			"ListContainerInstances":     read(listContainerInstances),
			"DescribeContainerInstances": read(describeContainerInstances),
			"DiscoverPollEndpoint":       read(discoverPollEndpoint),
			"ListTasks":                  read(listTasks),
			"DescribeTasks":              read(describeTasks),
			"DescribeTaskDefinition":     read(describeTaskDefinition),
			"DeregisterTaskDefinition":   write(deregisterTaskDefinition),
			"RegisterTaskDefinition":     passingRoles(write(registerTaskDefinition)),
			"RunTask":                    passingRoles(write(runTask)),
			"StartTask":                  passingRoles(write(startTask)),
			"StopTask":                   write(stopTask),

			// What agents call.
			"RegisterContainerInstance":    tagging(write(registerContainerInstance)),
			"DeregisterContainerInstance":  write(deregisterContainerInstance),
			"SubmitTaskStateChange":        write(submitTaskStateChange),
			"SubmitContainerStateChange":   write(submitContainerStateChange),
			"SubmitAttachmentStateChanges": write(submitAttachmentStateChanges),
		},
	}
}

// handler checks an input and returns what to do, with the ARN that the permission is about.
type handler[In any] func(req *operation.Request, in In) (resource string, run func() (any, error), err error)

func read[In any](h handler[In]) operation.Operation {
	return operation.Operation{ReadOnly: true, Prepare: prepare(h)}
}

func write[In any](h handler[In]) operation.Operation {
	return operation.Operation{Prepare: prepare(h)}
}

func prepare[In any](h handler[In]) func(*operation.Request) (operation.Effect, error) {
	return func(req *operation.Request) (operation.Effect, error) {
		var in In
		if err := operation.Decode(req.Body, &in); err != nil {
			return operation.Effect{}, err
		}
		resource, run, err := h(req, in)
		return operation.Effect{Resource: resource, Trail: req.Call.Params, Run: run}, err
	}
}

func invalid(format string, args ...any) error {
	return region.Errorf("InvalidParameterException", format, args...)
}

// epoch is a time in seconds, as JSON 1.1 has it. The zero time is left out.
type epoch float64

func at(t time.Time) epoch {
	if t.IsZero() {
		return 0
	}
	return epoch(float64(t.UnixMilli()) / 1000)
}

type keyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func toTags(tags map[string]string) []keyValue {
	out := make([]keyValue, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, keyValue{k, tags[k]})
	}
	return out
}

func fromTags(tags []keyValue) map[string]string {
	out := map[string]string{}
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}

type failure struct {
	ARN    string `json:"arn,omitempty"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

func toFailures(failures []region.Failure) []failure {
	out := make([]failure, 0, len(failures))
	for _, f := range failures {
		out = append(out, failure(f))
	}
	return out
}

// page cuts a sorted list of ARNs: up to 100 at a time, continued by an opaque token.
func page(arns []string, token string, maxResults *int) (out []string, next *string, err error) {
	return pageUpTo(100, arns, token, maxResults)
}

func pageUpTo(size int, arns []string, token string, maxResults *int) (out []string, next *string, err error) {
	if maxResults != nil {
		if *maxResults < 1 || *maxResults > size {
			return nil, nil, invalid("Value for maxResults must be between 1 and %d", size)
		}
		size = *maxResults
	}
	after := ""
	if token != "" {
		text, err := base64.StdEncoding.DecodeString(token)
		var ok bool
		if after, ok = strings.CutPrefix(string(text), "after:"); err != nil || !ok {
			return nil, nil, invalid("Invalid token")
		}
	}
	out = []string{}
	for _, arn := range arns {
		if after != "" && arn <= after {
			continue
		}
		if len(out) == size {
			t := base64.StdEncoding.EncodeToString([]byte("after:" + out[len(out)-1]))
			return out, &t, nil
		}
		out = append(out, arn)
	}
	return out, nil, nil
}
