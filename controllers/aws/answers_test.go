// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	. "github.com/onsi/gomega"
)

// answer is what a server says to a call, so that the SDK itself makes the error.
type answer struct {
	status        int
	code, message string
	// body replaces the service's own form of an error.
	body string
	// hangUp closes the connection, silent waits until the caller gives up.
	hangUp, silent bool
}

// service is one of AWS's, with its wire protocol.
type service string

const (
	ofEC2           service = ""
	ofECS           service = "ecs"
	ofSTS           service = "sts"
	ofServiceQuotas service = "servicequotas"
)

func (s service) name() string {
	if s == ofEC2 {
		return "ec2"
	}
	return string(s)
}

func (s service) body(a answer, requestID string) string {
	type xmlError struct {
		Code, Message string
	}
	var text []byte
	var err error
	switch {
	case a.body != "":
		return a.body
	case s == ofECS, s == ofServiceQuotas:
		text, err = json.Marshal(map[string]string{"__type": "com.amazonaws." + string(s) + "#" + a.code, "message": a.message})
	case s == ofSTS:
		text, err = xml.Marshal(struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			Error     xmlError
			RequestID string `xml:"RequestId"`
		}{Error: xmlError{a.code, a.message}, RequestID: requestID})
	default:
		text, err = xml.Marshal(struct {
			XMLName   xml.Name   `xml:"Response"`
			Errors    []xmlError `xml:"Errors>Error"`
			RequestID string
		}{Errors: []xmlError{{a.code, a.message}}, RequestID: requestID})
	}
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}

// server gives every call the answer that was set last, and each a request id of its own.
type server struct {
	*httptest.Server

	mu     sync.Mutex
	of     service
	answer answer
	ids    []string
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client left
		s.mu.Lock()
		of, a := s.of, s.answer
		id := fmt.Sprintf("%08x-0f1a-4b3c-8d5e-6f708192a3b4", len(s.ids))
		s.ids = append(s.ids, id)
		s.mu.Unlock()
		switch {
		case a.silent:
			<-r.Context().Done()
			fallthrough
		case a.hangUp:
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Amzn-Requestid", id)
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(of.body(a, id))) // the client says what it thinks of it
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) requestIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

// config is one without retries, for a server.
func (s *server) config() awssdk.Config {
	return awssdk.Config{
		Region: "ap-northeast-1", BaseEndpoint: awssdk.String(s.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
		HTTPClient:  s.Client(),
	}
}

// call makes one call of a service and gives the SDK's error.
func (s service) call(t *testing.T, a answer) error {
	t.Helper()
	return s.ask(t, serve(t), a)
}

// ask is call on a server that is there already.
func (s service) ask(t *testing.T, server *server, a answer) error {
	t.Helper()
	server.mu.Lock()
	server.of, server.answer = s, a
	server.mu.Unlock()
	ctx := t.Context()
	if a.silent {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
	}
	var err error
	switch s {
	case ofECS:
		_, err = ecs.NewFromConfig(server.config()).DescribeClusters(ctx, &ecs.DescribeClustersInput{})
	case ofServiceQuotas:
		_, err = servicequotas.NewFromConfig(server.config()).GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{
			ServiceCode: awssdk.String("vpc"), QuotaCode: awssdk.String("L-2AEEBF1A"),
		})
	case ofSTS:
		_, err = sts.NewFromConfig(server.config()).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	default:
		_, err = ec2.NewFromConfig(server.config()).DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	}
	NewWithT(t).Expect(err).To(HaveOccurred(), "%+v", a)
	return err
}
