// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// ask makes one call on a server that was made for it alone.
func ask(t *testing.T, service, target, body string) (*httptest.ResponseRecorder, *region.Region) {
	t.Helper()
	w := world.Default()
	r, err := w.Build(region.Options{}, true)
	if err != nil {
		t.Fatal(err)
	}
	server := wire.NewServer(wire.Options{
		Context: t.Context(), Region: r, Faults: faults.New(time.Now, nil), Log: &call.Log{},
		Identities: []operation.Identity{{AccessKey: "AKIA1", ARN: "arn:aws:iam::" + w.Account + ":user/a", Account: w.Account, Allow: []string{"*"}}},
		NewRegion: func(account, name string) *region.Region {
			return region.New(region.Options{Account: account, Name: name})
		},
	})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA1/20260102/"+w.Region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
	}
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, request)
	return answer, r
}

// expectRegion holds what is so in every Region, whatever was asked of it.
func expectRegion(t *testing.T, r *region.Region) {
	t.Helper()
	v := r.View(time.Time{})
	served := map[string]int{}
	for _, a := range v.NetworkACLs() {
		type place struct {
			egress bool
			number int
		}
		seen := map[place]bool{}
		for _, e := range a.Entries {
			at := place{e.Egress, e.RuleNumber}
			if seen[at] || e.RuleNumber < 1 || e.RuleNumber > 32768 || !e.CIDR.IsValid() || e.CIDR != e.CIDR.Masked() {
				t.Fatalf("network ACL %s has entry %+v", a.ID, e)
			}
			seen[at] = true
		}
		for _, association := range a.Associations {
			served[association.SubnetID]++
		}
	}
	for _, s := range v.Subnets() {
		if served[s.ID] != 1 {
			t.Fatalf("subnet %s has %d network ACLs", s.ID, served[s.ID])
		}
	}
}

// Whatever parameters a call to EC2 has, it is answered in EC2's XML, and leaves a Region that AWS could have.
func FuzzEC2Call(f *testing.F) {
	const acl, subnet, vpc = world.DedicatedACL, world.DedicatedSubnet, world.DefaultVPC
	entry := "&NetworkAclId=" + acl + "&RuleNumber=80&Egress=true&Protocol=-1&RuleAction=deny&CidrBlock=52.119.223.69/32"
	for _, seed := range []string{
		"CreateNetworkAclEntry" + entry, "ReplaceNetworkAclEntry" + strings.ReplaceAll(entry, "80", "100"), "CreateNetworkAclEntry" + strings.ReplaceAll(entry, "=-1", "=6") + "&PortRange.From=-1&PortRange.To=70000",
		"CreateNetworkAclEntry" + strings.ReplaceAll(entry, "80", "32767"), "CreateNetworkAclEntry" + strings.ReplaceAll(entry, "=80", "=99999999999999999999"),
		"CreateNetworkAclEntry" + strings.ReplaceAll(entry, "CidrBlock=52.119.223.69/32", "Ipv6CidrBlock=fe80::1%25a/64"), "DeleteNetworkAclEntry" + entry,
		"DescribeNetworkAcls&Filter.1.Name=association.subnet-id&Filter.1.Value.1=" + subnet, "DescribeNetworkAcls&NetworkAclId.1=" + acl + "&MaxResults=5",
		"DescribeNetworkAcls&MaxResults=5&NextToken=YWZ0ZXI6", "DescribeSubnets&Filter.1.Name=tag:a*?&Filter.1.Value.1=\\*%00%ff[", "DescribeTags&Filter.1.Name=key&Filter.1.Value.1=%5c",
		"CreateTags&ResourceId.1=" + acl + "&Tag.1.Key=a%00&Tag.1.Value=%ff", "DeleteTags&ResourceId.1=" + acl, "CreateNetworkAcl&VpcId=" + vpc + "&ClientToken=x",
		"CreateNetworkAcl&VpcId=" + vpc + "&TagSpecification.1.ResourceType=network-acl&TagSpecification.1.Tag.1.Key=a", "ReplaceNetworkAclAssociation&AssociationId=x&NetworkAclId=" + acl,
		"DeleteNetworkAcl&NetworkAclId=" + acl + "&DryRun=true", "DescribeVpcEndpoints", "Nothing", "",
	} {
		f.Add("Action=" + seed + "&Version=2016-11-15")
	}
	f.Fuzz(func(t *testing.T, form string) {
		answer, r := ask(t, "ec2", "", form)
		var document struct {
			XMLName xml.Name
			Code    string `xml:"Errors>Error>Code"`
		}
		if err := xml.Unmarshal(answer.Body.Bytes(), &document); err != nil {
			t.Fatalf("%d %q: %v", answer.Code, answer.Body, err)
		}
		if failed := answer.Code >= 300; failed != (document.Code != "") || document.Code == "InternalError" {
			t.Fatalf("%d %q", answer.Code, answer.Body)
		}
		expectRegion(t, r)
	})
}

// Whatever JSON a call to ECS has, it is answered in JSON, and what is wrong with it has a name.
func FuzzECSCall(f *testing.F) {
	const instance = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/" + world.DedicatedInstance1
	for _, seed := range [][2]string{
		{"DescribeClusters", `{"clusters":["demo",null,""],"include":["STATISTICS"]}`}, {"ListClusters", `{"maxResults":-1,"nextToken":"YWZ0ZXI6"}`},
		{"ListContainerInstances", `{"cluster":"demo","filter":"attribute:ecs.subnet-id == ` + world.DedicatedSubnet + `"}`}, {"ListContainerInstances", `{"filter":"(((","cluster":"demo"}`},
		{"DescribeContainerInstances", `{"cluster":"demo","containerInstances":["` + instance + `"]}`}, {"DiscoverPollEndpoint", `{"cluster":"demo","containerInstance":"` + instance + `"}`},
		{"RunTask", `{"cluster":"demo","taskDefinition":"demo:1","count":99999999,"placementConstraints":[{"type":"memberOf","expression":"agentConnected exists"},null]}`},
		{"StartTask", `{"cluster":"demo","taskDefinition":"demo","containerInstances":["` + instance + `","x"]}`}, {"DescribeCapacityProviders", `{"capacityProviders":[7]}`},
		{"Nothing", `{}`}, {"", `[]`}, {"RunTask", `{"count":-1}`}, {"ListTasks", `{"cluster":{}}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, action, body string) {
		if strings.ContainsFunc(action, func(r rune) bool { return r < 'A' || r > 'z' }) {
			return // not what a header holds
		}
		answer, r := ask(t, "ecs", "AmazonEC2ContainerServiceV20141113."+action, body)
		var document map[string]any
		if err := json.Unmarshal(answer.Body.Bytes(), &document); err != nil {
			t.Fatalf("%d %q: %v", answer.Code, answer.Body, err)
		}
		kind, failed := document["__type"].(string)
		if failed != (answer.Code >= 300) || slices.Contains([]string{"InternalError", "ServerException"}, kind[strings.LastIndex(kind, "#")+1:]) {
			t.Fatalf("%d %q", answer.Code, answer.Body)
		}
		expectRegion(t, r)
	})
}

func TestAFilterOfBrokenTextMatchesNothing(t *testing.T) {
	answer, _ := ask(t, "ec2", "", "Action=DescribeSubnets&Version=2016-11-15&Filter.1.Name=vpc-id&Filter.1.Value.1=%ff%80%e0")
	if answer.Code != http.StatusOK || strings.Contains(answer.Body.String(), "subnetId") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}
