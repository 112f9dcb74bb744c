// SPDX-License-Identifier: Apache-2.0

package clusterquery_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/clusterquery"
)

func TestTheSubnetsOfAnExpression(t *testing.T) {
	for expression, want := range map[string]string{
		clusterquery.InSubnets("subnet-1"):             "subnet-1",
		clusterquery.InSubnets("subnet-1", "subnet-2"): "subnet-1, subnet-2",
		"attribute:ecs.subnet-id == ":                  "",
		"attribute:ecs.subnet-id in []":                "",
		"attribute:ecs.vpc-id == vpc-1":                "",
		"attribute:ecs.subnet-id in [subnet-1]":        "",
		"attribute:ecs.subnet-id != subnet-1":          "",
		"attribute:ecs.subnet-id == subnet-1 or x":     "",
		"": "",
	} {
		ids, ok := clusterquery.SubnetsIn(expression)
		NewWithT(t).Expect(ok).To(Equal(want != ""), "%q: %q", expression, ids)
		if ok {
			NewWithT(t).Expect(ids).To(Equal(want))
		}
	}
}
