// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"io"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// post sends a request that no SDK would: the simulator reads the scope of a signature, and checks
// none.
func post(t *testing.T, s *Simulator, service, target, body string) (status int, answer string) {
	t.Helper()
	g := NewWithT(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), strings.NewReader(body))
	g.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.World().Keys()[0].ID+"/20260102/ap-northeast-1/"+service+
		"/aws4_request, SignedHeaders=host, Signature=0")
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
	}
	response, err := http.DefaultClient.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	g.Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(text)
}

func TestEC2RefusesUnknownParameters(t *testing.T) {
	s, g := start(t)
	const entry = "Action=CreateNetworkAclEntry&Version=2016-11-15&NetworkAclId=" + dedicatedACL + "&RuleNumber=80&Egress=true&Protocol=-1&RuleAction=deny"
	for _, tc := range [][2]string{
		{entry + "&CidrBlock=52.119.223.69/32&ClientToken=x", "ClientToken"},
		{entry + "&CIDRBlock=52.119.223.69/32", "CIDRBlock"},
		{"Action=DescribeSubnets&Version=2016-11-15&Filter.1.Name=vpc-id&Filter.1.Values.1=" + vpcID, "Values"},
		{"Action=DescribeSubnets&Version=2016-11-15&VpcId.1=" + vpcID, "VpcId"},
	} {
		status, answer := post(t, s, "ec2", "", tc[0])
		g.Expect(status).To(Equal(http.StatusBadRequest))
		g.Expect(answer).To(ContainSubstring("<Code>UnknownParameter</Code><Message>The parameter " + tc[1] + " is not recognized</Message>"))
	}
	g.Expect(entries(s)).To(Equal(4), "nothing was created")
}

// JSON services don't take what they don't know, as if it weren't there: also what differs in case
// alone.
func TestJSONServicesIgnoreUnknownMembers(t *testing.T) {
	s, g := start(t)
	const ecsTarget, trailTarget = "AmazonEC2ContainerServiceV20141113.", "CloudTrail_20131101."
	status, answer := post(t, s, "ecs", ecsTarget+"ListContainerInstances", `{"cluster":"demo","filters":"nonsense(","status":"ACTIVE"}`)
	g.Expect(status).To(Equal(http.StatusOK), answer)
	g.Expect(answer).To(ContainSubstring(dedicated1))
	_, answer = post(t, s, "ecs", ecsTarget+"ListContainerInstances", `{"Cluster":"demo"}`)
	g.Expect(answer).To(ContainSubstring("ClusterNotFoundException"), "so it is the cluster default")
	status, answer = post(t, s, "cloudtrail", trailTarget+"LookupEvents", `{"maxResults":51,"Limit":1}`)
	g.Expect(status).To(Equal(http.StatusOK), answer)
	_, answer = post(t, s, "cloudtrail", trailTarget+"LookupEvents", `{"MaxResults":51}`)
	g.Expect(answer).To(ContainSubstring("InvalidMaxResultsException"))
}
