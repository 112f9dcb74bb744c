// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"errors"
	"testing"

	"github.com/aws/smithy-go"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

func TestARoleThatCanNotBeAssumed(t *testing.T) {
	role := aws.Role{Namespace: "payments", ARN: "arn:aws:iam::222222222222:role/x", ExternalID: "agentdisconnect/payments"}
	ofSTS := func(code string) error {
		return &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: &smithy.GenericAPIError{Code: code}}
	}
	const failed = "the manager could not assume role arn:aws:iam::222222222222:role/x for namespace payments with external id agentdisconnect/payments: "
	for name, tc := range map[string]struct {
		err     *aws.CredentialsError
		reason  string
		message string
		stalled bool
	}{
		"refused":         {&aws.CredentialsError{Err: ofSTS("AccessDenied"), Role: role}, v1alpha1.ReasonNoCredentials, failed + "AccessDenied. Correct the trust policy of the role", true},
		"throttled":       {&aws.CredentialsError{Err: ofSTS("Throttling"), Role: role}, v1alpha1.ReasonNoCredentials, failed + "Throttling. The manager retries", false},
		"without answer":  {&aws.CredentialsError{Err: errors.New("connection reset"), Role: role}, v1alpha1.ReasonNoCredentials, failed + "connection reset. The manager retries", false},
		"none is allowed": {&aws.CredentialsError{Err: errors.New("none"), Role: aws.Role{Namespace: "payments", Forbidden: true}}, v1alpha1.ReasonNoRole, "namespace payments has no role", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p := Explain(tc.err)
			g.Expect(p.Reason).To(Equal(tc.reason))
			g.Expect(p.Message).To(HavePrefix(tc.message))
			g.Expect(p.Stalled).To(Equal(tc.stalled))
		})
	}
}
