// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// The chain makes calls of its own inside of others: what those are answered is no answer to the call that needs credentials.
func TestErrorsOfTheCredentialsChainAreNotThoseOfTheCall(t *testing.T) {
	for name, cause := range map[string]error{
		"a wrong trust policy":      fromSTS("AccessDenied"),
		"no association":            &smithy.GenericAPIError{Code: aws.CodeScheduleNotFound},
		"an expired identity token": fromSTS("ExpiredTokenException"),
		"a limited rate":            fromSTS("Throttling"),
		"no source":                 errors.New("no EC2 IMDS role found"),
		"no answer":                 fmt.Errorf("request to EC2 IMDS failed: %w", context.DeadlineExceeded),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := simulate(t)
			cfg := s.Config()
			cfg.Credentials = awssdk.NewCredentialsCache(awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
				return awssdk.Credentials{}, cause
			}))
			clients := aws.NewSessions(cfg, "agentdisconnect", "test").In(tokyo)
			_, read := clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
			_, write := clients.Fenced(holds).Scheduler.DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: awssdk.String("agd.x.80")})
			_, account := clients.AccountID(t.Context(), time.Now())
			for _, err := range []error{read, write, account} {
				g.Expect(err).To(HaveOccurred())
				g.Expect(aws.Classify(err)).To(Equal(aws.NoCredentials), "%v", err)
				g.Expect(aws.Code(err)).To(BeEmpty())
				g.Expect(aws.Message(err)).To(Equal(aws.Message(account)), "the same for every call")
				g.Expect(aws.Message(err)).To(HavePrefix("no AWS credentials: "))
			}
			g.Expect(s.Calls()).To(BeEmpty(), "nothing was sent")
		})
	}
}

func TestCredentialsAreNotWaitedForLongerThanAnAnswer(t *testing.T) {
	g := NewWithT(t)
	cfg := simulate(t).Config()
	var bounded bool
	cfg.Credentials = awssdk.CredentialsProviderFunc(func(ctx context.Context) (awssdk.Credentials, error) {
		deadline, ok := ctx.Deadline()
		bounded = ok && time.Until(deadline) <= aws.CallTimeout
		return awssdk.Credentials{}, errors.New("none")
	})
	_, err := aws.NewSessions(cfg, "agentdisconnect", "test").In(tokyo).EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	g.Expect(err).To(HaveOccurred())
	g.Expect(bounded).To(BeTrue())
}

func TestWhereCredentialsWereLookedFor(t *testing.T) {
	g := NewWithT(t)
	g.Expect((&aws.CredentialsError{Err: fromSTS("AccessDenied")}).FromSTS()).To(BeTrue())
	g.Expect((&aws.CredentialsError{Err: fromSTS("AccessDenied")}).FromAgent()).To(BeFalse())
	none := &aws.CredentialsError{Err: errors.New("no EC2 IMDS role found")}
	g.Expect(none.FromSTS() || none.FromAgent() || none.Passes()).To(BeFalse())
	g.Expect(errors.Unwrap(none)).To(MatchError("no EC2 IMDS role found"))
	answered := &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusForbidden}}, Err: errors.New("refused")}
	agent := &aws.CredentialsError{Err: fmt.Errorf("failed to load credentials, %w", answered)}
	g.Expect(agent.FromAgent()).To(BeTrue(), "it answers over HTTP, and is no service of the SDK's")
	g.Expect(agent.FromSTS() || agent.Passes()).To(BeFalse())
	service := &aws.CredentialsError{Err: &smithy.OperationError{ServiceID: "SSO", OperationName: "GetRoleCredentials", Err: answered}}
	g.Expect(service.FromAgent() || service.FromSTS()).To(BeFalse())
	for code, passes := range map[string]bool{"AccessDenied": false, "Throttling": true, "InternalFailure": true, "InvalidIdentityToken": false} {
		g.Expect((&aws.CredentialsError{Err: fromSTS(code)}).Passes()).To(Equal(passes), code)
	}
}

// fromSTS is how the SDK reports that STS refuses a role.
func fromSTS(code string) error {
	return fmt.Errorf("failed to retrieve credentials, %w", &smithy.OperationError{
		ServiceID: "STS", OperationName: "AssumeRoleWithWebIdentity", Err: &smithy.GenericAPIError{Code: code, Message: "in words"},
	})
}
