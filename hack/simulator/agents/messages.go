// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Types of the messages on the wire.
const (
	typeHeartbeat      = "HeartbeatMessage"
	typeHeartbeatAck   = "HeartbeatAckRequest"
	typePublishMetrics = "PublishMetricsRequest"
	typeMetricsAck     = "AckPublishMetric"
	typePayload        = "PayloadMessage"
	typePayloadAck     = "AckRequest"
)

// envelope is the form of every message: a text frame of JSON.
type envelope struct {
	Type    string          `json:"type"`
	Message json.RawMessage `json:"message"`
}

type heartbeat struct {
	Healthy   bool   `json:"healthy"`
	MessageID string `json:"messageId,omitempty"`
}

type heartbeatAck struct {
	MessageID string `json:"messageId"`
}

// payload tells an agent of tasks, each with the status that it is to have.
type payload struct {
	MessageID            string `json:"messageId"`
	ClusterARN           string `json:"clusterArn"`
	ContainerInstanceARN string `json:"containerInstanceArn"`
	Tasks                []Task `json:"tasks"`
}

type payloadAck struct {
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	MessageID         string `json:"messageId"`
}

type publishMetrics struct {
	Metadata  metricsMetadata `json:"metadata"`
	Tasks     []taskMetric    `json:"taskMetrics,omitempty"`
	Timestamp int64           `json:"timestamp"`
}

// taskMetric is of a task that runs. What its containers use is left out.
type taskMetric struct {
	ARN     string `json:"taskArn"`
	Family  string `json:"taskDefinitionFamily"`
	Version string `json:"taskDefinitionVersion"`
}

type metricsMetadata struct {
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	Idle              bool   `json:"idle"`
	MessageID         string `json:"messageId"`
	Fin               bool   `json:"fin"`
}

type metricsAck struct {
	Message string `json:"message"`
}

func encode(typ string, message any) []byte {
	inner, err := json.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("encoding %s: %v", typ, err)) // only the structs above are encoded
	}
	frame, err := json.Marshal(envelope{Type: typ, Message: inner})
	if err != nil {
		panic(fmt.Sprintf("encoding %s: %v", typ, err))
	}
	return frame
}

// decode reads a frame, in which signed lines may come first; its message is for the caller to read according to its type.
func decode(frame []byte) (envelope, error) {
	if _, after, isSigned := bytes.Cut(frame, endOfHeaders); isSigned {
		frame = after
	}
	var e envelope
	if err := json.Unmarshal(frame, &e); err != nil {
		return envelope{}, err
	}
	return e, nil
}
