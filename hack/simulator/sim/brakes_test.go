// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	fistypes "github.com/aws/aws-sdk-go-v2/service/fis/types"
	"github.com/aws/smithy-go"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// codeIs is an error of AWS with a code.
func codeIs(code string) types.GomegaMatcher {
	return WithTransform(func(err error) string {
		failure, _ := errors.AsType[smithy.APIError](err)
		if failure == nil {
			return fmt.Sprint(err)
		}
		return failure.ErrorCode()
	}, Equal(code))
}

func startWithAlarms(t *testing.T, change func(*world.World)) *sim.Simulator {
	t.Helper()
	w := world.Default()
	w.Alarms = []world.Alarm{{Name: "metric"}, {Name: "composite", Composite: true, State: region.AlarmInsufficientData}}
	if change != nil {
		change(w)
	}
	s, err := sim.Start(t.Context(), sim.Options{NoAgents: true, World: w})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	return s
}

func TestDescribeAlarms(t *testing.T) {
	g, s := NewWithT(t), startWithAlarms(t, nil)
	api := cloudwatch.NewFromConfig(s.Config())
	both := []cloudwatchtypes.AlarmType{cloudwatchtypes.AlarmTypeMetricAlarm, cloudwatchtypes.AlarmTypeCompositeAlarm}

	out, err := api.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.MetricAlarms).To(HaveLen(1))
	g.Expect(out.CompositeAlarms).To(BeEmpty(), "without types AWS lists metric alarms alone")
	g.Expect(out.MetricAlarms[0].AlarmArn).To(HaveValue(Equal(s.Region().ARN("cloudwatch", "alarm:metric"))))
	g.Expect(out.MetricAlarms[0].StateUpdatedTimestamp).NotTo(BeNil(), "times have their tag")

	out, err = api.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"composite", "metric", "none"}, AlarmTypes: both})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.MetricAlarms).To(ConsistOf(HaveField("StateValue", cloudwatchtypes.StateValueOk)))
	g.Expect(out.CompositeAlarms).To(ConsistOf(HaveField("StateValue", cloudwatchtypes.StateValueInsufficientData)), "one that does not exist is left out")

	_, err = api.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("composite"), StateValue: cloudwatchtypes.StateValueAlarm, StateReason: aws.String("errors")})
	g.Expect(err).NotTo(HaveOccurred())
	out, err = api.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmTypes: both, StateValue: cloudwatchtypes.StateValueAlarm})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.MetricAlarms).To(BeEmpty())
	g.Expect(out.CompositeAlarms).To(ConsistOf(And(HaveField("StateReason", HaveValue(Equal("errors"))), HaveField("AlarmName", HaveValue(Equal("composite"))))))
}

func TestAlarmsComeInPages(t *testing.T) {
	g, s := NewWithT(t), startWithAlarms(t, nil)
	api := cloudwatch.NewFromConfig(s.Config())
	for i := range 118 {
		s.Region().PutAlarm(region.Alarm{Name: fmt.Sprint("more ", i)})
	}
	seen, pages := map[string]bool{}, 0
	all := cloudwatch.NewDescribeAlarmsPaginator(api, &cloudwatch.DescribeAlarmsInput{})
	for all.HasMorePages() {
		page, err := all.NextPage(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		pages++
		for _, alarm := range page.MetricAlarms {
			seen[*alarm.AlarmName] = true
		}
	}
	g.Expect(seen).To(HaveLen(119))
	g.Expect(pages).To(Equal(3), "50 a page, unless the request says otherwise")

	for name, in := range map[string]*cloudwatch.DescribeAlarmsInput{
		"too many names":          {AlarmNames: make([]string, 101)},
		"names and a prefix":      {AlarmNames: []string{"a"}, AlarmNamePrefix: aws.String("b")},
		"too many records":        {MaxRecords: aws.Int32(101)},
		"what is not simulated":   {ChildrenOfAlarmName: aws.String("a")},
		"a state that is none":    {StateValue: "BAD"},
		"a type that there isn't": {AlarmTypes: []cloudwatchtypes.AlarmType{"OtherAlarm"}},
	} {
		_, err := api.DescribeAlarms(t.Context(), in)
		g.Expect(err).To(codeIs("ValidationError"), name)
	}
	_, err := api.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{NextToken: aws.String("x")})
	g.Expect(err).To(codeIs("InvalidNextToken"))
	_, err = api.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("none"), StateValue: "OK", StateReason: aws.String("x")})
	g.Expect(err).To(codeIs("ResourceNotFound"))
	_, err = api.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{})
	g.Expect(err).To(codeIs("UnknownOperationException"))
}

func TestSafetyLever(t *testing.T) {
	g, s := NewWithT(t), startWithAlarms(t, nil)
	api := fis.NewFromConfig(s.Config())
	lever, err := api.GetSafetyLever(t.Context(), &fis.GetSafetyLeverInput{Id: aws.String("default")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lever.SafetyLever.State.Status).To(Equal(fistypes.SafetyLeverStatusDisengaged))

	engage := &fis.UpdateSafetyLeverStateInput{Id: aws.String("default"), State: &fistypes.UpdateSafetyLeverStateInput{Status: "engaged", Reason: aws.String("freeze")}}
	_, err = api.UpdateSafetyLeverState(t.Context(), engage)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = api.UpdateSafetyLeverState(t.Context(), engage)
	g.Expect(err).To(codeIs("ConflictException"))
	lever, err = api.GetSafetyLever(t.Context(), &fis.GetSafetyLeverInput{Id: aws.String("default")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lever.SafetyLever).To(HaveValue(And(HaveField("State.Status", fistypes.SafetyLeverStatusEngaged), HaveField("State.Reason", HaveValue(Equal("freeze"))),
		HaveField("Arn", HaveValue(Equal(s.Region().ARN("fis", "safety-lever/default")))))))
	_, err = api.GetSafetyLever(t.Context(), &fis.GetSafetyLeverInput{Id: aws.String("123456789012")})
	g.Expect(err).To(codeIs("ResourceNotFoundException"))
}

func TestAlarmsAndLeverTakePermissions(t *testing.T) {
	g := NewWithT(t)
	s := startWithAlarms(t, func(w *world.World) {
		w.AccessKeys = []world.AccessKey{{ID: "AKIALOOKER", Secret: "x", Allow: []string{"cloudwatch:DescribeAlarms", "fis:GetSafetyLever"}}}
	})
	alarms, levers := cloudwatch.NewFromConfig(s.ConfigFor("AKIALOOKER")), fis.NewFromConfig(s.ConfigFor("AKIALOOKER"))
	_, err := alarms.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = alarms.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("metric"), StateValue: "OK", StateReason: aws.String("x")})
	g.Expect(err).To(codeIs("AccessDeniedException"))
	_, err = levers.UpdateSafetyLeverState(t.Context(), &fis.UpdateSafetyLeverStateInput{Id: aws.String("default"), State: &fistypes.UpdateSafetyLeverStateInput{Status: "engaged", Reason: aws.String("x")}})
	g.Expect(err).To(codeIs("AccessDeniedException"))
}
