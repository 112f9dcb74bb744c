// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/report"
)

// checksOfCallers are what a report says of the promises about callers, those of single callers last.
func checksOfCallers(g Gomega, obj *v1alpha1.AgentDisconnect) []string {
	var doc report.Document
	g.Expect(json.Unmarshal([]byte(written(g, obj, report.JSON)), &doc)).To(Succeed())
	var results []string
	for _, check := range doc.Checks {
		if strings.HasPrefix(check.Name, "caller") {
			results = append(results, string(check.Result))
		}
		if check.Name == "caller-recovers" {
			g.Expect(check.Message).NotTo(BeEmpty())
			g.Expect(check.Reason).NotTo(BeEmpty())
		}
	}
	return results
}

// The object of the scenario callers has four: one that did not recover, one that started twice, one
// of which it is not known, and one that recovered. Its run requires recovery.
func TestACallerFailsATestOnlyIfTheRunRequiresItAndItIsKnown(t *testing.T) {
	reportOnly := func(obj *v1alpha1.AgentDisconnect) { obj.Status.StartedWith.Callers.Require = "" }
	isOn := func(obj *v1alpha1.AgentDisconnect) {
		obj.Status.CompletionTime = nil
		meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionSucceeded).Status = "Unknown"
	}
	sees := func(change func(*v1alpha1.CallersStatus)) func(*v1alpha1.AgentDisconnect) {
		return func(obj *v1alpha1.AgentDisconnect) { change(obj.Status.Callers) }
	}
	none := sees(func(c *v1alpha1.CallersStatus) {
		*c = v1alpha1.CallersStatus{ObservedTime: c.ObservedTime, CompleteSince: c.CompleteSince, CompleteUntil: c.CompleteUntil}
	})
	allKnown := func(obj *v1alpha1.AgentDisconnect) {
		c := obj.Status.Callers
		c.Callers, c.Met, c.Recovered, c.NotRecovered, c.NotKnown = c.Callers[3:], 1, 1, 0, 0
		c.CompleteUntil = obj.Status.CompletionTime
	}
	for name, tc := range map[string]struct {
		changes []func(*v1alpha1.AgentDisconnect)
		want    string
	}{
		"required":                 {nil, "passed failed failed passed skipped passed"},
		"reported":                 {[]func(*v1alpha1.AgentDisconnect){reportOnly}, "passed skipped skipped passed skipped passed"},
		"required, not over":       {[]func(*v1alpha1.AgentDisconnect){isOn}, "passed skipped skipped passed skipped passed"},
		"required, none met AGENT": {[]func(*v1alpha1.AgentDisconnect){none}, "failed failed"},
		"reported, none met AGENT": {[]func(*v1alpha1.AgentDisconnect){none, reportOnly}, "skipped skipped"},
		"required, all recovered":  {[]func(*v1alpha1.AgentDisconnect){allKnown}, "passed passed passed"},
		"required, never read":     {[]func(*v1alpha1.AgentDisconnect){func(obj *v1alpha1.AgentDisconnect) { obj.Status.Callers = nil }}, "failed failed"},
		"not looked at": {[]func(*v1alpha1.AgentDisconnect){func(obj *v1alpha1.AgentDisconnect) {
			obj.Status.Callers, obj.Status.StartedWith.Callers = nil, nil
		}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			obj := load(g, "callers")
			for _, change := range tc.changes {
				change(obj)
			}
			g.Expect(strings.Join(checksOfCallers(g, obj), " ")).To(Equal(tc.want))
			g.Expect(strings.Contains(written(g, obj, report.HTML), "<h2>Callers</h2>")).To(Equal(tc.want != ""))
		})
	}
}

func TestManyCallersAreAllShown(t *testing.T) {
	g := NewWithT(t)
	obj := load(g, "callers")
	one := obj.Status.Callers.Callers[3]
	obj.Status.Callers.Callers, obj.Status.Callers.Met = nil, 23
	for i := range v1alpha1.MaxCallers {
		one.Principal = fmt.Sprintf("arn:aws:iam::123456789012:role/service-role/production-order-fulfillment-scheduler-%02d", i)
		obj.Status.Callers.Callers = append(obj.Status.Callers.Callers, one)
	}

	for _, format := range report.Formats() {
		text := written(g, obj, format)
		for _, c := range obj.Status.Callers.Callers {
			g.Expect(text).To(ContainSubstring(strings.TrimPrefix(c.Principal, "arn:aws:iam::123456789012:role/")), string(format))
		}
	}
	g.Expect(written(g, obj, report.Text)).To(ContainSubstring("3 more callers met AGENT: the object lists the 20 that fared worst"))

	var read junit
	g.Expect(xml.Unmarshal([]byte(written(g, obj, report.JUnit)), &read)).To(Succeed())
	names := map[string]bool{}
	for _, c := range read.Suites[0].Cases {
		names[c.ClassName+c.Name] = true
	}
	g.Expect(names).To(HaveLen(read.Suites[0].Tests), "a tool tells test cases apart by their names")
}
