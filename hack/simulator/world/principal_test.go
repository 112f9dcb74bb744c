// SPDX-License-Identifier: Apache-2.0

package world

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
)

func TestPrincipals(t *testing.T) {
	g := gomega.NewWithT(t)
	w, err := Parse([]byte(string(DefaultYAML()) + `
accessKeys:
- {id: AKIAALICE, secret: x, arn: "arn:aws:iam::123456789012:user/people/alice"}
- {id: AKIAROOT, secret: x, account: "210987654321", arn: "arn:aws:iam::210987654321:root"}
- {id: ASIADEPLOY, secret: x, role: "arn:aws:iam::123456789012:role/ci/deploy", session: build-42}
- {id: ASIACHINA, secret: x, role: "arn:aws-cn:iam::123456789012:role/nightly", session: run-1, invokedBy: states.amazonaws.com}
- {id: ASIAGIVEN, secret: x, arn: "arn:aws:sts::123456789012:assumed-role/nightly/run-2", invokedBy: events.amazonaws.com}
`))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	type principal struct{ arn, role, session, invokedBy string }
	var all []principal
	for _, k := range w.Keys() {
		all = append(all, principal{k.ARN, k.Role, k.Session, k.InvokedBy})
	}
	g.Expect(all).To(gomega.Equal([]principal{
		{"arn:aws:iam::123456789012:user/people/alice", "", "", ""},
		{"arn:aws:iam::210987654321:root", "", "", ""},
		{"arn:aws:sts::123456789012:assumed-role/deploy/build-42", "arn:aws:iam::123456789012:role/ci/deploy", "build-42", ""},
		{"arn:aws-cn:sts::123456789012:assumed-role/nightly/run-1", "arn:aws-cn:iam::123456789012:role/nightly", "run-1", "states.amazonaws.com"},
		{"arn:aws:sts::123456789012:assumed-role/nightly/run-2", "arn:aws:iam::123456789012:role/nightly", "run-2", "events.amazonaws.com"},
	}))
}

func TestPrincipalMistakes(t *testing.T) {
	const role = `role: "arn:aws:iam::123456789012:role/deploy"`
	for name, tc := range map[string]struct{ fields, want string }{
		"no principal":         {`arn: alice`, `accessKeys[0].arn: "alice" is no user and no role's session; write an ARN like arn:aws:iam::123456789012:user/name`},
		"a role is no caller":  {`arn: "arn:aws:iam::123456789012:role/deploy"`, "accessKeys[0].arn"},
		"user elsewhere":       {`arn: "arn:aws:iam::210987654321:user/a"`, "is of account 210987654321, the access key of 123456789012; write that account under account"},
		"role elsewhere":       {`role: "arn:aws:iam::210987654321:role/a", session: ab`, "accessKeys[0].role: arn:aws:iam::210987654321:role/a is of account"},
		"no role":              {`role: deploy, session: ab`, `accessKeys[0].role: "deploy" is no ARN of a role`},
		"role without session": {role, `accessKeys[0].session: "" is no name of a session; write 2 to 64`},
		"bad session":          {role + `, session: "a b"`, `accessKeys[0].session: "a b" is no name of a session`},
		"session of no role":   {`session: ab`, "accessKeys[0].session: only a role has sessions"},
		"arn and role":         {role + `, session: ab, arn: "arn:aws:iam::123456789012:user/a"`, "accessKeys[0]: it has arn and role"},
		"service without role": {`invokedBy: states.amazonaws.com`, "accessKeys[0].invokedBy: a service acts under a role"},
		"no service":           {role + `, session: ab, invokedBy: states`, `accessKeys[0].invokedBy: "states" is no service of AWS; write one like states.amazonaws.com`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(string(DefaultYAML()) + "accessKeys:\n- {id: AKIA1, secret: x, " + tc.fields + "}\n"))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error:\n%v\nwant in it:\n%s", err, tc.want)
			}
		})
	}
}
