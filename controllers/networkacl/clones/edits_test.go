// SPDX-License-Identifier: Apache-2.0

package clones_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
)

func TestEdits(t *testing.T) {
	allow, later, open := AllowOut(100, "0.0.0.0/0"), DenyOut(200, "192.0.2.0/24"), Ingress(AllowOut(100, "0.0.0.0/0"))
	deny := DenyOut(80, "10.0.0.1/32")
	rules := []v1alpha1.Rule{Rule(80, "10.0.0.1/32", installed), Rule(81, "10.0.0.2/32", deleting)}
	baseline := []clones.Copy{same(allow), same(open)}
	narrower := TCP(AllowOut(100, "0.0.0.0/0"), 443, 443)
	next := []clones.Copy{same(narrower), same(open), same(later)}
	for _, tc := range []struct {
		name  string
		clone []networkacl.Entry
		want  []string
	}{
		{"as made", With(deny), nil},
		{"changed, as carried over", []networkacl.Entry{narrower, open, later, deny}, nil},
		{"half carried over", []networkacl.Entry{allow, open, later, deny}, nil},
		{"our rules are missing", With(), nil},
		{"what is being deleted is still there", With(deny, DenyOut(81, "10.0.0.2/32")), nil},
		{"added", With(deny, TCP(AllowOut(120, "0.0.0.0/0"), 22, 22)), []string{"rule 120: allow TCP port 22 out to 0.0.0.0/0 was added"}},
		{"added inbound, at a number of ours", With(Ingress(deny)), []string{"rule 80: deny all traffic in from 10.0.0.1/32 was added"}},
		{"replaced", []networkacl.Entry{DenyOut(100, "0.0.0.0/0"), open}, []string{"rule 100: deny all traffic out to 0.0.0.0/0 replaced another entry"}},
		{"one of ours replaced", With(AllowOut(80, "10.0.0.1/32")), []string{"rule 80: allow all traffic out to 10.0.0.1/32 replaced another entry"}},
		{"removed", []networkacl.Entry{open}, []string{"rule 100: allow all traffic out to 0.0.0.0/0 was removed"}},
		{"several, in order", []networkacl.Entry{AllowOut(300, "0.0.0.0/0"), DenyOut(1, "0.0.0.0/0")}, []string{
			"rule 1: deny all traffic out to 0.0.0.0/0 was added", "rule 100: allow all traffic out to 0.0.0.0/0 was removed",
			"rule 300: allow all traffic out to 0.0.0.0/0 was added", "rule 100: allow all traffic in from 0.0.0.0/0 was removed",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			for _, acceptable := range [][][]clones.Copy{{baseline, next}, {next, baseline}, {next, baseline, next}} {
				var got []string
				for _, edit := range clones.Edits(acceptable, rules, tc.clone) {
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
	acceptable := [][]clones.Copy{{same(AllowOut(80, "0.0.0.0/0"))}}
	rules := []v1alpha1.Rule{Rule(80, "10.0.0.1/32", installed)}
	g.Expect(clones.Edits(acceptable, rules, nil)).To(BeEmpty(), "drift")
	g.Expect(clones.Edits(acceptable, rules, []networkacl.Entry{DenyOut(80, "10.0.0.1/32")})).To(BeEmpty())
	g.Expect(clones.Edits(acceptable, rules, []networkacl.Entry{AllowOut(80, "0.0.0.0/0")})).
		To(Equal([]clones.Edit{{Entry: AllowOut(80, "0.0.0.0/0"), Replaced: true}}))
}

func TestCopySteps(t *testing.T) {
	g := NewWithT(t)
	rules := []v1alpha1.Rule{Rule(80, "10.0.0.1/32", installed), Rule(81, "10.0.0.2/32", creating)}
	copies := mustParse(g, "egress 1>101 allow -1 0.0.0.0/0", "egress 2>102 allow -1 ::/0", "egress 80 allow -1 ::/0", "ingress 1 allow -1 0.0.0.0/0")
	clone := []networkacl.Entry{
		DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0"), DenyOut(80, "10.0.0.1/32"), AllowOut(81, "10.0.0.2/32"),
		DenyOut(101, "0.0.0.0/0"), DenyOut(300, "192.0.2.0/24"), Ingress(DenyOut(80, "10.0.0.1/32")),
	}
	create, replace, remove := clones.CopySteps(copies, rules, clone)
	g.Expect(create).To(Equal([]networkacl.Entry{AllowOut(102, "::/0"), Ingress(AllowOut(1, "0.0.0.0/0"))}))
	g.Expect(replace).To(Equal([]networkacl.Entry{AllowOut(101, "0.0.0.0/0")}))
	g.Expect(remove).To(Equal([]networkacl.Entry{DenyOut(300, "192.0.2.0/24"), Ingress(DenyOut(80, "10.0.0.1/32"))}), "a number of ours is ours outbound alone")
	g.Expect(clones.Complete(copies, rules, clone)).To(BeFalse())

	clone = slices.Concat(clone[:3], create, replace)
	g.Expect(clones.Complete(copies, rules, clone)).To(BeTrue(), "whatever stands at the numbers of our rules")
}
