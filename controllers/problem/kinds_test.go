// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// fetching is what fetching credentials failed with, in the form that the SDK gives it.
func fetching(service, code string, status int) *aws.CredentialsError {
	var err error = &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "in words."},
	}
	if service != "" {
		err = &smithy.OperationError{ServiceID: service, OperationName: "AssumeRoleWithWebIdentity", Err: err}
	}
	return &aws.CredentialsError{Err: err}
}

func TestMissingCredentialsAreExplainedByWhereTheyComeFrom(t *testing.T) {
	const anywhere = ". Give the manager's service account a role (EKS Pod Identity or IRSA, config/iam/README.md), then restart the manager"
	for name, tc := range map[string]struct {
		err     error
		passes  bool
		message string
	}{
		"STS limits the rate": {fetching(sts.ServiceID, "ThrottlingException", 400), true,
			"no AWS credentials: ThrottlingException: in words. The manager retries"},
		"the agent of Pod Identity fails": {fetching("", "InternalServerException", 500), true,
			"no AWS credentials: InternalServerException: in words. The manager retries"},
		"STS refuses": {fetching(sts.ServiceID, "AccessDenied", 403), false,
			"no AWS credentials: AccessDenied: in words. Correct the trust policy of the role that the manager's service account names (config/iam/trust-irsa.json). If it names the wrong role, correct the annotation, then restart the manager"},
		"the agent of Pod Identity refuses": {fetching("", "AccessDeniedException", 400), false,
			"no AWS credentials: AccessDeniedException: in words. Correct the trust policy of the role of the Pod Identity association (config/iam/trust-pod-identity.json). If there is no association, create one, then restart the manager"},
		"nothing gives any": {&aws.CredentialsError{Err: errors.New("no role")}, false, "no AWS credentials: no role" + anywhere},
		"AWS does not accept them": {failed("ec2:DescribeSubnets", "AuthFailure", 401), false,
			"AWS does not accept the manager's credentials: AuthFailure: in words" + anywhere},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p := Explain(tc.err)
			g.Expect(p.Reason).To(Equal(v1alpha1.ReasonNoCredentials))
			g.Expect(p.Message).To(Equal(tc.message))
			g.Expect(p.Stalled).To(Equal(!tc.passes))
		})
	}
}

func TestAllTellsEachCauseOnceAndLeavesOutWhatFollowsFromAnother(t *testing.T) {
	own, other := Refuse("Own", "one"), Wait("Other", "two")
	missing := &aws.CredentialsError{Err: errors.New("no role")}
	called := &smithy.OperationError{ServiceID: "EC2", OperationName: "DescribeSubnets", Err: missing}
	for name, tc := range map[string]struct {
		errs    []error
		reasons []string
	}{
		"in their order":                    {[]error{other, own}, []string{"Other", "Own"}},
		"joined in one another":             {[]error{other, errors.Join(own, errors.Join(other, own))}, []string{"Other", "Own", "Other", "Own"}},
		"permissions, as the first of them": {[]error{own, denied("ec2:DescribeSubnets"), other, denied("ecs:ListClusters")}, []string{"Own", "AccessDenied", "Other"}},
		"missing credentials come first":    {[]error{own, missing, other}, []string{"NoCredentials", "Own", "Other"}},
		"missing credentials, once":         {[]error{missing, called, missing, own}, []string{"NoCredentials", "Own"}},
		"no call counts without them":       {[]error{missing, denied("ec2:DescribeSubnets"), failed("ecs:ListClusters", "InternalError", 500), own}, []string{"NoCredentials", "Own"}},
	} {
		t.Run(name, func(t *testing.T) {
			var reasons []string
			for _, p := range All(errors.Join(tc.errs...)) {
				reasons = append(reasons, p.Reason)
			}
			NewWithT(t).Expect(reasons).To(Equal(tc.reasons))
		})
	}
}

func TestPassesIsOfAWSNotAnsweringAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		passes bool
	}{
		"nothing is wrong":            {nil, false},
		"AWS fails":                   {failed("ec2:DescribeSubnets", "InternalError", 500), true},
		"AWS limits the rate":         {failed("ec2:DescribeSubnets", "RequestLimitExceeded", 503), true},
		"AWS denies":                  {denied("ec2:DescribeSubnets"), false},
		"AWS refuses":                 {failed("ec2:DescribeSubnets", "InvalidParameterValue", 400), false},
		"no answer in time":           {context.DeadlineExceeded, true},
		"a problem is known":          {Wait(v1alpha1.ReasonHolder, "another run"), false},
		"a problem is known, wrapped": {fmt.Errorf("starting: %w", Wait(v1alpha1.ReasonAWSUnavailable, "no answer")), false},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(Passes(tc.err)).To(Equal(tc.passes))
		})
	}
}

func TestNoProblemIsNoError(t *testing.T) {
	g := NewWithT(t)
	var none *Problem
	g.Expect(none.AsError()).To(Succeed())
	g.Expect(Explain(nil)).NotTo(HaveOccurred())
	g.Expect(Refuse("Some", "do %s", "this").AsError()).To(MatchError("Some: do this"))
}

func TestErrorsOfTheAPIServerAreToldFromOthers(t *testing.T) {
	g := NewWithT(t)
	conflict := errors.New("the object has been modified")
	g.Expect(FromStore(nil)).To(Succeed())
	g.Expect(FromStore(conflict)).To(MatchError("the object has been modified"))
	g.Expect(FromStore(conflict)).To(MatchError(conflict), "what it wraps")
	g.Expect(IsStoreError(errors.Join(errors.New("other"), fmt.Errorf("storing: %w", FromStore(conflict))))).To(BeTrue())
	g.Expect(IsStoreError(conflict)).To(BeFalse())
	g.Expect(IsStoreError(nil)).To(BeFalse())
}
