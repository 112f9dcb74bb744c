// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"go.yaml.in/yaml/v3"
)

const templateFile = "../../docs/examples/first-real-run/template.yaml"

// stackTemplate is a CloudFormation template, evaluated as far as values for its references are given.
type stackTemplate struct {
	Parameters map[string]map[string]any
	Resources  map[string]resource
	Outputs    map[string]struct{ Value any }
}

type resource struct {
	Type       string
	DependsOn  any
	Properties map[string]any
}

// reference is what a Ref, a Fn::GetAtt or a Fn::Sub names: a logical name, with .Attribute for an attribute.
type reference string

var inSub = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

// evaluate reads the template with values for what it refers to. A reference without a value stays in its text, as ${…}. All
// references are collected.
func evaluate(g *WithT, values map[string]string) (t stackTemplate, references []reference) {
	text, err := os.ReadFile(templateFile)
	g.Expect(err).NotTo(HaveOccurred())
	var document yaml.Node
	g.Expect(yaml.Unmarshal(text, &document)).To(Succeed())
	refer := func(name string) string {
		references = append(references, reference(name))
		if value, ok := values[name]; ok {
			return value
		}
		return "${" + name + "}"
	}

	var walk func(n *yaml.Node) any
	walk = func(n *yaml.Node) any {
		switch tag := n.ShortTag(); tag {
		case "!Ref", "!GetAtt":
			return refer(n.Value)
		case "!Sub":
			return inSub.ReplaceAllStringFunc(n.Value, func(found string) string { return refer(found[2 : len(found)-1]) })
		case "!Select":
			return "zone-" + n.Content[0].Value
		case "!!map":
			all := map[string]any{}
			for i := 0; i < len(n.Content); i += 2 {
				key := n.Content[i]
				g.Expect(key.ShortTag()).To(Equal("!!str"), "line %d: CloudFormation has no other keys", key.Line)
				g.Expect(all).NotTo(HaveKey(key.Value), "line %d", key.Line)
				all[key.Value] = walk(n.Content[i+1])
			}
			return all
		case "!!seq":
			all := []any{}
			for _, each := range n.Content {
				all = append(all, walk(each))
			}
			return all
		default:
			g.Expect(tag).To(HavePrefix("!!"), "line %d: a function that this test does not know", n.Line)
			var value any
			g.Expect(n.Decode(&value)).To(Succeed())
			return value
		}
	}
	plain, err := json.Marshal(walk(document.Content[0]))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(json.Unmarshal(plain, &t)).To(Succeed())
	return t, references
}

// attributes are what Fn::GetAtt may ask of the types in the template.
var attributes = map[string][]string{
	"AWS::IAM::Role": {"Arn"}, "AWS::IAM::InstanceProfile": {"Arn"}, "AWS::EC2::LaunchTemplate": {"LatestVersionNumber"},
}

func TestEveryReferenceOfTheTemplateResolves(t *testing.T) {
	g := NewWithT(t)
	tmpl, references := evaluate(g, nil)
	for name, each := range tmpl.Resources {
		switch on := each.DependsOn.(type) {
		case string:
			references = append(references, reference(on))
		case []any:
			for _, one := range on {
				references = append(references, reference(one.(string)))
			}
		}
		g.Expect(each.Type).To(MatchRegexp(`^AWS::\w+::\w+$`), name)
	}
	g.Expect(len(references)).To(BeNumerically(">", 50))
	named := map[string]bool{}
	for _, each := range references {
		name, attribute, ofResource := strings.Cut(string(each), ".")
		named[name] = true
		if strings.HasPrefix(name, "AWS::") {
			g.Expect([]string{"AWS::Region", "AWS::AccountId", "AWS::Partition", "AWS::StackName"}).To(ContainElement(name))
			continue
		}
		if ofResource {
			g.Expect(tmpl.Resources).To(HaveKey(name))
			g.Expect(attributes[tmpl.Resources[name].Type]).To(ContainElement(attribute), string(each))
			continue
		}
		_, isParameter := tmpl.Parameters[name]
		_, isResource := tmpl.Resources[name]
		g.Expect(isParameter || isResource).To(BeTrue(), name)
	}
	for name := range tmpl.Parameters {
		g.Expect(named).To(HaveKey(name), "a parameter that nothing uses")
	}
}

// asInDocuments makes the policies of the template those of config/iam.
var asInDocuments = map[string]string{
	"AWS::Partition": "aws", "AWS::Region": "REGION", "AWS::AccountId": "ACCOUNT_ID", "AWS::StackName": "STACK",
	"Vpc": "VPC_ID", "Cluster": "ECS_CLUSTER", "ScheduleGroup": "SCHEDULE_GROUP", "DeadManRole": "DEADMAN_ROLE",
}

func TestThePoliciesOfTheTemplateAreThoseOfTheProduct(t *testing.T) {
	g := NewWithT(t)
	tmpl, _ := evaluate(g, asInDocuments)
	document := func(name string, without ...string) map[string]any {
		text, err := os.ReadFile(filepath.Join("../../config/iam", name))
		g.Expect(err).NotTo(HaveOccurred())
		var found map[string]any
		g.Expect(json.Unmarshal([]byte(strings.ReplaceAll(string(text), "TASK_FAMILY", "STACK-probe")), &found)).To(Succeed())
		found["Statement"] = slices.DeleteFunc(found["Statement"].([]any), func(s any) bool {
			return slices.Contains(without, s.(map[string]any)["Sid"].(string))
		})
		return found
	}

	g.Expect(inlinePolicies(tmpl.Resources["ManagerRole"])).To(Equal(map[string]any{
		"manager": document("policy.json"),
		// The probe's task definition has no roles.
		"probe":   document("policy-probe.json", "HandTheTaskItsRoles"),
		"callers": document("policy-callers.json"), "deadman": document("policy-deadman.json"),
	}))
	g.Expect(inlinePolicies(tmpl.Resources["DeadManRole"])).To(Equal(map[string]any{"deadman": document("role-deadman.json")}))
	g.Expect(tmpl.Resources["DeadManRole"].Properties["AssumeRolePolicyDocument"]).To(Equal(document("trust-deadman.json")))
	g.Expect(tmpl.Resources["ProbeTask"].Properties).NotTo(Or(HaveKey("TaskRoleArn"), HaveKey("ExecutionRoleArn")))
}

// IAM counts the inline policies of a role together, without their white space.
func TestThePoliciesOfTheTemplateFitARole(t *testing.T) {
	const most = 10240
	g := NewWithT(t)
	tmpl, _ := evaluate(g, map[string]string{
		"AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-1", "AWS::AccountId": "123456789012", "AWS::StackName": "agentdisconnect-first-run",
		"Vpc": "vpc-0a1b2c3d4e5f67890", "Cluster": "agentdisconnect-first-run-Cluster-0123456789AB",
		"ScheduleGroup": "agentdisconnect-first-run-ScheduleGroup-0123456789AB", "DeadManRole": "agentdisconnect-first-run-DeadManRole-0123456789AB",
	})
	text, err := json.Marshal(inlinePolicies(tmpl.Resources["ManagerRole"]))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(text)).To(BeNumerically("<", most))
}

func inlinePolicies(role resource) map[string]any {
	all := map[string]any{}
	for _, each := range role.Properties["Policies"].([]any) {
		policy := each.(map[string]any)
		all[fmt.Sprint(policy["PolicyName"])] = policy["PolicyDocument"]
	}
	return all
}

// cfn-lint knows the properties of every type.
func TestCfnLintFindsNothing(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err == nil {
		err = exec.CommandContext(t.Context(), lint, "--version").Run()
	}
	if err != nil {
		t.Skip("cfn-lint is not on this machine (pip install cfn-lint)")
	}
	if out, err := exec.CommandContext(t.Context(), lint, "--template", templateFile).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
