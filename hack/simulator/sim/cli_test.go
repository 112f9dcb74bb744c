// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// TestAWSCLI drives the simulator as a person with the AWS CLI does.
func TestAWSCLI(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the AWS CLI is not on this machine: there is no aws in PATH")
	}
	if testing.Short() {
		t.Skip("the AWS CLI takes about a second a call")
	}
	s, g := start(t, withScheduler)
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "aws", args...)
		// What the machine is configured with stays out.
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
		cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL="+s.URL(), "AWS_REGION=ap-northeast-1", "AWS_DEFAULT_REGION=ap-northeast-1",
			"AWS_ACCESS_KEY_ID="+s.World().Keys()[0].ID, "AWS_SECRET_ACCESS_KEY=x", "AWS_PAGER=",
			"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_MAX_ATTEMPTS=1")
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	ok := func(args ...string) string {
		t.Helper()
		out, err := run(args...)
		g.Expect(err).NotTo(HaveOccurred(), out)
		return out
	}
	fails := func(args ...string) string {
		t.Helper()
		out, err := run(args...)
		g.Expect(err).To(HaveOccurred(), out)
		return out
	}

	if out, err := run("sts", "get-caller-identity", "--query", "Account", "--output", "text"); err != nil || out != "123456789012" {
		if strings.Contains(out, "Could not connect") || strings.Contains(out, "InvalidClientTokenId") {
			t.Skip("this AWS CLI is older than AWS_ENDPOINT_URL (2.13, 1.29)")
		}
		t.Fatalf("sts get-caller-identity: %s %v", out, err)
	}
	ok("ec2", "create-network-acl-entry", "--network-acl-id", dedicatedACL, "--egress", "--rule-number", "80", "--protocol", "-1",
		"--rule-action", "deny", "--cidr-block", "52.119.223.69/32")
	g.Expect(fails("ec2", "create-network-acl-entry", "--network-acl-id", dedicatedACL, "--egress", "--rule-number", "80", "--protocol", "-1",
		"--rule-action", "deny", "--cidr-block", "52.119.223.69/32")).To(ContainSubstring("(NetworkAclEntryAlreadyExists)"))
	g.Expect(ok("ec2", "describe-network-acls", "--filters", "Name=association.subnet-id,Values="+dedicated,
		"--query", "NetworkAcls[0].Entries[0].[RuleNumber,CidrBlock,RuleAction]", "--output", "text")).To(Equal("80\t52.119.223.69/32\tdeny"))
	ok("ec2", "create-tags", "--resources", dedicatedACL, "--tags", "Key=a,Value=b c")
	g.Expect(ok("ec2", "describe-tags", "--filters", "Name=resource-id,Values="+dedicatedACL, "--query", "Tags[?Key=='a'].Value", "--output", "text")).
		To(Equal("b c"))
	g.Expect(fails("ec2", "describe-instances")).To(ContainSubstring("(InvalidAction)"))

	g.Expect(ok("ecs", "list-container-instances", "--cluster", "demo", "--filter", "attribute:ecs.subnet-id == "+dedicated,
		"--query", "length(containerInstanceArns)")).To(Equal("2"))
	s.Region().SetAgentConnected(dedicated1, false)
	s.Region().SetAgentConnected(dedicated2, false)
	var failed struct{ Failures []struct{ Reason string } }
	out := ok("ecs", "run-task", "--cluster", "demo", "--task-definition", "demo", "--placement-constraints",
		"type=memberOf,expression=attribute:ecs.subnet-id == "+dedicated)
	g.Expect(json.Unmarshal([]byte(out), &failed)).To(Succeed())
	g.Expect(failed.Failures[0].Reason).To(Equal("AGENT"))
	g.Expect(fails("ecs", "list-services", "--cluster", "demo")).To(ContainSubstring("(UnknownOperationException)"))
	g.Expect(fails("ecs", "list-tasks", "--cluster", "nope")).To(ContainSubstring("(ClusterNotFoundException)"))
	ok("scheduler", "create-schedule", "--name", "one", "--group-name", switchGroup, "--schedule-expression", "at(2100-01-02T03:04:05)",
		"--flexible-time-window", "Mode=OFF", "--action-after-completion", "DELETE", "--target",
		`{"Arn":"arn:aws:scheduler:::aws-sdk:ec2:deleteNetworkAclEntry","RoleArn":"`+switchRole+`","Input":"{}"}`)
	g.Expect(ok("scheduler", "list-schedules", "--group-name", switchGroup, "--query", "Schedules[].Name", "--output", "text")).To(Equal("one"))
	g.Expect(fails("scheduler", "get-schedule", "--name", "one")).To(ContainSubstring("(ResourceNotFoundException)"))
	ok("scheduler", "delete-schedule", "--name", "one", "--group-name", switchGroup)
	ok("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=RunTask")
}
