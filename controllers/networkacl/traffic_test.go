// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
)

func TestChangeOf(t *testing.T) {
	all := []networkacl.Entry{AllowOut(100, Everywhere)}
	for name, tc := range map[string]struct {
		before, after []networkacl.Entry
		want          networkacl.Change
	}{
		"nothing":                      {all, all, networkacl.Change{}},
		"an allow added":               {nil, all, networkacl.Change{Opens: true}},
		"an allow removed":             {all, nil, networkacl.Change{Closes: true}},
		"a deny added":                 {all, append(all, DenyOut(90, "10.0.0.0/8")), networkacl.Change{Closes: true}},
		"a deny added behind":          {all, append(all, DenyOut(110, "10.0.0.0/8")), networkacl.Change{}},
		"an allow narrowed":            {all, []networkacl.Entry{TCP(AllowOut(100, Everywhere), 443, 443)}, networkacl.Change{Closes: true}},
		"an allow of one more port":    {[]networkacl.Entry{TCP(AllowOut(100, Everywhere), 80, 442)}, []networkacl.Entry{TCP(AllowOut(100, Everywhere), 80, 443)}, networkacl.Change{Opens: true}},
		"another range":                {[]networkacl.Entry{AllowOut(100, "10.0.0.0/9")}, []networkacl.Entry{AllowOut(100, "10.128.0.0/9")}, networkacl.Change{Opens: true, Closes: true}},
		"two halves for a whole":       {all, []networkacl.Entry{AllowOut(100, "0.0.0.0/1"), AllowOut(110, "128.0.0.0/1")}, networkacl.Change{}},
		"a deny moved":                 {append(all, DenyOut(80, "10.0.0.0/8")), append(all, DenyOut(90, "10.0.0.0/8")), networkacl.Change{}},
		"the other direction":          {all, []networkacl.Entry{Ingress(AllowOut(100, Everywhere))}, networkacl.Change{Opens: true, Closes: true}},
		"one type of ICMP":             {[]networkacl.Entry{ICMP(AllowOut(100, Everywhere), -1, -1)}, []networkacl.Entry{ICMP(AllowOut(100, Everywhere), 8, 0)}, networkacl.Change{Closes: true}},
		"a protocol that none names":   {[]networkacl.Entry{TCP(AllowOut(100, Everywhere), 0, 65535)}, all, networkacl.Change{Opens: true}},
		"the other family":             {all, append(all, AllowOut(110, "::/0")), networkacl.Change{Opens: true}},
		"the last address of a range":  {[]networkacl.Entry{AllowOut(1, "10.0.0.0/31")}, []networkacl.Entry{DenyOut(1, "10.0.0.1/32"), AllowOut(2, "10.0.0.0/31")}, networkacl.Change{Closes: true}},
		"all but the first address":    {[]networkacl.Entry{AllowOut(1, "10.0.0.0/31")}, []networkacl.Entry{AllowOut(1, "10.0.0.0/32")}, networkacl.Change{Closes: true}},
		"an address denied in between": {append(all, DenyOut(90, "10.0.0.0/31")), append(all, DenyOut(80, "10.0.0.0/32"), DenyOut(81, "10.0.0.1/32")), networkacl.Change{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(networkacl.ChangeOf(tc.before, tc.after)).To(Equal(tc.want))
			g.Expect(networkacl.ChangeOf(tc.after, tc.before)).To(Equal(networkacl.Change{Opens: tc.want.Closes, Closes: tc.want.Opens}))
		})
	}
}

func TestLetsOut(t *testing.T) {
	g := NewWithT(t)
	host, anything := Dest(v1alpha1.EndpointACS, "a.example", "10.0.0.1/32"), Dest(v1alpha1.EndpointAdditional, "", "10.0.0.0/24")
	for _, tc := range []struct {
		entries         []networkacl.Entry
		toHost, toRange bool
	}{
		{nil, false, false},
		{[]networkacl.Entry{AllowOut(100, Everywhere)}, true, true},
		{[]networkacl.Entry{TCP(AllowOut(100, Everywhere), 80, 442)}, false, true},
		{[]networkacl.Entry{TCP(AllowOut(100, Everywhere), 443, 443)}, true, true},
		{[]networkacl.Entry{TCP(DenyOut(90, "10.0.0.1/32"), 443, 443), AllowOut(100, Everywhere)}, false, true},
		{[]networkacl.Entry{DenyOut(90, "10.0.0.0/8"), AllowOut(100, Everywhere)}, false, false},
		{[]networkacl.Entry{Ingress(AllowOut(100, Everywhere))}, false, false},
	} {
		g.Expect(networkacl.LetsOut(tc.entries, host)).To(Equal(tc.toHost), "%v", tc.entries)
		g.Expect(networkacl.LetsOut(tc.entries, anything)).To(Equal(tc.toRange), "%v", tc.entries)
	}
}
