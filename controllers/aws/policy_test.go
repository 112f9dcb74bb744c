// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"encoding/json"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// document is a policy of IAM.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid, Effect      string
	Principal        map[string]string
	Action, Resource oneOrMore
	Condition        map[string]map[string]oneOrMore
}

// oneOrMore is a list that IAM lets one write without brackets.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(o))
}

// iamFile is what is in a file of config/iam.
func iamFile(g *WithT, name string) []byte {
	data, err := os.ReadFile(filepath.Join("..", "..", "config", "iam", name))
	g.Expect(err).NotTo(HaveOccurred())
	return data
}

func policy(g *WithT, name string) document {
	var d document
	g.Expect(json.Unmarshal(iamFile(g, name), &d)).To(Succeed())
	g.Expect(d.Version).To(Equal("2012-10-17"))
	g.Expect(d.Statement).NotTo(BeEmpty())
	for _, s := range d.Statement {
		g.Expect(s.Effect).To(Equal("Allow"))
		g.Expect(s.Sid).To(MatchRegexp("^[A-Za-z0-9]+$"), "IAM takes no other characters")
	}
	return d
}

// actions are the actions that calling each method of an interface takes.
func actions(service string, client reflect.Type) []string {
	var all []string
	for method := range client.Methods() {
		all = append(all, service+":"+method.Name)
	}
	return all
}

// policies are those that the manager's role can be given, one or the other.
var policies = []string{"policy.json", "policy-clone.json"}

const (
	// deadmanPolicy is what the manager's role is given beside them for the dead man's switch.
	deadmanPolicy = "policy-deadman.json"
	// probePolicy is what it is given beside them for runs with a probe.
	probePolicy = "policy-probe.json"
	// deadmanRole is what the role may do that EventBridge Scheduler takes on.
	deadmanRole = "role-deadman.json"
	// callersPolicy is what the manager's role is given beside them to read who called RunTask.
	callersPolicy = "policy-callers.json"
	// brakesPolicy is what it is given beside them to read alarms and the safety lever.
	brakesPolicy = "policy-brakes.json"
	// sweepPolicy is for a person who runs kubectl agentdisconnect sweep.
	sweepPolicy = "policy-sweep.json"
	// hubPolicy is what the manager's role is given beside them to assume roles of other accounts.
	hubPolicy = "policy-hub.json"
)

// granted are the actions that a policy has.
func granted(g *WithT, name string) []string {
	all := map[string]bool{}
	for _, s := range policy(g, name).Statement {
		for _, action := range s.Action {
			g.Expect(action).NotTo(ContainSubstring("*"))
			// With it the role could act as a container instance's agent.
			g.Expect(strings.ToLower(action)).NotTo(Equal("ecs:poll"))
			all[action] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func TestPolicyGrantsWhatTheControllerCalls(t *testing.T) {
	g := NewWithT(t)
	// sts:GetCallerIdentity is not among them: AWS answers it to everyone who has credentials.
	probing := []string{"ecs:DescribeTaskDefinition", "ecs:RunTask", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:StopTask"}
	called := slices.Concat(actions("ec2", reflect.TypeFor[aws.FencedEC2]()), actions("ecs", reflect.TypeFor[aws.FencedECS]()),
		actions("servicequotas", reflect.TypeFor[aws.ServiceQuotas]()))
	g.Expect(called).To(ContainElements(probing))
	called = slices.DeleteFunc(called, func(action string) bool { return slices.Contains(probing, action) })
	for _, name := range policies {
		g.Expect(granted(g, name)).To(ConsistOf(called), name)
	}
	g.Expect(actions("sts", reflect.TypeFor[aws.STS]())).To(ConsistOf("sts:GetCallerIdentity"))

	// iam:PassRole is no call: RunTask, CreateSchedule and UpdateSchedule take it, of the roles that they name.
	g.Expect(granted(g, probePolicy)).To(ConsistOf(append(slices.Clone(probing), "iam:PassRole")))
	g.Expect(granted(g, deadmanPolicy)).To(ConsistOf(append(actions("scheduler", reflect.TypeFor[aws.FencedScheduler]()), "iam:PassRole")))
	g.Expect(granted(g, callersPolicy)).To(ConsistOf(actions("cloudtrail", reflect.TypeFor[aws.CloudTrail]())))
	g.Expect(granted(g, brakesPolicy)).To(ConsistOf(append(actions("cloudwatch", reflect.TypeFor[aws.CloudWatch]()), actions("fis", reflect.TypeFor[aws.FIS]())...)))
	g.Expect(granted(g, deadmanRole)).To(ConsistOf("ec2:DeleteNetworkAclEntry"))
}

func TestPolicyIsBounded(t *testing.T) {
	// These take no resource but all of them.
	unbounded := []string{
		"ec2:DescribeNetworkAcls", "ec2:DescribeSubnets", "ec2:DescribeVpcEndpoints", "ec2:DescribeNetworkInterfaces",
		"ecs:DiscoverPollEndpoint", "ecs:ListClusters", "ecs:DescribeTaskDefinition", "scheduler:ListSchedules", "cloudtrail:LookupEvents",
		"cloudwatch:DescribeAlarms",
	}
	// These are bounded by their cluster, which is a condition.
	ofCluster := []string{"ecs:ListTasks", "ecs:DescribeTasks", "ecs:StopTask", "ecs:RunTask"}
	for _, name := range append(slices.Clone(policies), deadmanPolicy, deadmanRole, probePolicy, callersPolicy, brakesPolicy, sweepPolicy) {
		g := NewWithT(t)
		for _, s := range policy(g, name).Statement {
			for _, action := range s.Action {
				if slices.Contains(unbounded, action) {
					g.Expect(s.Resource).To(ConsistOf("*"), action)
					g.Expect(s.Condition).To(HaveKeyWithValue("StringEquals", HaveKeyWithValue("aws:RequestedRegion", oneOrMore{"REGION"})), action)
					continue
				}
				if slices.Contains(ofCluster, action) {
					g.Expect(s.Condition).To(HaveKeyWithValue("ArnEquals", HaveKeyWithValue("ecs:cluster", oneOrMore{"arn:aws:ecs:REGION:ACCOUNT_ID:cluster/ECS_CLUSTER"})), action)
					if action != "ecs:RunTask" {
						continue
					}
				}
				bound := `^arn:aws:(ec2|ecs|servicequotas|fis):REGION:ACCOUNT_ID:[a-z-]+/(\*|ECS_CLUSTER|VPC_ID)$`
				switch service, _, _ := strings.Cut(action, ":"); service {
				case "scheduler": // it knows no permission for single schedules
					bound = `^arn:aws:scheduler:REGION:ACCOUNT_ID:schedule/SCHEDULE_GROUP/\*$`
				case "iam":
					bound = `^arn:aws:iam::ACCOUNT_ID:role/(DEADMAN_ROLE|TASK_ROLE|TASK_EXECUTION_ROLE)$`
					g.Expect(s.Condition).To(HaveKeyWithValue("StringEquals", HaveKey("iam:PassedToService")), action)
				case "ecs":
					if action == "ecs:RunTask" {
						bound = `^arn:aws:ecs:REGION:ACCOUNT_ID:task-definition/TASK_FAMILY:\*$`
					}
				}
				g.Expect(s.Resource).To(HaveEach(MatchRegexp(bound)), action)
			}
		}
	}
}

// policy-clone.json is policy.json without the statements about network ACLs that aren't clones.
func TestPolicyForClonesIsAPartOfTheFullOne(t *testing.T) {
	g := NewWithT(t)
	notClones := []string{"PutEntriesInOneVpc", "RemoveEntriesInOneVpc", "WriteTheLedger", "RemoveTheLedger"}
	full := slices.DeleteFunc(policy(g, "policy.json").Statement, func(s statement) bool { return slices.Contains(notClones, s.Sid) })
	g.Expect(policy(g, "policy-clone.json").Statement).To(Equal(full))
}

// A person who sweeps by hand may do nothing that the manager may not.
func TestPolicyForSweepingGrantsNoMore(t *testing.T) {
	g := NewWithT(t)
	wider := slices.Concat(policy(g, "policy.json").Statement, policy(g, deadmanPolicy).Statement, policy(g, probePolicy).Statement)
	for _, s := range policy(g, sweepPolicy).Statement {
		for _, action := range s.Action {
			g.Expect(slices.ContainsFunc(wider, func(wide statement) bool {
				return slices.Contains(wide.Action, action) && slices.Equal(wide.Resource, s.Resource) && within(s.Condition, wide.Condition)
			})).To(BeTrue(), "%s of %s", action, s.Sid)
		}
	}
}

// within reports whether a statement has all conditions that a wider one has, each with values that the wider one takes.
func within(narrow, wide map[string]map[string]oneOrMore) bool {
	for operator, keys := range wide {
		for key, values := range keys {
			have := narrow[operator][key]
			taken := func(value string) bool {
				return slices.ContainsFunc(values, func(pattern string) bool { ok, err := path.Match(pattern, value); return ok && err == nil })
			}
			if len(have) == 0 || slices.ContainsFunc(have, func(value string) bool { return !taken(value) && !slices.Contains(values, value) }) {
				return false
			}
		}
	}
	return true
}

func TestPolicyIsExplained(t *testing.T) {
	g := NewWithT(t)
	readme := string(iamFile(g, "README.md"))
	for _, name := range append(slices.Clone(policies), deadmanPolicy, deadmanRole, probePolicy, callersPolicy, brakesPolicy, sweepPolicy, hubPolicy) {
		seen := map[string]bool{}
		for _, s := range policy(g, name).Statement {
			g.Expect(seen).NotTo(HaveKey(s.Sid))
			seen[s.Sid] = true
			row := "| `" + s.Sid + "` |"
			g.Expect(readme).To(ContainSubstring(row))
			_, rest, _ := strings.Cut(readme, row)
			line, _, _ := strings.Cut(rest, "\n")
			for _, action := range s.Action {
				g.Expect(line).To(ContainSubstring("`" + action + "`"))
			}
		}
	}
}

func TestTrustPoliciesNameTheManagerAlone(t *testing.T) {
	const namespace, account = "agentdisconnect-system", "agentdisconnect-controller-manager"
	g := NewWithT(t)

	podIdentity := policy(g, "trust-pod-identity.json").Statement
	g.Expect(podIdentity).To(HaveLen(1))
	g.Expect(podIdentity[0].Principal).To(Equal(map[string]string{"Service": "pods.eks.amazonaws.com"}))
	g.Expect(podIdentity[0].Action).To(ConsistOf("sts:AssumeRole", "sts:TagSession"))
	g.Expect(podIdentity[0].Condition["StringEquals"]).To(And(
		HaveKeyWithValue("aws:RequestTag/kubernetes-namespace", oneOrMore{namespace}),
		HaveKeyWithValue("aws:RequestTag/kubernetes-service-account", oneOrMore{account}),
		// The manager's EKS cluster need not be in the Region of the subnets.
		HaveKeyWithValue("aws:RequestTag/eks-cluster-arn", oneOrMore{"arn:aws:eks:EKS_REGION:ACCOUNT_ID:cluster/EKS_CLUSTER"})))

	irsa := policy(g, "trust-irsa.json").Statement
	g.Expect(irsa).To(HaveLen(1))
	provider := strings.TrimPrefix(irsa[0].Principal["Federated"], "arn:aws:iam::ACCOUNT_ID:oidc-provider/")
	g.Expect(provider).To(Equal("OIDC_ISSUER"), "the issuer's host differs by partition: it is copied, not made up")
	g.Expect(irsa[0].Action).To(ConsistOf("sts:AssumeRoleWithWebIdentity"))
	g.Expect(irsa[0].Condition["StringEquals"]).To(And(
		HaveKeyWithValue(provider+":sub", oneOrMore{"system:serviceaccount:" + namespace + ":" + account}),
		HaveKeyWithValue(provider+":aud", oneOrMore{"sts.amazonaws.com"})))
}

// The role of a namespace admits the manager for that namespace of one cluster alone. That AWS's rules let the manager in, and
// nobody else, is shown by the specs of several accounts, which go by these documents.
func TestTheRoleOfANamespaceIsForThatNamespaceAlone(t *testing.T) {
	g := NewWithT(t)
	trust := policy(g, "trust-spoke.json").Statement
	g.Expect(trust).To(HaveLen(2))
	tags := map[string]oneOrMore{
		"aws:RequestTag/agentdisconnect.dev/namespace": {"NAMESPACE"}, "aws:RequestTag/agentdisconnect.dev/cluster": {"KUBE_SYSTEM_UID"},
	}
	g.Expect(trust[1].Condition).To(Equal(map[string]map[string]oneOrMore{"StringEquals": tags}))
	g.Expect(trust[1].Action).To(ConsistOf("sts:TagSession"))
	tags["sts:ExternalId"] = oneOrMore{"EXTERNAL_ID"}
	g.Expect(trust[0].Condition).To(Equal(map[string]map[string]oneOrMore{"StringEquals": tags}))
	g.Expect(trust[0].Action).To(ConsistOf("sts:AssumeRole"))
	for _, s := range trust {
		g.Expect(s.Principal).To(Equal(map[string]string{"AWS": "HUB_ROLE_ARN"}))
	}

	hub := policy(g, hubPolicy).Statement
	g.Expect(hub).To(HaveLen(1))
	g.Expect(hub[0].Action).To(ConsistOf("sts:AssumeRole", "sts:TagSession"))
	g.Expect(hub[0].Resource).To(ConsistOf("SPOKE_ROLE_ARN"))
}

// A schedule of a third party, in this account or another, can't make the scheduler use the role.
func TestTheSwitchsRoleIsForItsSchedulesAlone(t *testing.T) {
	g := NewWithT(t)
	trust := policy(g, "trust-deadman.json").Statement
	g.Expect(trust).To(HaveLen(1))
	g.Expect(trust[0].Principal).To(Equal(map[string]string{"Service": "scheduler.amazonaws.com"}))
	g.Expect(trust[0].Action).To(ConsistOf("sts:AssumeRole"))
	g.Expect(trust[0].Condition).To(Equal(map[string]map[string]oneOrMore{"StringEquals": {
		"aws:SourceAccount": {"ACCOUNT_ID"},
		// The scheduler names the group, never the schedule.
		"aws:SourceArn": {"arn:aws:scheduler:REGION:ACCOUNT_ID:schedule-group/SCHEDULE_GROUP"},
	}}))
}
