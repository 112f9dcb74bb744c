// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// failed is AWS's refusal of a call, in the form that the SDK gives it.
func failed(action, code string, status int) error {
	return failedWith(action, code, "in words", status)
}

func failedWith(action, code, message string, status int) error {
	service, operation, _ := strings.Cut(action, ":")
	return &smithy.OperationError{ServiceID: strings.ToUpper(service), OperationName: operation, Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: message},
	}}
}

func denied(action string) error {
	return failed(action, "UnauthorizedOperation", http.StatusForbidden)
}

func TestExplainOneCause(t *testing.T) {
	destination := networkacl.Destination{CIDR: netip.MustParsePrefix("192.0.2.1/32"), Hostname: "ecs-a.example", Session: v1alpha1.EndpointACS}
	allow := networkacl.Entry{Number: 1, Egress: true, Allow: true, Protocol: networkacl.AllProtocols, CIDR: netip.MustParsePrefix("0.0.0.0/0")}
	for name, tc := range map[string]struct {
		err     error
		reason  string
		passes  bool // no person need act
		message string
	}{
		"one of our own": {Refuse("Some", "do %s", "this"), "Some", false, "do this"},
		"a wait":         {Wait("Some", "for %d", 3), "Some", true, "for 3"},
		"no cluster": {&discovery.ClusterNotFoundError{Cluster: "demo"}, v1alpha1.ReasonClusterNotFound, false,
			"cluster demo does not exist in the manager's account and Region: check spec.cluster and spec.region"},
		"an endpoint": {&discovery.InvalidEndpointError{Session: v1alpha1.EndpointACS, Endpoint: "x", Reason: "it is not a URL"}, v1alpha1.ReasonInvalidEndpoint, false,
			`ECS named "x" as ACS endpoint: it is not a URL. ECS itself never names such an endpoint: check what answers the manager's calls (AWS_ENDPOINT_URL, a proxy)`},
		"no room": {&networkacl.NoRoomError{NetworkACLID: "acl-1", Destination: destination, Allow: allow}, v1alpha1.ReasonNoRoom, false,
			"network ACL acl-1 has no free number to deny 192.0.2.1/32 (ecs-a.example) before rule 1, which allows all traffic out to 0.0.0.0/0: give rule 1 a larger number, or set spec.networkACLMode to Clone, which gives the copies larger numbers"},
		"a quota": {&networkacl.QuotaError{NetworkACLID: "acl-1", Family: networkacl.IPv4, Have: 18, Need: 6, Quota: 20}, v1alpha1.ReasonQuotaExceeded, false,
			"network ACL acl-1 has 18 outbound IPv4 rules, the default one included, of the 20 that its quota allows, and the run needs 6 more: delete 4 of them, or raise the quota of rules per network ACL (L-2AEEBF1A, 40 at most)"},
		"no credentials": {&aws.CredentialsError{Err: errors.New("no role")}, v1alpha1.ReasonNoCredentials, false,
			"no AWS credentials: no role. Give the manager's service account a role (EKS Pod Identity or IRSA, config/iam/README.md), then restart the manager"},
		"a permission": {denied("ec2:DescribeSubnets"), v1alpha1.ReasonAccessDenied, false,
			"AWS denies the manager's role ec2:DescribeSubnets: grant the actions of the product's IAM policy (config/iam/policy.json). UnauthorizedOperation: in words"},
		"throttling": {failed("ec2:DescribeSubnets", "RequestLimitExceeded", 503), v1alpha1.ReasonThrottled, true,
			"AWS limits the rate of ec2:DescribeSubnets: the manager retries"},
		"no subnet": {failed("ec2:DescribeSubnets", aws.CodeSubnetNotFound, 400), v1alpha1.ReasonSubnetNotFound, false,
			"the subnet does not exist in the manager's account and Region: check spec.subnetID and spec.region"},
		"no cluster to list": {failed("ecs:ListContainerInstances", aws.CodeClusterNotFound, 400), v1alpha1.ReasonClusterNotFound, false,
			"the cluster does not exist in the manager's account and Region: check spec.cluster and spec.region"},
		"AWS's own quota": {failed("ec2:CreateNetworkAclEntry", aws.CodeEntryLimitExceeded, 400), v1alpha1.ReasonQuotaExceeded, false,
			"NetworkAclEntryLimitExceeded: in words: delete entries, or raise the quota of rules per network ACL (L-2AEEBF1A)"},
		"no answer": {failed("ec2:DescribeSubnets", "InternalError", 500), v1alpha1.ReasonAWSUnavailable, true,
			"ec2:DescribeSubnets got no usable answer, and the manager retries: InternalError: in words"},
		"a refusal of an unknown kind": {failed("ec2:DescribeSubnets", "InvalidParameterValue", 400), v1alpha1.ReasonAWSRejected, false,
			"ec2:DescribeSubnets: InvalidParameterValue: in words"},
		"a Region that doesn't exist": {&smithy.OperationError{
			ServiceID: "EC2", OperationName: "DescribeSubnets",
			Err: &net.DNSError{Err: "no such host", Name: "ec2.xx-nowhere-1.amazonaws.com", IsNotFound: true},
		}, v1alpha1.ReasonAWSUnavailable, false,
			"DNS has no AWS host for ec2:DescribeSubnets: check the Region (spec.region, the cluster's ARN), and the manager's DNS. " +
				"operation error EC2: DescribeSubnets, lookup ec2.xx-nowhere-1.amazonaws.com: no such host"},
		"an error of ours": {errors.New("entry 7: no range"), v1alpha1.ReasonAWSUnavailable, true,
			"AWS gave no usable answer, and the manager retries: entry 7: no range"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, err := range []error{tc.err, errors.Join(nil, tc.err, errors.Join()), fmt.Errorf("wrapped: %w", tc.err)} {
				p := Explain(err)
				g.Expect(p.Reason).To(Equal(tc.reason))
				g.Expect(p.Stalled).To(Equal(!tc.passes))
				g.Expect(strings.ReplaceAll(p.Message, "wrapped: ", "")).To(Equal(tc.message))
			}
		})
	}
	if p := Explain(nil); p != nil {
		t.Errorf("no error is no problem, but it is %v", p)
	}
}

func TestExplainNamesEveryMissingPermissionOnce(t *testing.T) {
	g := NewWithT(t)
	err := errors.Join(denied("ec2:DescribeSubnets"), errors.Join(denied("ec2:DeleteNetworkAclEntry"), denied("ec2:CreateNetworkAclEntry")),
		denied("ec2:DescribeSubnets"), failed("ecs:DescribeClusters", "AccessDeniedException", 400))
	p := Explain(err)
	g.Expect(p.Reason).To(Equal(v1alpha1.ReasonAccessDenied))
	g.Expect(p.Stalled).To(BeTrue())
	g.Expect(p.Message).To(HavePrefix("AWS denies the manager's role ec2:CreateNetworkAclEntry, ec2:DeleteNetworkAclEntry, " +
		"ec2:DescribeSubnets, ecs:DescribeClusters: grant the actions of the product's IAM policy (config/iam/policy.json)."))
}

func TestExplainNamesTheActionThatAWSNames(t *testing.T) {
	err := &smithy.OperationError{ServiceID: "EC2", OperationName: "CreateNetworkAcl", Err: &smithy.GenericAPIError{
		Code: "UnauthorizedOperation", Message: "User: arn:aws:iam::123456789012:user/x is not authorized to perform: ec2:CreateTags on resource: *",
	}}
	NewWithT(t).Expect(Explain(errors.Join(err, denied("ec2:DescribeSubnets"))).Message).To(
		HavePrefix("AWS denies the manager's role ec2:CreateTags, ec2:DescribeSubnets: grant the actions"))
}

func TestExplainGivesTheCauseToSolveFirst(t *testing.T) {
	throttled := failed("ec2:DescribeSubnets", "RequestLimitExceeded", 503)
	// In the order in which they are to be solved; each but the last two hides all that follow.
	ranked := []error{
		Refuse(v1alpha1.ReasonNoRegion, ""), &aws.CredentialsError{Err: errors.New("none")}, Refuse(v1alpha1.ReasonWrongAccount, ""),
		Refuse(v1alpha1.ReasonLedgerInvalid, ""), Refuse(v1alpha1.ReasonNoConsent, ""), denied("ec2:DescribeSubnets"),
		failed("ec2:DescribeSubnets", aws.CodeSubnetNotFound, 400), &discovery.ClusterNotFoundError{Cluster: "demo"},
		Refuse(v1alpha1.ReasonNoConnectedAgents, ""), Refuse(v1alpha1.ReasonNetworkACLTemporary, ""), Refuse(v1alpha1.ReasonNetworkACLManaged, ""),
		Refuse(v1alpha1.ReasonOtherClusters, ""), Refuse(v1alpha1.ReasonHostNotResolved, ""), throttled,
	}
	for i, worse := range ranked {
		for _, other := range ranked[i+1:] {
			want := explainOne(worse).Reason
			for _, err := range []error{errors.Join(worse, other), errors.Join(other, worse)} {
				NewWithT(t).Expect(Explain(err).Reason).To(Equal(want), "%v", err)
			}
		}
	}
}

func TestExplainSaysTheSameOfTheSameCausesInAnyOrder(t *testing.T) {
	a, b := denied("ec2:DescribeSubnets"), denied("ecs:DescribeClusters")
	x, y := Refuse(v1alpha1.ReasonHostNotResolved, "x"), Refuse(v1alpha1.ReasonNoConsent, "y")
	g := NewWithT(t)
	g.Expect(Explain(errors.Join(a, b)).Message).To(Equal(Explain(errors.Join(b, a)).Message))
	g.Expect(Explain(errors.Join(x, y))).To(Equal(Explain(errors.Join(x, y))), "what is joined comes in one order")
	g.Expect(Explain(errors.Join(x, Wait(v1alpha1.ReasonHolder, "z"))).Message).To(Equal("x"))
}
