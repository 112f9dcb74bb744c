// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	. "github.com/onsi/gomega"
)

func lookup(t *testing.T, s *Simulator, in cloudtrail.LookupEventsInput) ([]types.Event, error) {
	t.Helper()
	client := cloudtrail.NewFromConfig(s.Config(), func(o *cloudtrail.Options) { o.RetryMaxAttempts = 1 })
	var all []types.Event
	pages := cloudtrail.NewLookupEventsPaginator(client, &in)
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		if err != nil {
			return nil, err
		}
		all = append(all, p.Events...)
	}
	return all, nil
}

func by(key types.LookupAttributeKey, value string) []types.LookupAttribute {
	return []types.LookupAttribute{{AttributeKey: key, AttributeValue: aws.String(value)}}
}

func TestCloudTrailRecordsRunTask(t *testing.T) {
	s, g := start(t, func(o *Options) { o.Scale = 3000 }) // five minutes are 100 ms
	s.Region().SetAgentConnected(dedicated1, false)
	s.Region().SetAgentConnected(dedicated2, false)
	_, err := ecsClient(s).RunTask(t.Context(), &ecs.RunTaskInput{
		Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), PlacementConstraints: inSubnet(dedicated),
	})
	g.Expect(err).NotTo(HaveOccurred())
	find := func() []types.Event {
		events, err := lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyEventName, "RunTask")})
		g.Expect(err).NotTo(HaveOccurred())
		return events
	}
	g.Expect(find()).To(BeEmpty(), "events come late")
	g.Eventually(find).Should(HaveLen(1))
	e := find()[0]
	g.Expect(*e.EventSource).To(Equal("ecs.amazonaws.com"))
	g.Expect(*e.ReadOnly).To(Equal("false"))
	g.Expect(*e.Username).To(Equal("operator"))
	g.Expect(*e.EventTime).To(BeTemporally("~", time.Now(), time.Hour))
	var record struct {
		EventName         string
		AwsRegion         string
		UserAgent         string
		ReadOnly          bool
		UserIdentity      struct{ Arn string }
		RequestParameters struct{ Cluster string }
		ResponseElements  struct {
			Tasks    []any
			Failures []struct{ Arn, Reason string }
		}
		RecipientAccountID string `json:"recipientAccountId"`
	}
	g.Expect(json.Unmarshal([]byte(*e.CloudTrailEvent), &record)).To(Succeed())
	g.Expect(record.AwsRegion).To(Equal("ap-northeast-1"))
	g.Expect(record.UserIdentity.Arn).To(Equal("arn:aws:iam::123456789012:user/operator"))
	g.Expect(record.UserAgent).To(ContainSubstring("aws-sdk-go-v2"))
	g.Expect(record.RequestParameters.Cluster).To(Equal("demo"))
	g.Expect(record.ResponseElements.Tasks).To(BeEmpty())
	g.Expect(record.ResponseElements.Failures[0].Reason).To(Equal("AGENT"))
	g.Expect(record.ResponseElements.Failures[0].Arn).To(Equal(dedicated1))
	g.Expect(record.RecipientAccountID).To(Equal("123456789012"))
}

func TestLookupEvents(t *testing.T) {
	s, g := start(t, func(o *Options) { o.Scale = 1e9 })
	for n := range int32(60) {
		in := deny(1+n, "52.119.223.69/32")
		in.DryRun = aws.Bool(true)
		g.Expect(code(create(s, in))).To(Equal("DryRunOperation"))
	}
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	_, err := ec2Client(s).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	g.Expect(err).NotTo(HaveOccurred())

	events, err := lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyReadOnly, "false")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(HaveLen(61))
	var newest, older map[string]any
	g.Expect(json.Unmarshal([]byte(*events[0].CloudTrailEvent), &newest)).To(Succeed())
	g.Expect(newest["requestParameters"]).To(HaveKeyWithValue("cidrBlock", "52.119.223.69/32"))
	g.Expect(newest["responseElements"]).To(HaveKeyWithValue("_return", true))
	g.Expect(json.Unmarshal([]byte(*events[1].CloudTrailEvent), &older)).To(Succeed())
	g.Expect(older["errorCode"]).To(Equal("Client.DryRunOperation"))
	g.Expect(older["responseElements"]).To(BeNil())

	of, err := lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyResourceName, dedicatedACL)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(of).To(HaveLen(61))

	client := cloudtrail.NewFromConfig(s.Config())
	page, err := client.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{LookupAttributes: by(types.LookupAttributeKeyEventSource, "ec2.amazonaws.com")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.Events).To(HaveLen(50))
	g.Expect(page.NextToken).NotTo(BeNil())

	_, err = lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: append(
		by(types.LookupAttributeKeyEventName, "RunTask"), by(types.LookupAttributeKeyReadOnly, "true")...)})
	g.Expect(code(err)).To(Equal("InvalidLookupAttributesException"))
	_, err = lookup(t, s, cloudtrail.LookupEventsInput{MaxResults: aws.Int32(51)})
	g.Expect(code(err)).To(Equal("InvalidMaxResultsException"))
	_, err = lookup(t, s, cloudtrail.LookupEventsInput{StartTime: aws.Time(time.Now()), EndTime: aws.Time(time.Now().Add(-time.Hour))})
	g.Expect(code(err)).To(Equal("InvalidTimeRangeException"))
	events, err = lookup(t, s, cloudtrail.LookupEventsInput{EndTime: aws.Time(time.Now().Add(-time.Hour))})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(BeEmpty())
}

func TestGetCallerIdentity(t *testing.T) {
	s, g := start(t)
	out, err := sts.NewFromConfig(s.Config()).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Account).To(Equal("123456789012"))
	g.Expect(*out.Arn).To(Equal("arn:aws:iam::123456789012:user/operator"))
	_, err = sts.NewFromConfig(s.ConfigFor("AKIANOBODY")).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	g.Expect(code(err)).To(Equal("InvalidClientTokenId"))
	_, err = sts.NewFromConfig(s.Config()).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	g.Expect(code(err)).To(Equal("InvalidAction"))
}
