// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"
)

// tasksInMessage is how many tasks the metrics of one message are of, at most.
const tasksInMessage = 10

// endOfHeaders comes between the signed lines and the JSON of a message to TCS.
var endOfHeaders = []byte("\r\n\r\n")

// metrics are the messages that the agent sends of its instance at a time. One without tasks is idle.
func (o *Options) metrics(at time.Time) []publishMetrics {
	metadata := metricsMetadata{Cluster: o.Cluster, ContainerInstance: o.ContainerInstanceARN, MessageID: rand.Text()}
	var messages []publishMetrics
	for tasks := range slices.Chunk(o.Tasks.running(at), tasksInMessage) {
		messages = append(messages, publishMetrics{Metadata: metadata, Tasks: tasks, Timestamp: at.Unix()})
	}
	if len(messages) == 0 {
		metadata.Idle = true
		messages = []publishMetrics{{Metadata: metadata, Timestamp: at.Unix()}}
	}
	messages[len(messages)-1].Metadata.Fin = true
	return messages
}

// signed puts the lines of a signed request to a host before a message, as the agent does towards TCS. The signature is made up.
func (o *Options) signed(host string, message []byte) []byte {
	at := time.Now().UTC()
	region := "us-east-1"
	if parts := strings.Split(o.ContainerInstanceARN, ":"); len(parts) > 3 {
		region = parts[3]
	}
	header := http.Header{}
	header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=ASIASIMULATED/"+at.Format("20060102")+"/"+region+
		"/ecs/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
	header.Set("Host", host)
	header.Set("X-Amz-Date", at.Format("20060102T150405Z"))
	var frame bytes.Buffer
	_ = header.Write(&frame) // a buffer takes all
	frame.WriteString("\r\n")
	frame.Write(message)
	return frame.Bytes()
}
