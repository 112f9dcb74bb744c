// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

// FuzzParse holds that any text gives either an error or a bounded value with an id, a time in
// whole seconds and a principal, and the same each time.
func FuzzParse(f *testing.F) {
	f.Add(withAgent)
	f.Add(event("StartTask", user, `{"containerInstances":["a"]}`, answered))
	f.Add(event("RunTask", `{"type":"AWSService","invokedBy":"events.amazonaws.com"}`, `null`, `"errorCode":"AccessDenied"`))
	f.Add(event("RunTask", user, `{"omitted":true}`, answered))
	f.Add(`{"eventSource":"ecs.amazonaws.com","eventName":"RunTask","eventTime":"9999-12-31T23:59:59.999+23:59"}`)
	f.Fuzz(func(t *testing.T, text string) {
		call, err := record.Parse(text)
		if err != nil {
			if call.EventID != "" || errors.Is(err, record.ErrForeign) && strings.TrimSpace(text) == "" {
				t.Fatalf("a value beside %v, or an empty text that is an event", err)
			}
			return
		}

		if call.EventID == "" || call.Principal == (record.Principal{}) || !call.Time.Equal(call.Time.Truncate(time.Second)) || call.Time.Location() != time.UTC {
			t.Fatalf("incomplete: %+v", call)
		}
		texts := []string{call.EventID, call.Principal.ARN, call.Principal.Service, call.Cluster, call.Family, call.StartedBy, call.Group, call.ClientToken, call.ErrorCode}
		for _, task := range call.Tasks {
			texts = append(texts, task.ARN, task.ContainerInstance)
		}
		for _, failure := range call.Failures {
			texts = append(texts, failure.ARN, failure.Reason)
		}
		for _, each := range texts {
			if len(each) > 1024 || strings.ToValidUTF8(each, "") != each {
				t.Fatalf("%d bytes, or not UTF-8: %.40q", len(each), each)
			}
		}
		if len(call.Tasks) > 32 || len(call.Failures) > 32 || strings.ContainsAny(call.Family, ":") {
			t.Fatalf("unbounded: %+v", call)
		}
	})
}
