// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"encoding/json"
	"maps"
	"os"
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
	Condition        map[string]map[string]string
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

// policies are those that a role can be given, one or the other.
var policies = []string{"policy.json", "policy-clone.json"}

func TestPolicyGrantsWhatTheControllerCalls(t *testing.T) {
	for _, name := range policies {
		g := NewWithT(t)
		granted := map[string]bool{}
		for _, s := range policy(g, name).Statement {
			for _, action := range s.Action {
				granted[action] = true
			}
		}
		// sts:GetCallerIdentity is not among them: AWS answers it to everyone who has credentials.
		called := slices.Concat(actions("ec2", reflect.TypeFor[aws.EC2]()), actions("ecs", reflect.TypeFor[aws.ECS]()),
			actions("servicequotas", reflect.TypeFor[aws.ServiceQuotas]()))
		g.Expect(slices.Collect(maps.Keys(granted))).To(ConsistOf(called), name)
		g.Expect(actions("sts", reflect.TypeFor[aws.STS]())).To(ConsistOf("sts:GetCallerIdentity"))

		g.Expect(granted).NotTo(HaveKey(ContainSubstring("*")))
		// With it the role could act as a container instance's agent.
		g.Expect(granted).NotTo(HaveKey(WithTransform(strings.ToLower, Equal("ecs:poll"))))
	}
}

func TestPolicyIsBounded(t *testing.T) {
	// These take no resource but all of them.
	unbounded := []string{
		"ec2:DescribeNetworkAcls", "ec2:DescribeSubnets", "ec2:DescribeVpcEndpoints", "ec2:DescribeNetworkInterfaces",
		"ecs:DiscoverPollEndpoint", "ecs:ListClusters",
	}
	for _, name := range policies {
		g := NewWithT(t)
		for _, s := range policy(g, name).Statement {
			for _, action := range s.Action {
				if slices.Contains(unbounded, action) {
					g.Expect(s.Resource).To(ConsistOf("*"), action)
					g.Expect(s.Condition).To(HaveKeyWithValue("StringEquals", HaveKeyWithValue("aws:RequestedRegion", "REGION")), action)
					continue
				}
				g.Expect(s.Resource).To(HaveEach(MatchRegexp(`^arn:aws:(ec2|ecs|servicequotas):REGION:ACCOUNT_ID:[a-z-]+/(\*|ECS_CLUSTER|VPC_ID)$`)), action)
			}
		}
	}
}

// Whoever swaps policy.json for policy-clone.json gives up permissions, and gains none.
func TestPolicyForClonesGrantsNoMore(t *testing.T) {
	g := NewWithT(t)
	full := policy(g, "policy.json").Statement
	for _, s := range policy(g, "policy-clone.json").Statement {
		for _, action := range s.Action {
			g.Expect(slices.ContainsFunc(full, func(wider statement) bool {
				return slices.Contains(wider.Action, action) && slices.Equal(wider.Resource, s.Resource) && within(s.Condition, wider.Condition)
			})).To(BeTrue(), "%s of %s", action, s.Sid)
		}
	}
}

// within says whether a statement has all conditions that a wider one has.
func within(narrow, wide map[string]map[string]string) bool {
	for operator, keys := range wide {
		for key, value := range keys {
			if narrow[operator][key] != value {
				return false
			}
		}
	}
	return true
}

func TestPolicyIsExplained(t *testing.T) {
	g := NewWithT(t)
	readme := string(iamFile(g, "README.md"))
	for _, name := range policies {
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
		HaveKeyWithValue("aws:RequestTag/kubernetes-namespace", namespace),
		HaveKeyWithValue("aws:RequestTag/kubernetes-service-account", account),
		HaveKey("aws:RequestTag/eks-cluster-arn")))

	irsa := policy(g, "trust-irsa.json").Statement
	g.Expect(irsa).To(HaveLen(1))
	provider := strings.TrimPrefix(irsa[0].Principal["Federated"], "arn:aws:iam::ACCOUNT_ID:oidc-provider/")
	g.Expect(irsa[0].Action).To(ConsistOf("sts:AssumeRoleWithWebIdentity"))
	g.Expect(irsa[0].Condition["StringEquals"]).To(And(
		HaveKeyWithValue(provider+":sub", "system:serviceaccount:"+namespace+":"+account),
		HaveKeyWithValue(provider+":aud", "sts.amazonaws.com")))
}
