// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// A message that differs from one attempt to the next would have every retry write the status.
func TestMessageIsTheSameForTheSameCause(t *testing.T) {
	for name, a := range map[string]answer{
		"a refusal":                 {status: 403, code: "UnauthorizedOperation", message: "You are not authorized"},
		"a page":                    {status: 502, body: "<html>"},
		"a success that is cut off": {status: 200, body: "<DescribeSubnetsResponse>"},
		"a closed connection":       {hangUp: true},
		"a missing answer":          {silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := serve(t)
			first, second := ofEC2.ask(t, server, a), ofEC2.ask(t, server, a)
			g.Expect(aws.Message(second)).To(Equal(aws.Message(first)))
			g.Expect(len(aws.Message(first))).To(BeNumerically("<=", 400))
			g.Expect(server.requestIDs()).To(HaveLen(2))
			for _, id := range server.requestIDs() {
				g.Expect(aws.Message(first)).NotTo(ContainSubstring(id))
			}
		})
	}
}

func TestMessageLeavesOutWhatNamesTheSingleRequest(t *testing.T) {
	const role = "User: arn:aws:sts::123456789012:assumed-role/agentdisconnect"
	for name, tc := range map[string]struct{ message, want string }{
		"an encoded authorization message": {
			"You are not authorized to perform this operation. Encoded authorization failure message: " + strings.Repeat("a1B2-_", 90),
			"UnauthorizedOperation: You are not authorized to perform this operation.",
		},
		"the session of a role": {
			role + "/eks-prod-manager-5d9f-1c7a is not authorized to perform: ec2:DescribeSubnets because no identity-based policy allows the action",
			"UnauthorizedOperation: " + role + " is not authorized to perform: ec2:DescribeSubnets because no identity-based policy allows the action",
		},
		"a request id": {
			"Something broke (request id: 1b2c3d4e-0f1a-2b3c-4d5e-6f708192a3b4)",
			"UnauthorizedOperation: Something broke",
		},
		"a request id as S3 and others write it": {
			"Something broke, RequestID: 1b2c3d4e-0f1a-2b3c-4d5e-6f708192a3b4, in the end",
			"UnauthorizedOperation: Something broke, in the end",
		},
		"times in a complaint about the clock": {
			"Signature expired: 20260102T030405Z is now earlier than 20260102T031405Z (20260102T031905Z - 5 min.)",
			"UnauthorizedOperation: Signature expired: (time) is now earlier than (time) ((time) - 5 min.)",
		},
		"an id in brackets, as the EKS Pod Identity agent has it": {
			"[8f3c1d2e-0a1b-4c3d-9e8f-7a6b5c4d3e2f]: (ResourceNotFoundException): No association found",
			"UnauthorizedOperation: (ResourceNotFoundException): No association found",
		},
		"line breaks": {"one\n\ttwo   three ", "UnauthorizedOperation: one two three"},
	} {
		t.Run(name, func(t *testing.T) {
			err := ofEC2.call(t, answer{status: 403, code: "UnauthorizedOperation", message: tc.message})
			NewWithT(t).Expect(aws.Message(err)).To(Equal(tc.want))
		})
	}
}

func TestMessageOfErrorsOfTheNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"read tcp 10.0.1.7:41234->52.119.1.2:443: read: connection reset by peer": "read tcp: read: connection reset by peer",
		"lookup ec2.example on 10.0.0.2:53: read udp 10.0.1.7:5353->10.0.0.2:53: i/o timeout": "lookup ec2.example on 10.0.0.2:53: " +
			"read udp: i/o timeout",
		"write tcp [2001:db8::1]:41234->[2001:db8::2]:443: broken pipe": "write tcp: broken pipe",
		"dial tcp 52.119.1.2:443: i/o timeout":                          "dial tcp: i/o timeout",
	} {
		NewWithT(t).Expect(aws.Message(errors.New(in))).To(Equal(want))
	}
}

func TestMessageIsBounded(t *testing.T) {
	g := NewWithT(t)
	message := aws.Message(fmt.Errorf("%s", strings.Repeat("ä", 1000)))
	g.Expect(len(message)).To(BeNumerically("<=", 400))
	g.Expect(utf8.ValidString(message)).To(BeTrue())
}

func TestTruncate(t *testing.T) {
	for _, tc := range []struct {
		text string
		n    int
		want string
	}{
		{"", 0, ""},
		{"short", 5, "short"},
		{"longer", 5, "lo…"},
		{"longer", 3, "…"},
		{"longer", 2, ""},
		{"longer", 0, ""},
		{"aäö", 5, "aäö"},
		{"aäöü", 6, "aä…"},
		{"aäöü", 5, "a…"}, // not in the middle of ä
		{"日本語", 8, "日…"},
		{"日本語", 5, "…"}, // nor in the middle of the first
	} {
		NewWithT(t).Expect(aws.Truncate(tc.text, tc.n)).To(Equal(tc.want), "%q to %d", tc.text, tc.n)
	}
}

func TestTruncateKeepsToItsBoundAndToCharacters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		text, n := rapid.String().Draw(t, "text"), rapid.IntRange(0, 40).Draw(t, "n")
		cut := aws.Truncate(text, n)
		g.Expect(len(cut)).To(BeNumerically("<=", n))
		g.Expect(utf8.ValidString(cut)).To(BeTrue())
		g.Expect(text).To(HavePrefix(strings.TrimSuffix(cut, "…")))
		if len(text) <= n {
			g.Expect(cut).To(Equal(text))
		}
	})
}
