// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	stssdk "github.com/aws/aws-sdk-go-v2/service/sts"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/sts"
)

const (
	stsRefuses = "no AWS credentials: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity. " +
		"Correct the trust policy of the role that the manager's service account names (config/iam/trust-irsa.json). " +
		"If it names the wrong role, correct the annotation, then restart the manager"
	agentRefuses = "no AWS credentials: AccessDeniedException: Unauthorized Exception! EKS does not have permissions to assume the associated role. " +
		"Correct the trust policy of the role of the Pod Identity association (config/iam/trust-pod-identity.json). " +
		"If there is no association, create one, then restart the manager"
)

// identityToken is a service account's token.
type identityToken string

// GetIdentityToken implements the SDK's interface.
func (t identityToken) GetIdentityToken() ([]byte, error) { return []byte(t), nil }

// withWebIdentity has the manager ask STS for the role of its service account, and STS refuse it.
func (w *world) withWebIdentity() {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/xml")
		out.WriteHeader(http.StatusForbidden)
		_, _ = out.Write(sts.ErrorResponse(&region.Error{Code: "AccessDenied", Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
			fmt.Sprintf("0a1b2c3d-0000-4000-8000-%012d", asked.Add(1))))
	}))
	DeferCleanup(server.Close)
	w.restartWith(func(cfg *awssdk.Config) {
		client := stssdk.New(stssdk.Options{Region: "ap-northeast-1", BaseEndpoint: awssdk.String(server.URL), Credentials: awssdk.AnonymousCredentials{}})
		cfg.Credentials = awssdk.NewCredentialsCache(stscreds.NewWebIdentityRoleProvider(client, "arn:aws:iam::123456789012:role/agentdisconnect", identityToken("token")))
	})
}

// withPodIdentity has the manager ask the agent of EKS Pod Identity, and the agent refuse it.
func (w *world) withPodIdentity() {
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		out.WriteHeader(http.StatusBadRequest)
		_, _ = out.Write([]byte(`{"code":"AccessDeniedException","message":"Unauthorized Exception! EKS does not have permissions to assume the associated role."}`))
	}))
	DeferCleanup(server.Close)
	w.restartWith(func(cfg *awssdk.Config) {
		cfg.Credentials = awssdk.NewCredentialsCache(endpointcreds.New(server.URL))
	})
}

// withoutAnswer has the manager ask for credentials where nothing answers, as where a policy of the network drops the packets.
func (w *world) withoutAnswer() {
	w.restartWith(func(cfg *awssdk.Config) {
		cfg.Credentials = awssdk.NewCredentialsCache(awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
			return awssdk.Credentials{}, fmt.Errorf("request to EC2 IMDS failed: %w", context.DeadlineExceeded)
		}))
	})
}

var _ = DescribeTable("A plan without credentials ends, with that for its one refusal", func(ctx context.Context, without func(*world), message string) {
	w := newWorld(ctx)
	without(w)
	obj := w.planned(ctx)
	Expect(obj.Status.Plan.Refusals).To(Equal([]v1alpha1.Refusal{{Reason: v1alpha1.ReasonNoCredentials, Message: message}}))
},
	Entry("the trust policy of IRSA is wrong", (*world).withWebIdentity, stsRefuses),
	Entry("the trust policy of Pod Identity is wrong", (*world).withPodIdentity, agentRefuses),
	Entry("nothing answers", (*world).withoutAnswer, "no AWS credentials: no answer in time. "+
		"Give the manager's service account a role (EKS Pod Identity or IRSA, config/iam/README.md), then restart the manager"),
)

var _ = DescribeTable("Credentials that their source refuses", func(ctx context.Context, without func(*world), message string) {
	badInput{cause: without, reason: v1alpha1.ReasonNoCredentials, message: message, mend: func(w *world) { w.restart() }}.check(ctx)
},
	Entry("STS", (*world).withWebIdentity, stsRefuses),
	Entry("the agent of Pod Identity", (*world).withPodIdentity, agentRefuses),
)

var _ = Describe("A run whose credentials are refused", func() {
	It("keeps its dead man's switch and its ledger until AWS itself says that they are gone", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		w.withPodIdentity()
		w.run(ctx, 12*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Rules).To(HaveLen(6))
		Expect(condition(seen, v1alpha1.ConditionStalled).Message).To(Equal(agentRefuses + ". See docs/states/Stalled.md#nocredentials"))
		w.restart()
		w.discard(ctx, obj)
	})
})
