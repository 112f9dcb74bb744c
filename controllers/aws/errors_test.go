// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/smithy-go"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		code   string
		status int
		want   aws.Class
		// of is the service that has the code; empty: EC2.
		of service
	}{
		{code: "RequestLimitExceeded", status: 503, want: aws.Throttled},
		{code: "Throttling", status: 400, want: aws.Throttled},
		{code: "ThrottlingException", status: 400, want: aws.Throttled, of: ofECS},
		{code: "TooManyRequestsException", status: 429, want: aws.Throttled, of: ofECS},
		{code: "SomethingAboutTheRate", status: 429, want: aws.Throttled, of: ofECS},
		{code: "Throttling", status: 400, want: aws.Throttled, of: ofSTS},

		{code: "TooManyRequestsException", status: 400, want: aws.Throttled, of: ofServiceQuotas},

		{code: "UnauthorizedOperation", status: 403, want: aws.Denied},
		{code: "AccessDeniedException", status: 400, want: aws.Denied, of: ofECS},
		{code: "AccessDenied", status: 403, want: aws.Denied, of: ofSTS},
		{code: "AccessDeniedException", status: 400, want: aws.Denied, of: ofServiceQuotas},
		{code: "OptInRequired", status: 403, want: aws.Denied},

		{code: "AuthFailure", status: 401, want: aws.NoCredentials},
		{code: "RequestExpired", status: 400, want: aws.NoCredentials},
		{code: "MissingAuthenticationToken", status: 403, want: aws.NoCredentials},
		{code: "UnrecognizedClientException", status: 400, want: aws.NoCredentials, of: ofECS},
		{code: "ExpiredTokenException", status: 400, want: aws.NoCredentials, of: ofECS},
		{code: "InvalidSignatureException", status: 400, want: aws.NoCredentials, of: ofECS},
		{code: "InvalidClientTokenId", status: 403, want: aws.NoCredentials, of: ofSTS},
		{code: "ExpiredToken", status: 403, want: aws.NoCredentials, of: ofSTS},
		{code: "SignatureDoesNotMatch", status: 403, want: aws.NoCredentials, of: ofSTS},

		{code: "InvalidNetworkAclEntry.NotFound", status: 400, want: aws.NotFound},
		{code: "InvalidNetworkAclID.NotFound", status: 400, want: aws.NotFound},
		{code: "InvalidSubnetID.NotFound", status: 400, want: aws.NotFound},
		{code: "InvalidAssociationID.NotFound", status: 400, want: aws.NotFound},
		{code: "InvalidVpcID.NotFound", status: 400, want: aws.NotFound},
		{code: "InvalidNetworkInterfaceID.NotFound", status: 400, want: aws.NotFound},
		{code: "InvalidID", status: 400, want: aws.NotFound},
		{code: "ClusterNotFoundException", status: 400, want: aws.NotFound, of: ofECS},
		{code: "NoSuchResourceException", status: 400, want: aws.NotFound, of: ofServiceQuotas},

		{code: "NetworkAclEntryAlreadyExists", status: 400, want: aws.Rejected},
		{code: "NetworkAclEntryLimitExceeded", status: 400, want: aws.Rejected},
		{code: "NetworkAclLimitExceeded", status: 400, want: aws.Rejected},
		{code: "TagLimitExceeded", status: 400, want: aws.Rejected},
		{code: "DependencyViolation", status: 400, want: aws.Rejected},
		{code: "IdempotentParameterMismatch", status: 400, want: aws.Rejected},
		{code: "DryRunOperation", status: 412, want: aws.Rejected},
		{code: "InvalidParameterValue", status: 400, want: aws.Rejected},
		{code: "InvalidParameterCombination", status: 400, want: aws.Rejected},
		{code: "MissingParameter", status: 400, want: aws.Rejected},
		{code: "InvalidParameterException", status: 400, want: aws.Rejected, of: ofECS},
		{code: "ClientException", status: 400, want: aws.Rejected, of: ofECS},
		{code: "IllegalArgumentException", status: 400, want: aws.Rejected, of: ofServiceQuotas},

		{code: "InternalError", status: 500, want: aws.Unanswered},
		{code: "Unavailable", status: 503, want: aws.Unanswered},
		{code: "ServiceUnavailable", status: 503, want: aws.Unanswered},
		{code: "NobodyKnowsThisOne", status: 500, want: aws.Unanswered},
		{code: "RequestTimeout", status: 400, want: aws.Unanswered},
		{code: "ServerException", status: 500, want: aws.Unanswered, of: ofECS},
		{code: "InternalFailure", status: 500, want: aws.Unanswered, of: ofSTS},
		{code: "ServiceException", status: 500, want: aws.Unanswered, of: ofServiceQuotas},
	} {
		t.Run(fmt.Sprintf("%s %s %d", tc.of.name(), tc.code, tc.status), func(t *testing.T) {
			g := NewWithT(t)
			err := tc.of.call(t, answer{status: tc.status, code: tc.code, message: "in words"})
			g.Expect(err).To(HaveOccurred())
			g.Expect(aws.Code(err)).To(Equal(tc.code))
			g.Expect(aws.HasCode(err, tc.code)).To(BeTrue())
			g.Expect(aws.Classify(err)).To(Equal(tc.want), "%v", err)
			g.Expect(aws.Classify(fmt.Errorf("while reading: %w", err))).To(Equal(tc.want), "wrapped")
			g.Expect(aws.Message(err)).To(Equal(tc.code + ": in words"))
		})
	}
}

// What is no proper answer says nothing of whether the call took effect, with one exception.
func TestClassifyOfAnswersThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		answer answer
		want   aws.Class
	}{
		"a load balancer's page":          {answer{status: 502, body: "<html><body>Bad gateway</body></html>"}, aws.Unanswered},
		"an empty 503":                    {answer{status: 503, body: " "}, aws.Unanswered},
		"an empty 429":                    {answer{status: 429, body: " "}, aws.Throttled},
		"a success that was cut off":      {answer{status: 200, body: "<DescribeSubnetsResponse><subnetSet><item>"}, aws.Unanswered},
		"a connection closed early":       {answer{hangUp: true}, aws.Unanswered},
		"nothing before the caller left":  {answer{silent: true}, aws.Unanswered},
		"an error that was cut off, 500":  {answer{status: 500, body: "<Response><Errors><Error><Code>Inter"}, aws.Unanswered},
		"a redirect to some login portal": {answer{status: 302, body: "<html>"}, aws.Unanswered},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := ofEC2.call(t, tc.answer)
			g.Expect(err).To(HaveOccurred())
			g.Expect(aws.Classify(err)).To(Equal(tc.want), "%v", err)
			g.Expect(aws.Action(err)).To(Equal("ec2:DescribeSubnets"))
		})
	}
	g := NewWithT(t)
	g.Expect(aws.Classify(nil)).To(Equal(aws.NoError))
	g.Expect(aws.Classify(errors.New("anything"))).To(Equal(aws.Unanswered))
	g.Expect(aws.Classify(context.DeadlineExceeded)).To(Equal(aws.Unanswered))
	g.Expect(aws.Classify(&aws.CredentialsError{Err: errors.New("no role")})).To(Equal(aws.NoCredentials))
	g.Expect(aws.Classify(&smithy.GenericAPIError{Code: "Whatever"})).To(Equal(aws.Unanswered), "there is no answer that it came with")
}

func TestCodeAndActionOfWhatIsNoAnswer(t *testing.T) {
	g := NewWithT(t)
	g.Expect(aws.Code(nil)).To(BeEmpty())
	g.Expect(aws.Code(errors.New("anything"))).To(BeEmpty())
	g.Expect(aws.HasCode(nil, "")).To(BeFalse())
	g.Expect(aws.Action(errors.New("anything"))).To(BeEmpty())
	for action, of := range map[string]service{
		"ec2:DescribeSubnets": ofEC2, "ecs:DescribeClusters": ofECS, "sts:GetCallerIdentity": ofSTS,
		"servicequotas:GetServiceQuota": ofServiceQuotas,
	} {
		g.Expect(aws.Action(of.call(t, answer{status: 400, code: "Some"}))).To(Equal(action))
	}
}
