// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

func TestEdits(t *testing.T) {
	allow, later, open := allowOut(100, "0.0.0.0/0"), denyOut(200, "192.0.2.0/24"), ingress(allowOut(100, "0.0.0.0/0"))
	deny := denyOut(80, "10.0.0.1/32")
	rules := []v1alpha1.Rule{rule(80, "10.0.0.1/32", installed), rule(81, "10.0.0.2/32", deleting)}
	baseline := []networkacl.Copy{same(allow), same(open)}
	narrower := tcp(allowOut(100, "0.0.0.0/0"), 443, 443)
	next := []networkacl.Copy{same(narrower), same(open), same(later)}
	for _, tc := range []struct {
		name  string
		clone []networkacl.Entry
		want  []string
	}{
		{"as made", with(deny), nil},
		{"changed, as carried over", []networkacl.Entry{narrower, open, later, deny}, nil},
		{"half carried over", []networkacl.Entry{allow, open, later, deny}, nil},
		{"our rules are missing", with(), nil},
		{"what is being deleted is still there", with(deny, denyOut(81, "10.0.0.2/32")), nil},
		{"added", with(deny, tcp(allowOut(120, "0.0.0.0/0"), 22, 22)), []string{"rule 120: allow TCP port 22 out to 0.0.0.0/0 was added"}},
		{"added inbound, at a number of ours", with(ingress(deny)), []string{"rule 80: deny all traffic in from 10.0.0.1/32 was added"}},
		{"replaced", []networkacl.Entry{denyOut(100, "0.0.0.0/0"), open}, []string{"rule 100: deny all traffic out to 0.0.0.0/0 replaced another entry"}},
		{"one of ours replaced", with(allowOut(80, "10.0.0.1/32")), []string{"rule 80: allow all traffic out to 10.0.0.1/32 replaced another entry"}},
		{"removed", []networkacl.Entry{open}, []string{"rule 100: allow all traffic out to 0.0.0.0/0 was removed"}},
		{"several, in order", []networkacl.Entry{allowOut(300, "0.0.0.0/0"), denyOut(1, "0.0.0.0/0")}, []string{
			"rule 1: deny all traffic out to 0.0.0.0/0 was added", "rule 100: allow all traffic out to 0.0.0.0/0 was removed",
			"rule 300: allow all traffic out to 0.0.0.0/0 was added", "rule 100: allow all traffic in from 0.0.0.0/0 was removed",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			for _, acceptable := range [][][]networkacl.Copy{{baseline, next}, {next, baseline}, {next, baseline, next}} {
				var got []string
				for _, edit := range networkacl.Edits(acceptable, rules, tc.clone) {
					got = append(got, edit.String())
				}
				g.Expect(got).To(Equal(tc.want))
			}
		})
	}
}

// A ledger that was written by hand may claim a copy's number: then what is there is judged as the ledger's.
func TestEditsAtANumberOfTheLedger(t *testing.T) {
	g := NewWithT(t)
	acceptable := [][]networkacl.Copy{{same(allowOut(80, "0.0.0.0/0"))}}
	rules := []v1alpha1.Rule{rule(80, "10.0.0.1/32", installed)}
	g.Expect(networkacl.Edits(acceptable, rules, nil)).To(BeEmpty(), "drift")
	g.Expect(networkacl.Edits(acceptable, rules, []networkacl.Entry{denyOut(80, "10.0.0.1/32")})).To(BeEmpty())
	g.Expect(networkacl.Edits(acceptable, rules, []networkacl.Entry{allowOut(80, "0.0.0.0/0")})).
		To(Equal([]networkacl.Edit{{Entry: allowOut(80, "0.0.0.0/0"), Replaced: true}}))
}

func TestCopySteps(t *testing.T) {
	g := NewWithT(t)
	rules := []v1alpha1.Rule{rule(80, "10.0.0.1/32", installed), rule(81, "10.0.0.2/32", creating)}
	copies := mustParse(g, "egress 1>101 allow -1 0.0.0.0/0", "egress 2>102 allow -1 ::/0", "egress 80 allow -1 ::/0", "ingress 1 allow -1 0.0.0.0/0")
	clone := []networkacl.Entry{
		denyOut(networkacl.DefaultIPv4, "0.0.0.0/0"), denyOut(80, "10.0.0.1/32"), allowOut(81, "10.0.0.2/32"),
		denyOut(101, "0.0.0.0/0"), denyOut(300, "192.0.2.0/24"), ingress(denyOut(80, "10.0.0.1/32")),
	}
	create, replace, remove := networkacl.CopySteps(copies, rules, clone)
	g.Expect(create).To(Equal([]networkacl.Entry{allowOut(102, "::/0"), ingress(allowOut(1, "0.0.0.0/0"))}))
	g.Expect(replace).To(Equal([]networkacl.Entry{allowOut(101, "0.0.0.0/0")}))
	g.Expect(remove).To(Equal([]networkacl.Entry{denyOut(300, "192.0.2.0/24"), ingress(denyOut(80, "10.0.0.1/32"))}), "a number of ours is ours outbound alone")
	g.Expect(networkacl.Complete(copies, rules, clone)).To(BeFalse())

	clone = slices.Concat(clone[:3], create, replace)
	g.Expect(networkacl.Complete(copies, rules, clone)).To(BeTrue(), "whatever stands at the numbers of our rules")
}
