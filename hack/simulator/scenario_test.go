// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// begin starts the program in the scenario agent, for as long as the test runs, and waits until it
// says that it is ready.
func begin(t *testing.T, args ...string) (*WithT, aws.Config, *gbytes.Buffer) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := gbytes.NewBuffer()
	cmd := command()
	cmd.SetArgs(append([]string{"--scale", "200", "--scenario", "agent"}, args...))
	cmd.SetOut(out)
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { err = cmd.ExecuteContext(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		g.Expect(err).NotTo(HaveOccurred())
	})
	g.Eventually(out).Should(gbytes.Say("(?m)^# Ready: "))
	url := regexp.MustCompile(`AWS_ENDPOINT_URL=(\S+)`).FindSubmatch(out.Contents())[1]
	return g, aws.Config{
		Region: "ap-northeast-1", BaseEndpoint: aws.String(string(url)),
		Credentials: credentials.NewStaticCredentialsProvider(world.DefaultAccessKey, world.DefaultSecret, ""),
	}, out
}

// runTask is why ECS placed no task on each container instance; none if it started one.
func runTask(t *testing.T, g *WithT, config aws.Config, definition string) (reasons []string) {
	out, err := ecs.NewFromConfig(config).RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String(definition)})
	if err != nil {
		return []string{err.Error()}
	}
	for _, f := range out.Failures {
		reasons = append(reasons, *f.Reason)
	}
	if len(reasons) == 0 {
		g.Expect(out.Tasks).To(HaveLen(1))
	}
	return reasons
}

var everyAgent = []string{"AGENT", "AGENT", "AGENT"}

func TestAgentsAreCutOffUntilRunTaskWasCalledSoOften(t *testing.T) {
	g, config, out := begin(t, "--recover-after-calls", "3")
	for range 2 {
		g.Expect(runTask(t, g, config, "demo")).To(Equal(everyAgent))
	}
	g.Expect(runTask(t, g, config, "nothing")).To(ConsistOf(ContainSubstring("TaskDefinition not found")), "a call that fails as a whole does not count")
	for range 4 { // nor does any other
		listed, err := ecs.NewFromConfig(config).ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{
			Cluster: aws.String("demo"), Filter: aws.String("agentConnected == false"),
		})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(listed.ContainerInstanceArns).To(HaveLen(3))
	}
	g.Expect(denies(t, g, config)).To(HaveLen(2*6), "six addresses, on each of the two network ACLs")
	g.Expect(runTask(t, g, config, "demo")).To(Equal(everyAgent))
	g.Eventually(func() []string { return runTask(t, g, config, "demo") }).Should(BeEmpty())
	g.Eventually(out).Should(gbytes.Say("# All agents are connected."))
	g.Expect(denies(t, g, config)).To(BeEmpty())
}

func TestAgentsAreCutOffForATime(t *testing.T) {
	g, config, out := begin(t, "--recover-after", "200ms")
	g.Eventually(out).Should(gbytes.Say("# All agents are connected."))
	g.Expect(runTask(t, g, config, "demo")).To(BeEmpty())
	g.Expect(denies(t, g, config)).To(BeEmpty())
}

func TestAgentsReturnWhenTheDeniesAreDeletedByHand(t *testing.T) {
	g, config, _ := begin(t)
	g.Expect(runTask(t, g, config, "demo")).To(Equal(everyAgent))
	for _, d := range denies(t, g, config) {
		_, err := ec2.NewFromConfig(config).DeleteNetworkAclEntry(t.Context(), &d)
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Eventually(func() []string { return runTask(t, g, config, "demo") }).Should(BeEmpty())
}

// denies are the denies of an address, as requests to delete them.
func denies(t *testing.T, g *WithT, config aws.Config) (found []ec2.DeleteNetworkAclEntryInput) {
	out, err := ec2.NewFromConfig(config).DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	for _, a := range out.NetworkAcls {
		for _, e := range a.Entries {
			if e.RuleAction == ec2types.RuleActionDeny && strings.HasSuffix(*e.CidrBlock, "/32") {
				found = append(found, ec2.DeleteNetworkAclEntryInput{NetworkAclId: a.NetworkAclId, RuleNumber: e.RuleNumber, Egress: e.Egress})
			}
		}
	}
	return found
}

func TestScenarioRefuses(t *testing.T) {
	g := NewWithT(t)
	file := func(change func(string) string) string {
		path := filepath.Join(t.TempDir(), "world.yaml")
		g.Expect(os.WriteFile(path, []byte(change(string(world.DefaultYAML()))), 0o600)).To(Succeed())
		return path
	}
	taken := file(func(text string) string {
		return strings.Replace(text, "rule: 100, direction: egress", "rule: 6, direction: egress", 1)
	})
	endpoint := file(func(text string) string {
		return text + "vpcEndpoints: [{vpc: vpc-0a7c1e5f3b9d24680, service: ecs-agent, interfaces: [{subnet: subnet-0e8d6c4b2a9f71350}]}]\n"
	})
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--scenario", "agents"}, `--scenario "agents": there is no such scenario; write agent`},
		{[]string{"--scenario", ""}, `--scenario "": there is no such scenario; write agent`},
		{[]string{"--recover-after", "30s"}, "add --scenario agent"},
		{[]string{"--recover-after-calls", "3"}, "add --scenario agent"},
		{[]string{"--scenario", "agent", "--no-agents"}, "--no-agents: --scenario agent cuts off agents that run"},
		{[]string{"--scenario", "agent", "--recover-after-calls", "0"}, "--recover-after-calls 0: write 1 or more"},
		{[]string{"--scenario", "agent", "--recover-after-calls", "few"}, `"--recover-after-calls" flag: .*numbers are like 3`},
		{[]string{"--scenario", "agent", "--recover-after", "0s"}, "--recover-after 0s: write a duration above 0 such as 30s"},
		{[]string{"--scenario", "agent", "--recover-after", "30"}, `"--recover-after" flag: .*durations like 30s`},
		{[]string{"--scenario", "agent", "--world", taken}, "outbound rules 1 to 6 of network ACL acl-0d5f8a2c4e6b19370"},
		{[]string{"--scenario", "agent", "--world", endpoint}, "VPC endpoint for ecs-agent; remove it from the file of --world"},
	} {
		_, err := execute(t.Context(), tc.args...)
		g.Expect(err).To(MatchError(MatchRegexp(tc.want)), "%v", tc.args)
	}
}

func TestPortThatIsTaken(t *testing.T) {
	g, config, _ := begin(t)
	address := strings.TrimPrefix(*config.BaseEndpoint, "http://")
	_, err := execute(t.Context(), "--scenario", "agent", "--listen", address)
	g.Expect(err).To(MatchError(And(ContainSubstring(address), ContainSubstring("give another address with --listen"))))
}
