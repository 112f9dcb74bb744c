// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const nightly = "arn:aws:iam::123456789012:role/batch/nightly"

// withPrincipals is a world whose calls are made by a user, root, a role's session and two
// services.
func withPrincipals(o *Options) {
	o.World, o.Scale = world.Default(), 1
	o.World.AccessKeys = []world.AccessKey{
		{ID: "AKIAALICE", Secret: "x", ARN: "arn:aws:iam::123456789012:user/people/alice"},
		{ID: "AKIAROOT", Secret: "x", ARN: "arn:aws:iam::123456789012:root"},
		{ID: "ASIADEPLOY", Secret: "x", Role: "arn:aws:iam::123456789012:role/deploy", Session: "build-42"},
		{ID: "ASIASTATES", Secret: "x", Role: nightly, Session: "kJQxRtPzVbWc", InvokedBy: "states.amazonaws.com"},
		{ID: "ASIAEVENTS", Secret: "x", Role: nightly, Session: "0f1e2d3c4b5a", InvokedBy: "events.amazonaws.com"},
	}
}

// trailed is the record of the one event with this access key, as JSON.
func trailed(t *testing.T, s *Simulator, accessKey string) map[string]any {
	t.Helper()
	g := NewWithT(t)
	events, err := lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyAccessKeyId, accessKey)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(HaveLen(1))
	return recordOf(g, events[0])
}

func recordOf(g *WithT, e types.Event) map[string]any {
	var record map[string]any
	g.Expect(json.Unmarshal([]byte(*e.CloudTrailEvent), &record)).To(Succeed())
	g.Expect(record["eventID"]).To(Equal(*e.EventId))
	return record
}

func TestPrincipalsInCloudTrail(t *testing.T) {
	s, g, fake := startAtNoon(t, withPrincipals)
	fake.SetTime(noon.Add(90 * time.Second))
	for _, key := range s.World().Keys() {
		_, err := ecs.NewFromConfig(s.ConfigFor(key.ID)).ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("demo")})
		g.Expect(err).NotTo(HaveOccurred())
	}
	fake.SetTime(noon.Add(time.Hour))

	alice := trailed(t, s, "AKIAALICE")
	g.Expect(alice["userIdentity"]).To(And(HaveKeyWithValue("type", "IAMUser"), HaveKeyWithValue("userName", "alice"),
		HaveKeyWithValue("arn", "arn:aws:iam::123456789012:user/people/alice"), HaveKeyWithValue("accessKeyId", "AKIAALICE"),
		HaveKeyWithValue("principalId", HavePrefix("AIDA")), Not(HaveKey("sessionContext")), Not(HaveKey("invokedBy"))))
	g.Expect(alice["userAgent"]).To(ContainSubstring("aws-sdk-go-v2"))
	g.Expect(alice["sourceIPAddress"]).To(Equal("127.0.0.1"))
	g.Expect(trailed(t, s, "AKIAROOT")["userIdentity"]).To(And(HaveKeyWithValue("type", "Root"),
		HaveKeyWithValue("principalId", "123456789012"), Not(HaveKey("userName"))))

	deploy := trailed(t, s, "ASIADEPLOY")["userIdentity"].(map[string]any)
	g.Expect(deploy).To(And(HaveKeyWithValue("type", "AssumedRole"), HaveKeyWithValue("arn", "arn:aws:sts::123456789012:assumed-role/deploy/build-42"),
		Not(HaveKey("userName")), Not(HaveKey("invokedBy"))))
	session := deploy["sessionContext"].(map[string]any)
	issuer := session["sessionIssuer"].(map[string]any)
	g.Expect(issuer).To(And(HaveKeyWithValue("type", "Role"), HaveKeyWithValue("arn", "arn:aws:iam::123456789012:role/deploy"), HaveKeyWithValue("userName", "deploy")))
	g.Expect(deploy["principalId"]).To(Equal(issuer["principalId"].(string) + ":build-42"))
	g.Expect(session["attributes"]).To(Equal(map[string]any{"creationDate": "2026-01-02T12:00:00Z", "mfaAuthenticated": "false"}), "of this hour")

	for key, service := range map[string]string{"ASIASTATES": "states.amazonaws.com", "ASIAEVENTS": "events.amazonaws.com"} {
		record := trailed(t, s, key)
		g.Expect(record["sourceIPAddress"]).To(Equal(service))
		g.Expect(record["userAgent"]).To(Equal(service))
		who := record["userIdentity"].(map[string]any)
		g.Expect(who).To(And(HaveKeyWithValue("type", "AssumedRole"), HaveKeyWithValue("invokedBy", service)))
		session := who["sessionContext"].(map[string]any)
		g.Expect(session["sessionIssuer"]).To(And(HaveKeyWithValue("arn", nightly), HaveKeyWithValue("userName", "nightly")))
		g.Expect(session["attributes"]).To(HaveKeyWithValue("creationDate", "2026-01-02T12:01:30Z"), "assumed for this call")
	}
	events, err := lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyUsername, "build-42")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(HaveLen(1), "the user name of a session is the session's")
}

func TestCallerIdentityOfASession(t *testing.T) {
	s, g := start(t, withPrincipals)
	me, err := sts.NewFromConfig(s.ConfigFor("ASIADEPLOY")).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*me.Arn).To(Equal("arn:aws:sts::123456789012:assumed-role/deploy/build-42"))
	g.Expect(*me.UserId).To(MatchRegexp(`^AROA[A-Z2-7]{17}:build-42$`))
}

// What fails as a whole is recorded with its code, and with the parameters that the caller gave.
func TestCloudTrailRecordsFailedTasks(t *testing.T) {
	s, g, fake := startAtNoon(t, withPrincipals, func(o *Options) {
		o.World.AccessKeys = append(o.World.AccessKeys, world.AccessKey{ID: "AKIADENIED", Secret: "x", Deny: []string{"ecs:*"}})
	})
	client := ecsClient(s)
	run := func(c *ecs.Client, cluster *string, definition string) error {
		_, err := c.RunTask(t.Context(), &ecs.RunTaskInput{
			Cluster: cluster, TaskDefinition: aws.String(definition), StartedBy: aws.String("test"), Group: aws.String("g"), ClientToken: aws.String("token"),
			EnableECSManagedTags: true,
		})
		return err
	}
	g.Expect(code(run(client, aws.String("nope"), "demo"))).To(Equal("ClusterNotFoundException"))
	fake.SetTime(noon.Add(time.Second))
	g.Expect(code(run(client, nil, "demo:1"))).To(Equal("ClusterNotFoundException"), "there is no cluster default")
	fake.SetTime(noon.Add(2 * time.Second))
	g.Expect(code(run(client, aws.String(demoARN), "nope:3"))).To(Equal("ClientException"))
	fake.SetTime(noon.Add(3 * time.Second))
	g.Expect(code(run(ecs.NewFromConfig(s.ConfigFor("AKIADENIED")), aws.String("demo"), "demo"))).To(Equal("AccessDeniedException"))
	fake.SetTime(noon.Add(4 * time.Second))
	_, err := client.StartTask(t.Context(), &ecs.StartTaskInput{
		Cluster: aws.String("demo"), TaskDefinition: aws.String("nope"), ContainerInstances: []string{dedicated1},
	})
	g.Expect(code(err)).To(Equal("ClientException"))
	fake.SetTime(noon.Add(time.Hour))

	events, err := lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyEventSource, "ecs.amazonaws.com")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(HaveLen(5))
	given := map[string]any{"startedBy": "test", "group": "g", "clientToken": "token", "enableECSManagedTags": true}
	with := func(more map[string]any) map[string]any {
		all := maps.Clone(given)
		maps.Copy(all, more)
		return all
	}
	for i, want := range []struct {
		name, code string
		parameters any
	}{
		{"StartTask", "ClientException", map[string]any{"cluster": "demo", "taskDefinition": "nope", "containerInstances": []any{dedicated1}}},
		{"RunTask", "AccessDenied", nil},
		{"RunTask", "ClientException", with(map[string]any{"cluster": demoARN, "taskDefinition": "nope:3"})},
		{"RunTask", "ClusterNotFoundException", with(map[string]any{"taskDefinition": "demo:1"})},
		{"RunTask", "ClusterNotFoundException", with(map[string]any{"cluster": "nope", "taskDefinition": "demo"})},
	} {
		record := recordOf(g, events[i])
		g.Expect(record).To(And(HaveKeyWithValue("eventName", want.name), HaveKeyWithValue("errorCode", want.code)))
		g.Expect(record["errorMessage"]).NotTo(BeEmpty())
		g.Expect(record).To(HaveKeyWithValue("responseElements", BeNil()))
		if want.parameters == nil {
			g.Expect(record).To(HaveKeyWithValue("requestParameters", BeNil()), want.code)
			continue
		}
		g.Expect(record["requestParameters"]).To(Equal(want.parameters))
	}
}
