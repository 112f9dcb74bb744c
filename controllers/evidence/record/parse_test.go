// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

// withAgent is a record as CloudTrail writes it: a caller met AGENT.
const withAgent = `{
  "eventVersion": "1.11",
  "userIdentity": {
    "type": "AssumedRole",
    "principalId": "AROAIDPPEZS35WEXAMPLE:nightly-42",
    "arn": "arn:aws:sts::123456789012:assumed-role/batch/nightly-42",
    "accountId": "123456789012",
    "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
    "sessionContext": {
      "sessionIssuer": {"type": "Role", "principalId": "AROAIDPPEZS35WEXAMPLE", "arn": "arn:aws:iam::123456789012:role/jobs/batch", "accountId": "123456789012", "userName": "batch"},
      "attributes": {"creationDate": "2026-11-30T01:00:00Z", "mfaAuthenticated": "false"}
    }
  },
  "eventTime": "2026-11-30T01:02:03Z",
  "eventSource": "ecs.amazonaws.com",
  "eventName": "RunTask",
  "awsRegion": "ap-northeast-1",
  "sourceIPAddress": "198.51.100.10",
  "userAgent": "Boto3/1.40.0",
  "requestParameters": {"cluster": "demo", "taskDefinition": "report:7", "count": 2, "startedBy": "airflow", "group": "nightly", "clientToken": "t-1", "launchType": "EC2"},
  "responseElements": {
    "tasks": [{"taskArn": "arn:aws:ecs:ap-northeast-1:123456789012:task/demo/1", "containerInstanceArn": "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/a",
      "taskDefinitionArn": "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/report:7", "createdAt": "Nov 30, 2026, 1:02:03 AM"}],
    "failures": [{"arn": "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/b", "reason": "AGENT"}]
  },
  "requestID": "ddf5140f-4b1c-4c8d-9d0e-0123456789ab",
  "eventID": "7116c6a1-4b1c-4c8d-9d0e-0123456789ab",
  "readOnly": false,
  "eventType": "AwsApiCall",
  "managementEvent": true,
  "recipientAccountId": "123456789012",
  "eventCategory": "Management"
}`

func TestParse(t *testing.T) {
	g := NewWithT(t)
	call, err := record.Parse(withAgent)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(call).To(Equal(record.Call{
		EventID: "7116c6a1-4b1c-4c8d-9d0e-0123456789ab", Time: time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC),
		Principal: record.Principal{ARN: "arn:aws:iam::123456789012:role/jobs/batch"},
		Cluster:   "demo", Family: "report", Count: 2, StartedBy: "airflow", Group: "nightly", ClientToken: "t-1",
		Tasks: []record.Task{{
			ARN:               "arn:aws:ecs:ap-northeast-1:123456789012:task/demo/1",
			ContainerInstance: "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/a",
		}},
		Failures: []record.Failure{{ARN: "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/b", Reason: "AGENT"}},
	}))
}

// event is a record with some members of its own.
func event(name, identity, request, rest string) string {
	return fmt.Sprintf(`{"eventID":"e","eventTime":"2026-11-30T01:02:03Z","eventSource":"ecs.amazonaws.com","eventName":%q,"userIdentity":%s,"requestParameters":%s,%s}`,
		name, identity, request, rest)
}

const (
	user     = `{"type":"IAMUser","arn":"arn:aws:iam::123456789012:user/alice"}`
	answered = `"responseElements":{"tasks":[],"failures":[]}`
)

func TestPrincipals(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/flow"
	for name, tc := range map[string]struct {
		identity string
		want     record.Principal
	}{
		"an IAM user": {user, record.Principal{ARN: "arn:aws:iam::123456789012:user/alice"}},
		"an IAM user with a session of the console": {
			`{"type":"IAMUser","arn":"arn:aws:iam::123456789012:user/alice","sessionContext":{"sessionIssuer":{},"attributes":{}},"invokedBy":""}`,
			record.Principal{ARN: "arn:aws:iam::123456789012:user/alice"},
		},
		"root": {`{"type":"Root","principalId":"123456789012","arn":"arn:aws:iam::123456789012:root"}`, record.Principal{ARN: "arn:aws:iam::123456789012:root"}},
		"a role": {
			`{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/flow/one","sessionContext":{"sessionIssuer":{"arn":"` + role + `"}}}`,
			record.Principal{ARN: role},
		},
		"a role without its issuer": {
			`{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/flow/one"}`,
			record.Principal{ARN: "arn:aws:sts::123456789012:assumed-role/flow"},
		},
		"a service with a role": {
			`{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/flow/one","sessionContext":{"sessionIssuer":{"arn":"` + role + `"}},"invokedBy":"states.amazonaws.com"}`,
			record.Principal{ARN: role, Service: "states.amazonaws.com"},
		},
		"a service":                {`{"type":"AWSService","invokedBy":"events.amazonaws.com"}`, record.Principal{Service: "events.amazonaws.com"}},
		"an account":               {`{"type":"AWSAccount","principalId":"AIDA:session","accountId":"210987654321"}`, record.Principal{ARN: "AWSAccount AIDA"}},
		"an account without an id": {`{"type":"AWSAccount","accountId":"210987654321"}`, record.Principal{ARN: "AWSAccount 210987654321"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			call, err := record.Parse(event("RunTask", tc.identity, `{"taskDefinition":"f"}`, answered))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(call.Principal).To(Equal(tc.want))
		})
	}
	g := NewWithT(t)
	g.Expect(record.Principal{ARN: "role"}.String()).To(Equal("role"))
	g.Expect(record.Principal{Service: "service"}.String()).To(Equal("service"))
	g.Expect(record.Principal{ARN: "role", Service: "service"}.String()).To(Equal("service with role"))
}

func TestFamilies(t *testing.T) {
	for definition, family := range map[string]string{
		"report": "report", "report:7": "report", "": "",
		"arn:aws:ecs:ap-northeast-1:123456789012:task-definition/report:7":     "report",
		"arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/report_2-x:12": "report_2-x",
	} {
		g := NewWithT(t)
		call, err := record.Parse(event("RunTask", user, fmt.Sprintf(`{"taskDefinition":%q}`, definition), answered))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(call.Family).To(Equal(family))
	}
}

func TestHowManyTasksACallAskedFor(t *testing.T) {
	for _, tc := range []struct {
		name, request string
		count         int
	}{
		{"RunTask", `{"taskDefinition":"f"}`, 1},
		{"RunTask", `{"taskDefinition":"f","count":3}`, 3},
		{"StartTask", `{"taskDefinition":"f","containerInstances":["a","b"]}`, 2},
	} {
		g := NewWithT(t)
		call, err := record.Parse(event(tc.name, user, tc.request, answered))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(call.Count).To(Equal(tc.count))
	}
}

func TestCallsThatFailedAsAWhole(t *testing.T) {
	g := NewWithT(t)
	call, err := record.Parse(event("RunTask", user, `{"cluster":"demo","taskDefinition":"f"}`, `"responseElements":null,"errorCode":"ClusterNotFoundException"`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(call.ErrorCode).To(Equal("ClusterNotFoundException"))
	g.Expect(call.Withheld).To(BeFalse())

	call, err = record.Parse(event("RunTask", user, `null`, `"errorCode":"AccessDenied"`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(call.Withheld).To(BeTrue(), "that is no call on the cluster called default")
}

func TestWhatCannotBeUnderstood(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":                        `{"eventID":`,
		"nothing":                        ``,
		"no identity":                    event("RunTask", `{}`, `{}`, answered),
		"neither an answer nor an error": event("RunTask", user, `{}`, `"responseElements":null`),
		"parameters that were left out":  event("RunTask", user, `{"omitted":true,"originalSize":110000}`, answered),
		"an answer that was left out":    event("RunTask", user, `{}`, `"responseElements":{"omitted":true}`),
		"parameters of another type":     event("RunTask", user, `{"count":"many"}`, answered),
		"an answer of another type":      event("RunTask", user, `{}`, `"responseElements":{"tasks":"many"}`),
		"no id":                          strings.Replace(withAgent, "eventID", "eventIdentity", 1),
		"no time":                        strings.Replace(withAgent, "eventTime", "eventHour", 1),
		"a time in another form":         strings.Replace(withAgent, "2026-11-30T01:02:03Z", "yesterday", 1),
	} {
		_, err := record.Parse(text)
		g := NewWithT(t)
		g.Expect(err).To(HaveOccurred(), name)
		g.Expect(err).NotTo(MatchError(record.ErrForeign), name)
	}
	for _, foreign := range []string{`{}`, strings.Replace(withAgent, "ecs.", "batch.", 1), strings.Replace(withAgent, `"RunTask"`, `"StopTask"`, 1)} {
		_, err := record.Parse(foreign)
		NewWithT(t).Expect(err).To(MatchError(record.ErrForeign))
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("é", 100_000)
	failures := strings.Repeat(`{"arn":"`+long[:2000]+`","reason":"AGENT"},`, 99) + `{}`
	call, err := record.Parse(event("RunTask", user, `{"cluster":"`+long+`","startedBy":"`+long+`"}`, `"responseElements":{"failures":[`+failures+`]},"errorCode":"`+long+`"`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(call.Failures).To(HaveLen(32))
	for _, text := range []string{call.Cluster, call.StartedBy, call.ErrorCode, call.Failures[0].ARN} {
		g.Expect(text).To(HaveLen(1024))
		g.Expect(strings.ToValidUTF8(text, "")).To(Equal(text))
	}
	g.Expect(call.Time.Nanosecond()).To(BeZero())
}
