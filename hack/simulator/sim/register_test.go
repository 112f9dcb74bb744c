// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const newInstanceID = "i-0fedcba9876543210"

// identity is what an instance's metadata service has of it, in the dedicated subnet.
func identity(change ...func(map[string]string)) *string {
	doc := map[string]string{
		"accountId": "123456789012", "region": "ap-northeast-1", "instanceId": newInstanceID, "instanceType": "c7g.large",
		"imageId": "ami-0123456789abcdef0", "privateIp": "10.0.1.77", "architecture": "arm64",
	}
	for _, c := range change {
		c(doc)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return aws.String(string(text))
}

// registration is what a real agent sends.
func registration() *ecs.RegisterContainerInstanceInput {
	number := func(name string, n int32) types.Resource {
		return types.Resource{Name: aws.String(name), Type: aws.String("INTEGER"), IntegerValue: n}
	}
	ports := func(name string, list ...string) types.Resource {
		return types.Resource{Name: aws.String(name), Type: aws.String("STRINGSET"), StringSetValue: list}
	}
	return &ecs.RegisterContainerInstanceInput{
		Cluster: aws.String("demo"), InstanceIdentityDocument: identity(), InstanceIdentityDocumentSignature: aws.String("c2lnbmVk"),
		TotalResources: []types.Resource{number("CPU", 2048), number("MEMORY", 3800), ports("PORTS", "22", "51678", "9000"), ports("PORTS_UDP", "53")},
		Attributes: []types.Attribute{
			{Name: aws.String("ecs.os-type"), Value: aws.String("linux")}, {Name: aws.String("ecs.capability.task-eni")},
			{Name: aws.String("stack"), Value: aws.String("blue")},
		},
		PlatformDevices: []types.PlatformDevice{{Id: aws.String("GPU-1"), Type: types.PlatformDeviceTypeGpu}},
		Tags:            []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	}
}

func registered(t *testing.T, g *WithT, s *Simulator, in *ecs.RegisterContainerInstanceInput) types.ContainerInstance {
	t.Helper()
	out, err := ecsClient(s).RegisterContainerInstance(t.Context(), in)
	g.Expect(err).NotTo(HaveOccurred())
	return *out.ContainerInstance
}

func describedInstance(t *testing.T, g *WithT, s *Simulator, arn string) types.ContainerInstance {
	t.Helper()
	out, err := ecsClient(s).DescribeContainerInstances(t.Context(), &ecs.DescribeContainerInstancesInput{
		Cluster: aws.String("demo"), ContainerInstances: []string{arn}, Include: []types.ContainerInstanceField{types.ContainerInstanceFieldTags},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.ContainerInstances).To(HaveLen(1))
	return out.ContainerInstances[0]
}

func attributeValues(i types.ContainerInstance) map[string]string {
	out := map[string]string{}
	for _, a := range i.Attributes {
		out[*a.Name] = aws.ToString(a.Value)
	}
	return out
}

// onInstance are the constraints that leave one EC2 instance.
func onInstance(id string) []types.PlacementConstraint {
	return []types.PlacementConstraint{{Type: types.PlacementConstraintTypeMemberOf, Expression: aws.String("ec2InstanceId == " + id)}}
}

func TestRegisterContainerInstance(t *testing.T) {
	s, g := start(t, func(o *Options) { o.Scale = 3000 }) // five minutes of CloudTrail are 100 ms
	made := registered(t, g, s, registration())
	arn := *made.ContainerInstanceArn
	g.Expect(arn).To(MatchRegexp("^" + instances + "[0-9a-f]{32}$"))
	g.Expect(made.AgentConnected).To(BeFalse(), "its agent has no session yet")
	g.Expect(*made.Status).To(Equal("ACTIVE"))
	g.Expect(describedInstance(t, g, s, arn)).To(Equal(made))
	g.Expect(attributeValues(made)).To(Equal(map[string]string{
		"ecs.subnet-id": dedicated, "ecs.vpc-id": vpcID, "ecs.availability-zone": "ap-northeast-1a", "ecs.instance-type": "c7g.large",
		"ecs.ami-id": "ami-0123456789abcdef0", "ecs.cpu-architecture": "arm64", "ecs.os-type": "linux", "ecs.os-family": "LINUX",
		"ecs.capability.task-eni": "", "stack": "blue",
	}))
	values := map[string]any{}
	for _, r := range made.RegisteredResources {
		if values[*r.Name] = r.IntegerValue; *r.Type == "STRINGSET" {
			values[*r.Name] = strings.Join(r.StringSetValue, " ")
		}
	}
	g.Expect(values).To(HaveKeyWithValue("CPU", int32(2048)))
	g.Expect(values).To(HaveKeyWithValue("MEMORY", int32(3800)))
	g.Expect(values).To(HaveKeyWithValue("PORTS", "22 51678 9000"))
	g.Expect(values).To(HaveKeyWithValue("PORTS_UDP", "53"))
	g.Expect(values).To(HaveKeyWithValue("GPU", Not(BeEmpty())))
	g.Expect(made.Tags).To(Equal([]types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}))
	list, err := ecsClient(s).ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{
		Cluster: aws.String("demo"), Filter: aws.String("attribute:ecs.subnet-id == " + dedicated + " and attribute:stack == blue"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list.ContainerInstanceArns).To(Equal([]string{arn}))

	// A task finds its place there once the agent is connected.
	run := func() *ecs.RunTaskOutput {
		out, err := ecsClient(s).RunTask(t.Context(), &ecs.RunTaskInput{
			Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), PlacementConstraints: onInstance(newInstanceID),
		})
		g.Expect(err).NotTo(HaveOccurred())
		return out
	}
	g.Expect(run().Failures).To(ContainElement(types.Failure{Arn: aws.String(arn), Reason: aws.String("AGENT")}))
	s.Region().SetAgentConnected(arn, true)
	g.Expect(*run().Tasks[0].ContainerInstanceArn).To(Equal(arn))
	g.Eventually(func() ([]trailtypes.Event, error) {
		return lookup(t, s, cloudtrail.LookupEventsInput{LookupAttributes: by(trailtypes.LookupAttributeKeyEventName, "RegisterContainerInstance")})
	}).Should(ConsistOf(HaveField("CloudTrailEvent", HaveValue(ContainSubstring(arn)))))
}

// An agent that starts again names the instance that it was.
func TestRegisterContainerInstanceAgain(t *testing.T) {
	s, g := start(t)
	made := registered(t, g, s, registration())
	again := registration()
	again.ContainerInstanceArn, again.Attributes = made.ContainerInstanceArn, []types.Attribute{{Name: aws.String("ecs.capability.logging-driver.awslogs")}}
	again.TotalResources[1].IntegerValue = 3000
	updated := registered(t, g, s, again)
	g.Expect(*updated.ContainerInstanceArn).To(Equal(*made.ContainerInstanceArn))
	g.Expect(*updated.RegisteredAt).To(Equal(*made.RegisteredAt))
	g.Expect(updated.Version).To(Equal(made.Version + 1))
	g.Expect(attributeValues(updated)).To(And(HaveKey("ecs.capability.logging-driver.awslogs"), HaveKeyWithValue("stack", "blue")))
	g.Expect(updated.RegisteredResources).To(ContainElement(HaveField("IntegerValue", int32(3000))))

	again.InstanceIdentityDocument = identity(func(doc map[string]string) { doc["instanceType"] = "c7g.xlarge" })
	_, err := ecsClient(s).RegisterContainerInstance(t.Context(), again)
	g.Expect(err).To(MatchError(ContainSubstring("ClientException: Container instance type changes are not supported.")))
	// With no ARN it is another one, unless the client token says that it is the same request.
	g.Expect(*registered(t, g, s, registration()).ContainerInstanceArn).NotTo(Equal(*made.ContainerInstanceArn))
	const request = `{"cluster":"demo","clientToken":"a","attributes":[{"name":"ecs.capability.external"}]}`
	_, first := post(t, s, "ecs", "AmazonEC2ContainerServiceV20141113.RegisterContainerInstance", request)
	status, second := post(t, s, "ecs", "AmazonEC2ContainerServiceV20141113.RegisterContainerInstance", request)
	g.Expect(status).To(Equal(http.StatusOK), second)
	g.Expect(second).To(Equal(first))
}

func TestRegisterContainerInstanceRefuses(t *testing.T) {
	s, g := start(t)
	before := s.Region().ContainerInstances()
	document := func(change func(map[string]string)) func(*ecs.RegisterContainerInstanceInput) {
		return func(in *ecs.RegisterContainerInstanceInput) { in.InstanceIdentityDocument = identity(change) }
	}
	for name, tc := range map[string]struct {
		change func(*ecs.RegisterContainerInstanceInput)
		want   string
	}{
		// The words of the first are those by which an agent goes to make the cluster default.
		"no such cluster":   {func(in *ecs.RegisterContainerInstanceInput) { in.Cluster = nil }, "ClientException: Cluster not found."},
		"no such instance":  {func(in *ecs.RegisterContainerInstanceInput) { in.ContainerInstanceArn = aws.String(dedicated1 + "0") }, "ClientException: Container instance not found."},
		"no document":       {func(in *ecs.RegisterContainerInstanceInput) { in.InstanceIdentityDocument = nil }, "ClientException: "},
		"no JSON":           {func(in *ecs.RegisterContainerInstanceInput) { in.InstanceIdentityDocument = aws.String("x") }, "ClientException: "},
		"another account":   {document(func(doc map[string]string) { doc["accountId"] = "210987654321" }), "ClientException: "},
		"another Region":    {document(func(doc map[string]string) { doc["region"] = "us-east-1" }), "ClientException: "},
		"no instance":       {document(func(doc map[string]string) { delete(doc, "instanceId") }), "ClientException: "},
		"no address":        {document(func(doc map[string]string) { delete(doc, "privateIp") }), "ClientException: "},
		"in no subnet":      {document(func(doc map[string]string) { doc["privateIp"] = "192.0.2.1" }), "ClientException: The private address 192.0.2.1 "},
		"unknown resource":  {func(in *ecs.RegisterContainerInstanceInput) { in.TotalResources[0].Name = aws.String("DISK") }, "InvalidParameterException: "},
		"type of resource":  {func(in *ecs.RegisterContainerInstanceInput) { in.TotalResources[0].Type = aws.String("LONG") }, "InvalidParameterException: "},
		"negative resource": {func(in *ecs.RegisterContainerInstanceInput) { in.TotalResources[1].IntegerValue = -1 }, "InvalidParameterException: "},
		"no port":           {func(in *ecs.RegisterContainerInstanceInput) { in.TotalResources[2].StringSetValue = []string{"65536"} }, "InvalidParameterException: "},
		"attribute without a name": {func(in *ecs.RegisterContainerInstanceInput) {
			in.Attributes[0].Name = aws.String("")
		}, "InvalidParameterException: "},
		"unknown device": {func(in *ecs.RegisterContainerInstanceInput) { in.PlatformDevices[0].Type = "TPU" }, "InvalidParameterException: "},
		"reserved tag":   {func(in *ecs.RegisterContainerInstanceInput) { in.Tags[0].Key = aws.String("aws:x") }, "InvalidParameterException: "},
	} {
		t.Run(name, func(t *testing.T) {
			in := registration()
			tc.change(in)
			_, err := ecsClient(s).RegisterContainerInstance(t.Context(), in)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.want)))
		})
	}
	g.Expect(s.Region().ContainerInstances()).To(Equal(before))
}

// A machine outside of AWS has no identity document: its id is the name of its role's session.
func TestRegisterExternalInstance(t *testing.T) {
	const machine = "mi-0a1b2c3d4e5f60718"
	s, g := start(t, func(o *Options) {
		o.World = world.Default()
		o.World.AccessKeys = []world.AccessKey{{ID: "ASIAMACHINE", Secret: "x", Role: "arn:aws:iam::123456789012:role/anywhere", Session: machine}}
	})
	in := registration()
	in.InstanceIdentityDocument, in.Attributes = aws.String(""), append(in.Attributes, types.Attribute{Name: aws.String("ecs.capability.external")})
	made := registered(t, g, s, in)
	g.Expect(*made.Ec2InstanceId).To(Equal(machine))
	g.Expect(attributeValues(made)).NotTo(HaveKey("ecs.subnet-id"))
	s.Region().SetAgentConnected(*made.ContainerInstanceArn, true)
	out, err := ecsClient(s).StartTask(t.Context(), &ecs.StartTaskInput{
		Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), ContainerInstances: []string{*made.ContainerInstanceArn},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Tasks[0].LaunchType).To(Equal(types.LaunchTypeExternal))
}

func TestDeregisterContainerInstance(t *testing.T) {
	s, g := start(t)
	deregister := func(arn string, force bool) (*ecs.DeregisterContainerInstanceOutput, error) {
		return ecsClient(s).DeregisterContainerInstance(t.Context(), &ecs.DeregisterContainerInstanceInput{
			Cluster: aws.String("demo"), ContainerInstance: aws.String(arn), Force: aws.Bool(force),
		})
	}
	task := startTask(t, g, s)
	_, err := deregister(dedicated1, false)
	g.Expect(err).To(MatchError(ContainSubstring("InvalidParameterException: Found running tasks on the instance.")))
	out, err := deregister(dedicated1, true)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.ContainerInstance.Status).To(Equal("INACTIVE"))
	g.Expect(connected(s)).NotTo(ContainElement(dedicated1))
	g.Expect(describedTask(t, g, s, task).Connectivity).To(Equal(types.ConnectivityDisconnected), "it is an orphan")
	_, err = deregister(dedicated1, true)
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
	_, err = deregister("", false)
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
	_, err = ecsClient(s).DeregisterContainerInstance(t.Context(), &ecs.DeregisterContainerInstanceInput{ContainerInstance: aws.String(dedicated2)})
	g.Expect(code(err)).To(Equal("ClusterNotFoundException"))
}

// What the role of an instance needs, and no more.
func TestPolicyOnAgents(t *testing.T) {
	var statements []string
	for _, action := range []string{"RegisterContainerInstance", "DeregisterContainerInstance", "SubmitTaskStateChange", "SubmitContainerStateChange"} {
		statements = append(statements, allow("ecs:"+action, demoARN, ""))
	}
	statements = append(statements, allow("ecs:TagResource", instances+"*", `"StringEquals":{"ecs:CreateAction":"RegisterContainerInstance","aws:RequestTag/team":"a"}`))
	s, g := under(t, strings.Join(statements, ","))
	made := registered(t, g, s, registration())

	tagged := registration()
	tagged.Tags[0].Value = aws.String("b")
	_, err := ecsClient(s).RegisterContainerInstance(t.Context(), tagged)
	g.Expect(err).To(MatchError(ContainSubstring("ecs:TagResource on resource: " + instances + "*")))
	elsewhere := registration()
	elsewhere.Cluster, elsewhere.Tags = aws.String("other"), nil
	_, err = ecsClient(s).RegisterContainerInstance(t.Context(), elsewhere)
	g.Expect(err).To(MatchError(ContainSubstring("ecs:RegisterContainerInstance on resource: " + strings.Replace(demoARN, "demo", "other", 1))))
	for cluster, want := range map[string]string{"demo": "InvalidParameterException", "other": "AccessDeniedException"} {
		_, err = ecsClient(s).SubmitTaskStateChange(t.Context(), &ecs.SubmitTaskStateChangeInput{
			Cluster: aws.String(cluster), Task: aws.String("0123456789abcdef0123456789abcdef"), Status: aws.String("RUNNING"),
		})
		g.Expect(code(err)).To(Equal(want), cluster)
	}
	_, err = ecsClient(s).DeregisterContainerInstance(t.Context(), &ecs.DeregisterContainerInstanceInput{
		Cluster: aws.String("demo"), ContainerInstance: made.ContainerInstanceArn,
	})
	g.Expect(err).NotTo(HaveOccurred())
}
