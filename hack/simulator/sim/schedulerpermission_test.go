// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

func TestSchedulerPermissions(t *testing.T) {
	s, g, _ := startAtNoon(t, withScheduler, func(o *Options) {
		o.World.AccessKeys = []world.AccessKey{
			{ID: "AKIAONE", Secret: "x"}, {ID: "AKIATWO", Secret: "x", Allow: []string{"scheduler:*"}},
			{ID: "AKIATHREE", Secret: "x", Allow: []string{"scheduler:List*"}},
		}
	})
	ctx := t.Context()
	two := scheduler.NewFromConfig(s.ConfigFor("AKIATWO"))
	_, err := two.CreateSchedule(ctx, deletion("one", 80, noon.Add(time.Hour)))
	g.Expect(code(err)).To(Equal("AccessDeniedException"))
	g.Expect(err).To(MatchError(And(ContainSubstring("StatusCode: 403"), ContainSubstring(
		"User: arn:aws:iam::123456789012:user/AKIATWO is not authorized to perform: iam:PassRole on resource: "+switchRole))))

	_, err = scheduler.NewFromConfig(s.ConfigFor("AKIATHREE")).CreateSchedule(ctx, deletion("one", 80, noon.Add(time.Hour)))
	g.Expect(err).To(MatchError(ContainSubstring("is not authorized to perform: scheduler:CreateSchedule on resource: " + scheduleARN + "one")))
	_, err = scheduler.NewFromConfig(s.ConfigFor("AKIATHREE")).ListSchedules(ctx, &scheduler.ListSchedulesInput{})
	g.Expect(err).NotTo(HaveOccurred())
	s.Faults().Add(faults.Fault{Action: "scheduler:ListSchedules", Denied: true, Times: 1})
	_, err = two.ListSchedules(ctx, &scheduler.ListSchedulesInput{GroupName: aws.String(switchGroup)})
	g.Expect(err).To(MatchError(ContainSubstring("on resource: arn:aws:scheduler:ap-northeast-1:123456789012:schedule/*/*")), "of whatever group")

	f, err := faults.Parse("iam:PassRole denied")
	g.Expect(err).NotTo(HaveOccurred())
	remove := s.Faults().Add(f)
	g.Expect(code(arm(s, deletion("one", 80, noon.Add(time.Hour))))).To(Equal("AccessDeniedException"))
	remove()
	g.Expect(arm(s, deletion("one", 80, noon.Add(time.Hour)))).To(Succeed())
	_, err = two.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("one"), GroupName: aws.String(switchGroup)})
	g.Expect(err).NotTo(HaveOccurred(), "needs no PassRole")

	s.Faults().Add(faults.Fault{Action: "scheduler:DeleteSchedule", Denied: true})
	_, err = schedulerClient(s).DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: aws.String(switchGroup)})
	g.Expect(err).To(MatchError(ContainSubstring("scheduler:DeleteSchedule on resource: " + scheduleARN + "*")))
}

func TestFaultsOfTheScheduler(t *testing.T) {
	s, g, fake := startAtNoon(t, withScheduler)
	ctx, client := t.Context(), schedulerClient(s)
	s.Faults().Add(faults.Fault{Action: "scheduler:CreateSchedule", Error: "InternalServerException", Times: 1})
	err := arm(s, deletion("one", 80, noon.Add(time.Hour)))
	g.Expect(code(err)).To(Equal("InternalServerException"))
	g.Expect(err).To(MatchError(ContainSubstring("StatusCode: 500")))
	g.Expect(s.Region().Schedules()).To(BeEmpty())

	s.Faults().Add(faults.Fault{Action: "scheduler:CreateSchedule", ErrorAfter: "InternalServerException", Times: 1})
	g.Expect(code(arm(s, deletion("one", 80, noon.Add(time.Hour))))).To(Equal("InternalServerException"))
	g.Expect(s.Region().Schedules()).To(HaveLen(1), "the effect took place")

	s.Faults().Add(faults.Fault{Action: "scheduler:*", Throttle: &faults.Bucket{Burst: 1, PerSecond: 1}})
	g.Expect(arm(s, deletion("two", 81, noon.Add(time.Hour)))).To(Succeed())
	err = arm(s, deletion("three", 82, noon.Add(time.Hour)))
	g.Expect(code(err)).To(Equal("ThrottlingException"))
	g.Expect(err).To(MatchError(ContainSubstring("StatusCode: 429")))
	s.Faults().Clear()

	fake.SetTime(noon.Add(4 * time.Second))
	g.Expect(arm(s, deletion("three", 82, noon.Add(time.Hour)))).To(Succeed())
	f, err := faults.Parse("scheduler:DeleteSchedule error=InternalServerException Name==two GroupName==switches")
	g.Expect(err).NotTo(HaveOccurred())
	s.Faults().Add(f)
	for name, want := range map[string]string{"one": "", "two": "InternalServerException"} {
		_, err = client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String(name), GroupName: aws.String(switchGroup)})
		g.Expect(code(err)).To(Equal(want), name)
	}
	seen := func() (names []string) {
		out, err := client.ListSchedules(ctx, &scheduler.ListSchedulesInput{})
		g.Expect(err).NotTo(HaveOccurred())
		for _, n := range out.Schedules {
			names = append(names, *n.Name)
		}
		return names
	}
	g.Expect(seen()).To(Equal([]string{"three", "two"}))
	s.Faults().Add(faults.Fault{Action: "scheduler:*", Stale: faults.Duration(2 * time.Second)})
	g.Expect(seen()).To(Equal([]string{"one", "two"}))
	_, err = client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("three"), GroupName: aws.String(switchGroup)})
	g.Expect(code(err)).To(Equal("ResourceNotFoundException"))
}

// Requests as the AWS CLI writes them, and ones that are none of the API's.
func TestSchedulerPaths(t *testing.T) {
	s, g, _ := startAtNoon(t, withScheduler)
	send := func(method, path, body string) (int, string, map[string]any) {
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
		g.Expect(err).NotTo(HaveOccurred())
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.World().Keys()[0].ID+
			"/20260102/ap-northeast-1/scheduler/aws4_request, SignedHeaders=host, Signature=0")
		resp, err := http.DefaultClient.Do(r)
		g.Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		g.Expect(err).NotTo(HaveOccurred())
		var out map[string]any
		g.Expect(json.Unmarshal(text, &out)).To(Succeed(), string(text))
		g.Expect(resp.Header.Get("X-Amzn-Requestid")).NotTo(BeEmpty())
		return resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), out
	}
	status, _, out := send("POST", "/schedules/agd.1.80", `{"GroupName":"switches","ScheduleExpression":"at(2026-01-02T13:00:00)","FlexibleTimeWindow":{"Mode":"OFF"},`+
		`"ClientToken":"9f3f","Target":{"Arn":"arn:aws:scheduler:::aws-sdk:ec2:deleteNetworkAclEntry","RoleArn":"`+switchRole+`","Input":"{}"}}`)
	g.Expect(status).To(Equal(200))
	g.Expect(out).To(Equal(map[string]any{"ScheduleArn": scheduleARN + "agd.1.80"}))
	status, _, out = send("GET", "/schedules?ScheduleGroup=switches&MaxResults=100", "")
	g.Expect(status).To(Equal(200))
	g.Expect(out["Schedules"]).To(HaveLen(1))
	status, _, _ = send("DELETE", "/schedules/agd.1.80?groupName=switches&clientToken=1", "")
	g.Expect(status).To(Equal(200))

	for path, want := range map[string]string{
		"POST /schedules/x":     "ValidationException", // required members are missing
		"PUT /schedules":        "UnknownOperationException",
		"GET /schedules/a/b":    "UnknownOperationException",
		"GET /":                 "UnknownOperationException",
		"GET /schedules/a%2Fb":  "ValidationException",
		"PATCH /schedules/a":    "UnknownOperationException",
		"GET /schedules/absent": "ResourceNotFoundException",
	} {
		method, target, _ := strings.Cut(path, " ")
		_, code, _ := send(method, target, "")
		g.Expect(code).To(Equal(want), path)
	}
	_, code, _ := send("POST", "/schedules/x", `{"Description":5}`)
	g.Expect(code).To(Equal("SerializationException"))
	_, code, _ = send("POST", "/schedules/x", `[`)
	g.Expect(code).To(Equal("SerializationException"))
}
