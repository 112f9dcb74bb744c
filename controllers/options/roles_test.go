// SPDX-License-Identifier: Apache-2.0

package options

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

func TestANamespaceHasItsOwnRoleAndSwitch(t *testing.T) {
	g := NewWithT(t)
	roles, err := ParseNamespaceRoles([]string{
		"payments=arn:aws:iam::222222222222:role/agentdisconnect",
		"checkout=arn:aws:iam::333333333333:role/x;deadman-role-arn=arn:aws:iam::333333333333:role/s;deadman-schedule-group=g",
	})
	g.Expect(err).NotTo(HaveOccurred())
	o := Options{NamespaceRoles: roles, ClusterID: "kube-1", DeadManRoleARN: "own", DeadManScheduleGroup: "group"}
	g.Expect(o.RoleOf("payments")).To(Equal(aws.Role{
		Namespace: "payments", ARN: "arn:aws:iam::222222222222:role/agentdisconnect", ExternalID: "agentdisconnect/payments", ClusterID: "kube-1",
	}))
	g.Expect(o.RoleOf("payment")).To(Equal(aws.Role{}), "a name that begins alike is another one")

	switches := func(namespace string) [2]string {
		role, group := o.SwitchOf(namespace)
		return [2]string{role, group}
	}
	g.Expect(switches("other")).To(Equal([2]string{"own", "group"}))
	g.Expect(switches("payments")).To(Equal([2]string{"", ""}), "the manager's own is of another account")
	g.Expect(switches("checkout")).To(Equal([2]string{"arn:aws:iam::333333333333:role/s", "g"}))

	o.RequireNamespaceRole = true
	g.Expect(o.RoleOf("other")).To(Equal(aws.Role{Namespace: "other", Forbidden: true}))
	g.Expect(o.RoleOf("payments").Forbidden).To(BeFalse())
}

func TestTheNumberOfRolesIsBounded(t *testing.T) {
	g := NewWithT(t)
	var items []string
	for i := range MostNamespaceRoles {
		items = append(items, fmt.Sprintf("n%d=arn:aws:iam::222222222222:role/x", i))
	}
	_, err := ParseNamespaceRoles(items)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = ParseNamespaceRoles(append(items, "one-more=arn:aws:iam::222222222222:role/x"))
	g.Expect(err).To(MatchError("--namespace-role names 101 namespaces: the manager takes 100 at most"))
}
