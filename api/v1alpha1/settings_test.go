// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	hostRule = "must be a fully qualified host name in lower case without a dot at its end, such as ecs-a-4.ap-northeast-1.amazonaws.com"
	apiRule  = "is the ECS API itself, which the callers under test need: only hosts of agent sessions can be denied"
	cidrRule = "must be an IPv4 range from /16 to /32 or an IPv6 range from /48 to /128 without host bits, such as 192.0.2.10/32"
)

// list makes what YAML makes of a sequence.
func list(items ...string) []any {
	all := make([]any, 0, len(items))
	for _, item := range items {
		all = append(all, item)
	}
	return all
}

// numbered is a list of n items, each made from its number.
func numbered(n int, format string) []any {
	all := make([]any, 0, n)
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

var _ = Describe("The settings", func() {
	Context("sessions", func() {
		DescribeTable("accepts", func(ctx context.Context, sessions []any, meant []v1alpha1.Session) {
			obj, err := decoded(stored(ctx, fields{"sessions": sessions}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.Sessions).To(Equal(meant))
		},
			Entry("ACS", list("ACS"), []v1alpha1.Session{v1alpha1.SessionACS}),
			Entry("TCS", list("TCS"), []v1alpha1.Session{v1alpha1.SessionTCS}),
			Entry("both", list("TCS", "ACS"), []v1alpha1.Session{v1alpha1.SessionTCS, v1alpha1.SessionACS}),
		)

		DescribeTable("refuses", func(ctx context.Context, sessions any, all ...string) {
			Expect(complaints(kube.Create(ctx, object(fields{"sessions": sessions})))).To(ConsistOf(all))
		},
			Entry("an empty list", list(),
				"spec.sessions: Invalid value: 0: spec.sessions in body should have at least 1 items"),
			Entry("another word", list("ACS", "API"),
				`spec.sessions[1]: Unsupported value: "API": supported values: "ACS", "TCS"`),
			Entry("lower case", list("acs"),
				`spec.sessions[0]: Unsupported value: "acs": supported values: "ACS", "TCS"`),
			Entry("one twice", list("ACS", "ACS"),
				`spec.sessions[1]: Duplicate value: "ACS"`),
			Entry("more than there are", list("ACS", "TCS", "ACS"),
				"spec.sessions: Too many: 3: must have at most 2 items", `spec.sessions[2]: Duplicate value: "ACS"`),
			Entry("a word without a list", "ACS",
				`spec.sessions: Invalid value: "string": spec.sessions in body must be of type array: "string"`),
		)

		It("lists a session once, even where two people apply theirs", func(ctx context.Context) {
			u := stored(ctx, fields{"sessions": list("ACS")})
			again := object(fields{"sessions": list("TCS")})
			again.SetGenerateName("")
			again.SetName(u.GetName())
			Expect(kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(again), client.FieldOwner("another"))).To(Succeed())
			obj, err := decoded(again)
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.Sessions).To(ConsistOf(v1alpha1.SessionACS, v1alpha1.SessionTCS))
		})
	})

	DescribeTable("that are one word accept", func(ctx context.Context, field string, words ...string) {
		for _, word := range words {
			By(word)
			obj, err := decoded(stored(ctx, fields{field: word}))
			Expect(err).NotTo(HaveOccurred())
			Expect(one(obj.Spec, field)).To(Equal(word))
		}
	},
		Entry("as mode", "mode", "Run", "Plan"),
		Entry("as networkACLMode", "networkACLMode", "InPlace", "Clone"),
		Entry("as otherClusters", "otherClusters", "Refuse", "Allow"),
		Entry("as onDrift", "onDrift", "Reapply", "Abort"),
	)

	DescribeTable("that are one word refuse", func(ctx context.Context, field, supported string, others ...string) {
		for _, word := range append(others, "", "None") {
			By(word)
			Expect(complaints(kube.Create(ctx, object(fields{field: word})))).To(ConsistOf(
				fmt.Sprintf("spec.%s: Unsupported value: %q: supported values: %s", field, word, supported)))
		}
		Expect(complaints(kube.Create(ctx, object(fields{field: true})))).To(ContainElement(
			fmt.Sprintf("spec.%s: Invalid value: \"boolean\": spec.%[1]s in body must be of type string: \"boolean\"", field)))
	},
		Entry("as mode", "mode", `"Run", "Plan"`, "plan", "DryRun"),
		Entry("as networkACLMode", "networkACLMode", `"InPlace", "Clone"`, "inPlace", "clone", "Copy"),
		Entry("as otherClusters", "otherClusters", `"Refuse", "Allow"`, "allow", "Ignore"),
		Entry("as onDrift", "onDrift", `"Reapply", "Abort"`, "reapply", "Ignore"),
	)

	Context("additionalEndpoints", func() {
		DescribeTable("accepts", func(ctx context.Context, endpoints fields, meant v1alpha1.AdditionalEndpoints) {
			obj, err := decoded(stored(ctx, fields{"additionalEndpoints": endpoints}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.AdditionalEndpoints).To(HaveValue(Equal(meant)))
		},
			Entry("hosts", fields{"hostnames": list("ecs-a-4.ap-northeast-1.amazonaws.com", "a.b")},
				v1alpha1.AdditionalEndpoints{Hostnames: []string{"ecs-a-4.ap-northeast-1.amazonaws.com", "a.b"}}),
			Entry("hosts of agent sessions everywhere", fields{"hostnames": list("ecs-t-1.cn-north-1.amazonaws.com.cn", "ecs-a.ap-northeast-1.amazonaws.com", "vpce-0a1b-2c3d.ecs-agent.us-east-1.vpce.amazonaws.com")},
				v1alpha1.AdditionalEndpoints{Hostnames: []string{"ecs-t-1.cn-north-1.amazonaws.com.cn", "ecs-a.ap-northeast-1.amazonaws.com", "vpce-0a1b-2c3d.ecs-agent.us-east-1.vpce.amazonaws.com"}}),
			Entry("a host that happens to be called ecs", fields{"hostnames": list("ecs.example.com")},
				v1alpha1.AdditionalEndpoints{Hostnames: []string{"ecs.example.com"}}),
			Entry("the longest label", fields{"hostnames": list(strings.Repeat("a", 63) + ".example")},
				v1alpha1.AdditionalEndpoints{Hostnames: []string{strings.Repeat("a", 63) + ".example"}}),
			Entry("ranges", fields{"cidrs": list("192.0.2.10/32", "10.1.0.0/16", "0.0.0.0/16", "255.255.255.255/32")},
				v1alpha1.AdditionalEndpoints{CIDRs: []string{"192.0.2.10/32", "10.1.0.0/16", "0.0.0.0/16", "255.255.255.255/32"}}),
			Entry("ranges of IPv6", fields{"cidrs": list("2001:db8::1/128", "2001:db8:1::/48", "::/48", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")},
				v1alpha1.AdditionalEndpoints{CIDRs: []string{"2001:db8::1/128", "2001:db8:1::/48", "::/48", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"}}),
			Entry("ranges of both families", fields{"cidrs": list("192.0.2.0/24", "2001:db8::/64")},
				v1alpha1.AdditionalEndpoints{CIDRs: []string{"192.0.2.0/24", "2001:db8::/64"}}),
			Entry("both", fields{"hostnames": list("a.example.com"), "cidrs": list("192.0.2.0/24")},
				v1alpha1.AdditionalEndpoints{Hostnames: []string{"a.example.com"}, CIDRs: []string{"192.0.2.0/24"}}),
		)

		It("accepts ten of each", func(ctx context.Context) {
			obj, err := decoded(stored(ctx, fields{"additionalEndpoints": fields{
				"hostnames": numbered(10, "h%d.example.com"), "cidrs": numbered(10, "192.0.2.%d/32"),
			}}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.AdditionalEndpoints.Hostnames).To(HaveLen(10))
			Expect(obj.Spec.AdditionalEndpoints.CIDRs).To(HaveLen(10))
		})

		DescribeTable("refuses", func(ctx context.Context, endpoints any, complaint string) {
			Expect(complaints(kube.Create(ctx, object(fields{"additionalEndpoints": endpoints})))).To(ConsistOf("spec.additionalEndpoints" + complaint))
		},
			Entry("nothing in it", fields{}, ": Invalid value: 0: spec.additionalEndpoints in body should have at least 1 properties"),
			Entry("no hosts", fields{"hostnames": list()}, ".hostnames: Invalid value: 0: spec.additionalEndpoints.hostnames in body should have at least 1 items"),
			Entry("no ranges", fields{"cidrs": list()}, ".cidrs: Invalid value: 0: spec.additionalEndpoints.cidrs in body should have at least 1 items"),
			Entry("a host twice", fields{"hostnames": list("a.example.com", "a.example.com")}, `.hostnames[1]: Duplicate value: "a.example.com"`),
			Entry("a range twice", fields{"cidrs": list("192.0.2.0/24", "192.0.2.0/24")}, `.cidrs[1]: Duplicate value: "192.0.2.0/24"`),
			Entry("eleven hosts", fields{"hostnames": numbered(11, "h%d.example.com")}, ".hostnames: Too many: 11: must have at most 10 items"),
			Entry("eleven ranges", fields{"cidrs": numbered(11, "192.0.2.%d/32")}, ".cidrs: Too many: 11: must have at most 10 items"),
			Entry("a host beyond all bounds", fields{"hostnames": list(strings.Repeat("a.", 126) + "com")}, ".hostnames[0]: Too long: may not be more than 253 bytes"),
		)

		DescribeTable("refuses the host", func(ctx context.Context, host, rule string) {
			Expect(complaints(kube.Create(ctx, object(fields{"additionalEndpoints": fields{"hostnames": list("a.example.com", host)}})))).To(ConsistOf(
				invalid("spec.additionalEndpoints.hostnames[1]", host, rule)))
		},
			Entry("of the ECS API", "ecs.ap-northeast-1.amazonaws.com", apiRule),
			Entry("of the ECS API in China", "ecs.cn-north-1.amazonaws.com.cn", apiRule),
			Entry("of the ECS API over IPv6", "ecs.ap-northeast-1.api.aws", apiRule),
			Entry("of the ECS API with FIPS", "ecs-fips.us-gov-west-1.amazonaws.com", apiRule),
			Entry("of the ECS API in an isolated Region", "ecs.us-iso-east-1.c2s.ic.gov", apiRule),
			Entry("of the ECS API through PrivateLink", "vpce-0a1b-2c3d.ecs.us-east-1.vpce.amazonaws.com", apiRule),
			Entry("in capitals", "ECS-A-4.ap-northeast-1.amazonaws.com", hostRule),
			Entry("with a dot at its end", "ecs-a-4.ap-northeast-1.amazonaws.com.", hostRule),
			Entry("without a domain", "localhost", hostRule),
			Entry("that is a URL", "https://ecs-a-4.ap-northeast-1.amazonaws.com/", hostRule),
			Entry("with a port", "ecs-a-4.ap-northeast-1.amazonaws.com:443", hostRule),
			Entry("with a wildcard", "*.ap-northeast-1.amazonaws.com", hostRule),
			Entry("with an underscore", "a_b.example.com", hostRule),
			Entry("with an empty label", "a..example.com", hostRule),
			Entry("with a label that ends in a hyphen", "a-.example.com", hostRule),
			Entry("with a label that is too long", strings.Repeat("a", 64)+".example.com", hostRule),
			Entry("that is an address", "192.0.2.10", hostRule),
			Entry("that is an IPv6 address", "2001:db8::1", hostRule),
			Entry("with a line break behind", "a.example.com\n", hostRule),
		)

		DescribeTable("refuses the link-local range", func(ctx context.Context, cidr string) {
			Expect(complaints(kube.Create(ctx, object(fields{"additionalEndpoints": fields{"cidrs": list("192.0.2.0/24", cidr)}})))).To(ConsistOf(
				invalid("spec.additionalEndpoints.cidrs[1]", cidr, "is link-local, which network ACLs do not act on: name ranges that packets leave the subnet for")))
		},
			Entry("of the instance metadata service", "169.254.169.254/32"),
			Entry("as a whole", "169.254.0.0/16"),
			Entry("of IPv6", "fe80::/48"),
		)

		DescribeTable("refuses the range", func(ctx context.Context, cidr string) {
			Expect(complaints(kube.Create(ctx, object(fields{"additionalEndpoints": fields{"cidrs": list("192.0.2.0/24", cidr)}})))).To(ConsistOf(
				invalid("spec.additionalEndpoints.cidrs[1]", cidr, cidrRule)))
		},
			Entry("with host bits", "192.0.2.10/24"),
			Entry("wider than /16", "10.0.0.0/15"),
			Entry("of everything", "0.0.0.0/0"),
			Entry("without a length", "192.0.2.10"),
			Entry("longer than /32", "192.0.2.10/33"),
			Entry("of IPv6 with host bits", "2001:db8::1/64"),
			Entry("of IPv6 wider than /48", "2001:db8::/47"),
			Entry("of everything in IPv6", "::/0"),
			Entry("of IPv6 without a length", "2001:db8::1"),
			Entry("of IPv6 longer than /128", "2001:db8::1/129"),
			Entry("of IPv6 with a zone", "fe80::1%eth0/128"),
			Entry("of IPv6 in brackets", "[2001:db8::1]/128"),
			Entry("of IPv4 written as IPv6", "::ffff:192.0.2.0/120"),
			Entry("with leading zeros", "192.000.002.010/32"),
			Entry("with a leading zero in the length", "192.0.2.0/024"),
			Entry("with a mask", "192.0.2.0/255.255.255.0"),
			Entry("that is a host", "example.com"),
			Entry("with a space behind", "192.0.2.0/24 "),
			Entry("with a line break behind", "192.0.2.0/24\n"),
		)
	})

	It("means unset by null", func(ctx context.Context) {
		u := object(nil)
		for name := range names(reflect.TypeFor[v1alpha1.AgentDisconnectSpec]()) {
			if _, required := u.Object["spec"].(fields)[name]; !required {
				u.Object["spec"].(fields)[name] = nil
			}
		}
		Expect(u.Object["spec"]).To(HaveLen(reflect.TypeFor[v1alpha1.AgentDisconnectSpec]().NumField()))
		Expect(kube.Create(ctx, u)).To(Succeed())
		Expect(u.Object["spec"]).To(Equal(object(nil).Object["spec"]))
	})

	It("drops fields that it doesn't know, and refuses them where asked to be strict", func(ctx context.Context) {
		unknown := fields{"dryRun": true, "additionalEndpoints": fields{"cidrs": list("192.0.2.0/24"), "ports": list("443")}}
		u := stored(ctx, unknown)
		Expect(u.Object["spec"]).NotTo(HaveKey("dryRun"))
		Expect(u.Object["spec"].(fields)["additionalEndpoints"]).To(Equal(fields{"cidrs": list("192.0.2.0/24")}))

		err := kube.Create(ctx, object(unknown), client.FieldValidation(metav1.FieldValidationStrict))
		Expect(apierrors.IsBadRequest(err)).To(BeTrue())
		Expect(err).To(MatchError(ContainSubstring(`strict decoding error: unknown field "spec.additionalEndpoints.ports", unknown field "spec.dryRun"`)))
	})
})
