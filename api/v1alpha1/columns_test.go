// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// table asks for an object as kubectl get does.
func table(ctx context.Context, u *unstructured.Unstructured) metav1.Table {
	GinkgoHelper()
	web, err := rest.HTTPClientFor(control.RESTConfig)
	Expect(err).NotTo(HaveOccurred())
	url := strings.TrimSuffix(control.RESTConfig.Host, "/") + "/apis/chaos.agentdisconnect.dev/v1alpha1/namespaces/default/agentdisconnects/" + u.GetName()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	response, err := web.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(response.Body.Close()).To(Succeed()) }()
	Expect(response).To(HaveHTTPStatus(http.StatusOK))
	var t metav1.Table
	Expect(json.NewDecoder(response.Body).Decode(&t)).To(Succeed())
	return t
}

// row gives the columns that kubectl prints, the wide ones included, and what they hold but for the name and the age.
func row(t metav1.Table) (narrow, wide string, cells map[string]any) {
	GinkgoHelper()
	Expect(t.Rows).To(HaveLen(1))
	cells = map[string]any{}
	var names, more []string
	for i, column := range t.ColumnDefinitions {
		Expect(column.Description).NotTo(BeEmpty())
		if column.Priority == 0 {
			names = append(names, column.Name)
		} else {
			more = append(more, column.Name)
		}
		cells[column.Name] = t.Rows[0].Cells[i]
	}
	delete(cells, "Name")
	delete(cells, "AGE")
	return strings.Join(names, " "), strings.Join(more, " "), cells
}

// kubectlGet is what kubectl prints of objects, as its lines.
func kubectlGet(ctx context.Context, args ...string) []string {
	GinkgoHelper()
	config := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(config, control.Kubeconfig, 0o600)).To(Succeed())
	printed, err := exec.CommandContext(ctx, control.Kubectl(), append([]string{"--kubeconfig", config, "get", "agd"}, args...)...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", printed)
	var lines []string
	for line := range strings.Lines(string(printed)) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return lines
}

// seen is an object in a state, as the controller leaves it.
func seen(ctx context.Context, name, state, reason, reached string) *unstructured.Unstructured {
	GinkgoHelper()
	u := object(nil)
	u.SetName(name)
	Expect(kube.Create(ctx, u)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(kube.Delete(ctx, u)).To(Succeed()) })
	succeeded := condition(0)
	succeeded["type"], succeeded["status"], succeeded["reason"] = "Succeeded", "Unknown", state
	status := fields{"conditions": []any{condition(1), succeeded}, "state": state}
	if reason != "" {
		status["reason"] = reason
	}
	if reached != "" {
		status["agents"], status["expirationTime"] = fields{"total": 2, "disconnected": 0, "reached": reached}, "2999-01-02T15:04:05Z"
	}
	Expect(patchStatus(ctx, u, status)).To(Succeed())
	return u
}

// longest is the longest of some words.
func longest(words []string) string {
	return slices.MaxFunc(words, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}

var _ = Describe("kubectl get", func() {
	It("shows the columns, empty before anything is known", func(ctx context.Context) {
		narrow, wide, cells := row(table(ctx, stored(ctx, nil)))
		Expect(narrow).To(Equal("Name STATE REASON AGENTS AGE"))
		Expect(wide).To(Equal("EXPIRES DISCONNECTED CALLERS RECOVERED CLUSTER SUBNET ACL MODE REGION"))
		Expect(cells).To(Equal(map[string]any{
			"STATE": nil, "REASON": nil, "AGENTS": nil, "EXPIRES": nil, "DISCONNECTED": nil, "CALLERS": nil, "RECOVERED": nil,
			"CLUSTER": "demo", "SUBNET": "subnet-0a1b2c3d4e5f67890", "ACL": nil, "MODE": nil, "REGION": nil,
		}))
	})

	It("shows a run, zeros and a time in the future included", func(ctx context.Context) {
		u := seen(ctx, "demo", "Verifying", "DriftDetected", "2/2")
		Expect(patchStatus(ctx, u, fields{
			"callers":    fields{"met": 2, "recovered": 1},
			"networkACL": fields{"id": "acl-0a1b2c3d", "mode": "InPlace", "modeReason": "OnlySubnet"},
			"target":     fields{"accountID": "123456789012", "region": "ap-northeast-1", "clusterARN": "arn", "vpcID": "vpc-0a1b2c3d"},
		})).To(Succeed())
		_, _, cells := row(table(ctx, u))
		Expect(cells).To(Equal(map[string]any{
			"STATE": "Verifying", "REASON": "DriftDetected", "AGENTS": "2/2", "EXPIRES": "2999-01-02T15:04:05Z", "DISCONNECTED": 0.0,
			"CALLERS": 2.0, "RECOVERED": 1.0, "CLUSTER": "demo", "SUBNET": "subnet-0a1b2c3d4e5f67890",
			"ACL": "acl-0a1b2c3d", "MODE": "InPlace", "REGION": "ap-northeast-1",
		}))
	})

	DescribeTable("fits 80 columns", func(ctx context.Context, state, reason, reached string) {
		seen(ctx, "checkout-agents", state, reason, reached)
		lines := kubectlGet(ctx, "checkout-agents")
		Expect(lines).To(HaveLen(2))
		GinkgoWriter.Println(strings.Join(lines, "\n"))
		Expect(strings.Fields(lines[0])).To(Equal([]string{"NAME", "STATE", "REASON", "AGENTS", "AGE"}))
		words := strings.Fields(lines[1])
		Expect(words[:len(words)-1]).To(Equal(strings.Fields(strings.Join([]string{"checkout-agents", state, reason, reached}, " "))))
		Expect(words[len(words)-1]).To(MatchRegexp(`^[0-9]+s$`))
		for _, line := range lines {
			Expect(len(line)).To(BeNumerically("<=", 78), "with room for an age of 364d: "+line)
		}
	},
		Entry("before a manager looked", "Discovering", "", ""),
		Entry("while it waits", "Waiting", "NetworkACLHeld", ""),
		Entry("refused", "Refused", "NoConnectedAgents", ""),
		Entry("refused for the longest reason", "Refused", longest(reasons("Reason")), ""),
		Entry("planned in vain", "PlanRefused", "NoConsent", ""),
		Entry("blocking many agents", "Blocking", "", "1000/1000"),
		Entry("blocking, and a person must act", "Blocking", "LedgerInvalid", "2/2"),
		Entry("ended early", "Restoring", longest(reasons("Abort")), "2/2"),
		Entry("recovering", "Recovering", "", "2/2"),
		Entry("verifying", "Verifying", "", "2/2"),
		Entry("completed", "Completed", "", "2/2"),
		Entry("completed, and a caller did not recover", "Completed", longest(reasons("StateCallers", "StateNoCaller")), "2/2"),
		Entry("failed, in the longest state", longest(reasons("State", "Abort")), "", "1000/1000"),
	)

	It("fits 80 columns with runs in different states", func(ctx context.Context) {
		seen(ctx, "checkout-agents", "Completed", "CallersRecovered", "2/2")
		seen(ctx, "nightly-2026-11-30", "AgentsStayedConnected", "", "1/2")
		seen(ctx, "payments", "Refused", "NoConnectedAgents", "")
		seen(ctx, "search", "Blocking", "", "12/12")
		lines := kubectlGet(ctx, "checkout-agents", "nightly-2026-11-30", "payments", "search")
		GinkgoWriter.Println(strings.Join(lines, "\n"))
		Expect(lines).To(HaveLen(5))
		for _, line := range lines {
			Expect(len(line)).To(BeNumerically("<=", 78), line)
		}
	})

	It("knows the kind by its short name and by its category", func(ctx context.Context) {
		crd := &unstructured.Unstructured{}
		crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		Expect(kube.Get(ctx, client.ObjectKey{Name: "agentdisconnects.chaos.agentdisconnect.dev"}, crd)).To(Succeed())
		Expect(crd.Object["status"].(fields)["acceptedNames"]).To(Equal(fields{
			"kind": "AgentDisconnect", "listKind": "AgentDisconnectList", "plural": "agentdisconnects", "singular": "agentdisconnect",
			"shortNames": list("agd"), "categories": list("chaos"),
		}))
	})
})
