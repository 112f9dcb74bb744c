// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// reply answers every call with the same bytes, without a network.
type reply struct {
	status int
	body   []byte
	id     string
}

func (r reply) Do(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: r.status, Header: http.Header{"X-Amzn-Requestid": {r.id}, "X-Amz-Request-Id": {r.id}},
		Body: io.NopCloser(bytes.NewReader(r.body)), ContentLength: int64(len(r.body)),
	}, nil
}

// errors makes a call of each wire protocol, and gives what the SDK makes of the reply.
func (r reply) errors() map[string]error {
	cfg := awssdk.Config{
		Region: "ap-northeast-1", HTTPClient: r, Retryer: func() awssdk.Retryer { return awssdk.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	}
	_, query := ec2.NewFromConfig(cfg).CreateNetworkAclEntry(context.Background(), &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: awssdk.String("acl-1"), RuleNumber: awssdk.Int32(80), Egress: awssdk.Bool(true), Protocol: awssdk.String("-1"), RuleAction: "deny",
	})
	_, json := ecs.NewFromConfig(cfg).DescribeClusters(context.Background(), &ecs.DescribeClustersInput{})
	return map[string]error{"EC2": query, "ECS": json}
}

const (
	oneRequest     = "1b2c3d4e-0f1a-2b3c-4d5e-6f708192a3b4"
	anotherRequest = "c0ffee00-dead-4bee-8fad-0123456789ab"
)

// expectMessage holds what a message that goes into the status must be.
func expectMessage(g Gomega, message string) {
	g.Expect(len(message)).To(BeNumerically("<=", 400))
	g.Expect(utf8.ValidString(message)).To(BeTrue(), "%q", message)
	g.Expect(strings.IndexFunc(message, func(r rune) bool { return !unicode.IsPrint(r) })).To(Equal(-1), "%q", message)
	g.Expect(strings.TrimSpace(message)).To(Equal(message))
}

// Whatever answers a call, in place of AWS or as AWS, the error is of a class that claims no more than was said, and its
// message is the same for the next request. REQUEST in a body stands for the request's id.
func FuzzAnswerThatFails(f *testing.F) {
	query := func(code, message string) []byte {
		return []byte(ofEC2.body(answer{code: code, message: message}, "REQUEST"))
	}
	f.Add(403, query("UnauthorizedOperation", "You are not authorized. Encoded authorization failure message: abc"))
	f.Add(503, query("RequestLimitExceeded", "Request limit exceeded."))
	f.Add(400, query("NetworkAclEntryAlreadyExists", "The network acl entry identified by 80 already exists."))
	f.Add(400, query("InvalidParameterValue", "what\x00 \u202e is\u2028 \x1b[31m this (request id: REQUEST)"))
	f.Add(500, query("InternalError", "An internal error has occurred"))
	f.Add(400, query("", ""))
	f.Add(408, []byte("<html><body>Request Timeout</body></html>"))
	f.Add(404, []byte("<x/>"))
	f.Add(400, []byte("{}"))
	f.Add(200, []byte(`{"clusters":7}`))
	f.Add(200, []byte("<html>"))
	f.Add(302, []byte(""))
	f.Add(400, []byte(`{"__type":"com.amazonaws.ecs#ClusterNotFoundException","message":"Cluster not found."}`))
	f.Add(400, []byte(`{"__type":"ThrottlingException","message":"Rate exceeded, RequestID: REQUEST\ud800"}`))
	f.Add(400, []byte("{\"__type\":\"X\",\"message\":\"\xff\xfe\"}"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		g := NewWithT(t)
		code := 200 + int(uint(status-200)%400)
		first := reply{code, bytes.ReplaceAll(body, []byte("REQUEST"), []byte(oneRequest)), oneRequest}.errors()
		second := reply{code, bytes.ReplaceAll(body, []byte("REQUEST"), []byte(anotherRequest)), anotherRequest}.errors()
		for of, err := range first {
			g.Expect(second[of] == nil).To(Equal(err == nil), of)
			if err == nil {
				continue
			}
			class := aws.Classify(err)
			g.Expect(aws.Classify(second[of])).To(Equal(class), of)
			expectMessage(g, aws.Message(err))
			if !bytes.Contains(body, []byte(oneRequest[:8])) {
				g.Expect(aws.Message(second[of])).To(Equal(aws.Message(err)), of)
			}
			g.Expect(aws.Action(err)).To(BeElementOf("ec2:CreateNetworkAclEntry", "ecs:DescribeClusters"))
			expectSaid(g, class, err, code, body)
		}
	})
}

// expectSaid says that a call is known to have had no effect only where the answer names a code of AWS's.
func expectSaid(g Gomega, class aws.Class, err error, status int, body []byte) {
	if class == aws.Unanswered || status == http.StatusTooManyRequests {
		return
	}
	g.Expect(status).To(BeNumerically(">=", 300), "a success that can't be read may have had its effect: %v", err)
	g.Expect(aws.Code(err)).NotTo(BeEmpty())
	if !bytes.ContainsAny(body, `&\`) { // else the code may stand there in another form
		g.Expect(string(body)).To(ContainSubstring(aws.Code(err)))
	}
}

// An error of any text, as the network and the credentials have them, is told in a form that can be stored and read.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"", "read tcp 10.0.1.7:41234->52.119.1.2:443: read: connection reset by peer", "\x00\x1b[2J", "RequestID: REQUEST", "(request id: REQUEST)",
		"x-amzn-requestid:REQUEST, and more", "[REQUEST]: (X) no", "StatusCode: 500, RequestID: REQUEST, api error", "\xff\xfe\xfd", "a\u202eb\u200b\u2028c",
		strings.Repeat("日本語 ", 200), "Encoded Authorization Failure Message: x\ny", "request-id REQUEST", "  a  (request id: REQUEST)  b  ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g := NewWithT(t)
		message := aws.Message(errors.New(strings.ReplaceAll(text, "REQUEST", oneRequest)))
		expectMessage(g, message)
		for _, form := range []string{" (request id: REQUEST)", ", RequestID: REQUEST", "[REQUEST]: "} {
			of := func(id string) string {
				return aws.Message(errors.New(strings.ReplaceAll(text+form+text, "REQUEST", id)))
			}
			if !strings.Contains(text, "REQUEST") {
				g.Expect(of(oneRequest)).To(Equal(of(anotherRequest)))
				g.Expect(of(oneRequest)).NotTo(ContainSubstring(oneRequest))
			}
		}
		g.Expect(aws.Message(errors.New(message))).To(Equal(message), "told again, it says the same")
	})
}

// A cut keeps to its bound whatever the bytes are.
func FuzzTruncate(f *testing.F) {
	f.Add("longer", 5)
	f.Add("日本語", 8)
	f.Add("\x80\x80\x80\x80\x80", 4)
	f.Add("", -1)
	f.Fuzz(func(t *testing.T, text string, n int) {
		g := NewWithT(t)
		cut := aws.Truncate(text, n)
		g.Expect(len(cut)).To(BeNumerically("<=", max(n, 0)))
		g.Expect(strings.HasPrefix(text, strings.TrimSuffix(cut, "…"))).To(BeTrue())
		if len(text) <= n {
			g.Expect(cut).To(Equal(text))
		}
		if utf8.ValidString(text) {
			g.Expect(utf8.ValidString(cut)).To(BeTrue())
		}
	})
}

// A proxy that gave up waiting answers in AWS's place, and the call may have had its effect all the same.
func TestAnErrorWithoutACodeDoesNotSayThatNothingHappened(t *testing.T) {
	for _, page := range []string{"<html><body>Request Timeout</body></html>", "<x/>", "{}", ofEC2.body(answer{}, oneRequest)} {
		for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusRequestTimeout} {
			for of, err := range (reply{status, []byte(page), oneRequest}).errors() {
				NewWithT(t).Expect(aws.Classify(err)).To(Equal(aws.Unanswered), "%s: %d %s", of, status, page)
			}
		}
	}
}

func TestMessageLeavesOutTheRequestsIDInAnyWords(t *testing.T) {
	for of, err := range (reply{http.StatusBadRequest, []byte(`{"__type":"X","message":"see ` + oneRequest + `, please"}`), oneRequest}).errors() {
		NewWithT(t).Expect(aws.Message(err)).NotTo(ContainSubstring(oneRequest), of)
	}
	err := ofECS.call(t, answer{status: 400, body: `{"__type":"X","message":"see 00000000-0f1a-4b3c-8d5e-6f708192a3b4, please"}`})
	NewWithT(t).Expect(aws.Message(err)).To(Equal("X: see (request id), please"))
}

func TestMessageHasNothingThatATerminalActsOn(t *testing.T) {
	for in, want := range map[string]string{
		"a\x00b\x1b[31mc": "a b [31mc",
		"a\u202eb\u2028c": "a b c",
		"broken \xff\xfe": "broken \uFFFD",
	} {
		NewWithT(t).Expect(aws.Message(errors.New(in))).To(Equal(want))
	}
}
