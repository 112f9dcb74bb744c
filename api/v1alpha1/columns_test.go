// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"encoding/json"
	"net/http"
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

var _ = Describe("kubectl get", func() {
	It("shows the columns, empty before anything is known", func(ctx context.Context) {
		narrow, wide, cells := row(table(ctx, stored(ctx, nil)))
		Expect(narrow).To(Equal("Name STATE CLUSTER SUBNET DISCONNECTED AGENTS EXPIRES AGE"))
		Expect(wide).To(Equal("ACL MODE REGION"))
		Expect(cells).To(Equal(map[string]any{
			"STATE": nil, "CLUSTER": "demo", "SUBNET": "subnet-0a1b2c3d4e5f67890", "DISCONNECTED": nil, "AGENTS": nil, "EXPIRES": nil,
			"ACL": nil, "MODE": nil, "REGION": nil,
		}))
	})

	It("shows a run, zeros and a time in the future included", func(ctx context.Context) {
		u := stored(ctx, nil)
		succeeded := condition(0)
		succeeded["type"], succeeded["status"], succeeded["reason"] = "Succeeded", "Unknown", "Blocking"
		Expect(patchStatus(ctx, u, fields{
			"conditions":     []any{condition(1), succeeded},
			"expirationTime": "2999-01-02T15:04:05Z",
			"agents":         fields{"total": 2, "disconnected": 0},
			"networkACL":     fields{"id": "acl-0a1b2c3d", "mode": "InPlace", "modeReason": "OnlySubnet"},
			"target":         fields{"accountID": "123456789012", "region": "ap-northeast-1", "clusterARN": "arn", "vpcID": "vpc-0a1b2c3d"},
		})).To(Succeed())
		_, _, cells := row(table(ctx, u))
		Expect(cells).To(Equal(map[string]any{
			"STATE": "Blocking", "CLUSTER": "demo", "SUBNET": "subnet-0a1b2c3d4e5f67890", "DISCONNECTED": 0.0, "AGENTS": 2.0,
			"EXPIRES": "2999-01-02T15:04:05Z", "ACL": "acl-0a1b2c3d", "MODE": "InPlace", "REGION": "ap-northeast-1",
		}))
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
