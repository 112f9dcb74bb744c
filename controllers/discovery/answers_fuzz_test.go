// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

// bodies are what calls are answered with, one after another, without a network; after the last one, AWS fails.
type bodies struct{ left [][]byte }

func (b *bodies) Do(*http.Request) (*http.Response, error) {
	status, body := http.StatusInternalServerError, []byte(nil)
	if len(b.left) > 0 {
		status, body, b.left = http.StatusOK, b.left[0], b.left[1:]
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}, nil
}

func served(left ...[]byte) awssdk.Config {
	return awssdk.Config{
		Region: "ap-northeast-1", HTTPClient: &bodies{left}, Retryer: func() awssdk.Retryer { return awssdk.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	}
}

// Whatever JSON ECS answers, nothing of it that can't be used is taken for a host, an agent or a cluster.
func FuzzAnswersOfECS(f *testing.F) {
	for _, seed := range []string{
		`{"endpoint":"https://ecs-a-4.ap-northeast-1.amazonaws.com/","telemetryEndpoint":"https://ecs-t-4.ap-northeast-1.amazonaws.com/"}`,
		`{"endpoint":"https://52.119.223.69/","telemetryEndpoint":null}`,
		`{"containerInstances":[{"containerInstanceArn":"arn","agentConnected":true,"status":"ACTIVE","ec2InstanceId":"mi-1"},{"status":"INACTIVE"},null,{}]}`,
		`{"containerInstanceArns":["b","a","a",null],"nextToken":"x"}`,
		`{"clusters":[{"clusterArn":"arn","status":"ACTIVE","registeredContainerInstancesCount":1,"statistics":[{"name":"runningFargateTasksCount","value":"9223372036854775807"},{"name":"pendingFargateTasksCount","value":"9223372036854775807"},null]}]}`,
		`{"clusters":[{"clusterArn":"arn","status":"INACTIVE"}],"failures":[{"reason":"MISSING"}]}`,
		`{"clusterArns":["arn:aws:ecs:x:1:cluster/demo","y"]}`,
		`{"capacityProviders":[{"name":"a","managedInstancesProvider":{}},null,{"type":"MANAGED_INSTANCES"}],"nextToken":""}`,
		`{}`, `[]`, `null`, ``, `{"clusters":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		g := NewWithT(t)
		ctx := t.Context()
		client := func() *ecs.Client { return ecs.NewFromConfig(served(body)) }
		hosts, err := discovery.PollEndpoints(ctx, client(), "demo", nil, []string{"arn"})
		g.Expect(err == nil).To(Equal(len(hosts) == 1))
		for _, host := range hosts["arn"] {
			again, err := discovery.ParseEndpoint(host.Session, "https://"+host.Hostname)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(again).To(Equal(host))
			_ = discovery.PathShape(host)
		}
		_ = discovery.PathMismatch(discovery.Union(hosts), nil)
		agents, err := discovery.PollAgents(ctx, client(), "demo", []string{"arn"})
		g.Expect(err == nil).To(Equal(agents != nil))
		arns, err := discovery.ListContainerInstances(ctx, client(), "demo", "subnet-1", 100)
		g.Expect(slices.IsSorted(arns)).To(BeTrue())
		g.Expect(err == nil || arns == nil).To(BeTrue())
		if cluster, err := discovery.DescribeCluster(ctx, client(), "demo"); err == nil {
			g.Expect(string(body)).To(ContainSubstring("ACTIVE"))
			g.Expect(min(cluster.FargateTasks, cluster.ExternalTasks)).To(BeNumerically(">=", 0), "%+v", cluster)
		}
		_, _, _ = discovery.OtherClusters(ctx, client(), "demo", "subnet-1")
		managed, _ := discovery.ManagedInstances(ctx, client(), "demo", []string{"a"})
		g.Expect(slices.IsSorted(managed)).To(BeTrue())
	})
}

// Whatever XML EC2 answers about VPC endpoints, their addresses are addresses, each once and in order.
func FuzzAnswersOfVPCEndpoints(f *testing.F) {
	endpoint := `<R><vpcEndpointSet><item><vpcEndpointId>vpce-1</vpcEndpointId><vpcEndpointType>Interface</vpcEndpointType><state>available</state>` +
		`<serviceName>com.amazonaws.ap-northeast-1.ecs-agent</serviceName><privateDnsEnabled>true</privateDnsEnabled>` +
		`<networkInterfaceIdSet><item>eni-1</item></networkInterfaceIdSet></item></vpcEndpointSet></R>`
	f.Add([]byte(endpoint), []byte(`<R><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId><subnetId>subnet-1</subnetId>`+
		`<privateIpAddress>10.0.1.7</privateIpAddress><ipv6AddressesSet><item><ipv6Address>2001:db8::7</ipv6Address></item></ipv6AddressesSet></item></networkInterfaceSet></R>`))
	f.Add([]byte(endpoint), []byte(`<R><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId><privateIpAddress>fe80::1%25eth0</privateIpAddress></item></networkInterfaceSet></R>`))
	f.Add([]byte(`<R><vpcEndpointSet><item/><item><state>available</state><vpcEndpointType>interface</vpcEndpointType></item></vpcEndpointSet></R>`), []byte(``))
	f.Add([]byte(`<R/>`), []byte(`<R/>`))
	f.Fuzz(func(t *testing.T, endpoints, interfaces []byte) {
		g := NewWithT(t)
		client := ec2.NewFromConfig(served(endpoints, interfaces))
		found, err := discovery.VPCEndpoints(t.Context(), client, "ap-northeast-1", "vpc-1")
		if err != nil {
			g.Expect(found).To(BeNil())
			return
		}
		for _, e := range found {
			for _, each := range e.Interfaces {
				g.Expect(slices.IsSortedFunc(each.Addresses, netip.Addr.Compare)).To(BeTrue())
				for _, address := range each.Addresses {
					g.Expect(address.IsValid() && !address.Is4In6() && address.Zone() == "").To(BeTrue(), "%v", address)
				}
			}
		}
		_ = discovery.PathMismatch(nil, found)
	})
}

// A quota is a number of entries that AWS could mean, or there is none.
func FuzzAnswersOfServiceQuotas(f *testing.F) {
	for _, seed := range []string{
		`{"Quota":{"Value":20}}`, `{"Quota":{"Value":-1}}`, `{"Quota":{"Value":1e300}}`, `{"Quota":{"Value":"NaN"}}`, `{"Quota":{"Value":20.9}}`, `{"Quota":{}}`, `{}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		quota, err := discovery.EntryQuota(t.Context(), servicequotas.NewFromConfig(served(body)))
		if err == nil {
			NewWithT(t).Expect(quota).To(And(BeNumerically(">=", 1), BeNumerically("<=", 1_000_000)))
		}
	})
}

func TestCountsOfTasksDontOverflow(t *testing.T) {
	g := NewWithT(t)
	cluster, err := discovery.DescribeCluster(t.Context(), ecs.NewFromConfig(served([]byte(`{"clusters":[{"status":"ACTIVE","statistics":[`+
		`{"name":"runningFargateTasksCount","value":"9223372036854775807"},{"name":"pendingFargateTasksCount","value":"9223372036854775807"},`+
		`{"name":"RunningExternalTasksCount","value":"7"}]}]}`))), "demo")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cluster.FargateTasks).To(BeZero(), "no number of tasks")
	g.Expect(cluster.ExternalTasks).To(Equal(7))
}

func TestAddressesOfInterfacesHaveNoZone(t *testing.T) {
	g := NewWithT(t)
	found, err := discovery.VPCEndpoints(t.Context(), ec2.NewFromConfig(served(
		[]byte(`<R><vpcEndpointSet><item><vpcEndpointType>Interface</vpcEndpointType><state>available</state><serviceName>x.ecs-agent</serviceName>`+
			`<networkInterfaceIdSet><item>eni-1</item></networkInterfaceIdSet></item></vpcEndpointSet></R>`),
		[]byte(`<R><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId><privateIpAddress>fe80::1%eth0</privateIpAddress></item></networkInterfaceSet></R>`),
	)), "ap-northeast-1", "vpc-1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found[0].Interfaces[0].Addresses).To(Equal(addresses("fe80::1")))
}
