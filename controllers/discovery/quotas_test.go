// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"math"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	sqtypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func TestQuotasAreThoseThatHoldInTheAccount(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	g.Expect(discovery.EntryQuota(t.Context(), clients.ServiceQuotas)).To(Equal(20))
	g.Expect(discovery.NetworkACLQuota(t.Context(), clients.ServiceQuotas)).To(Equal(200))

	g.Expect(s.Region().SetQuota(region.QuotaEntries, 40)).To(Succeed())
	g.Expect(s.Region().SetQuota(region.QuotaACLs, 250)).To(Succeed())
	g.Expect(discovery.EntryQuota(t.Context(), clients.ServiceQuotas)).To(Equal(40))
	g.Expect(discovery.NetworkACLQuota(t.Context(), clients.ServiceQuotas)).To(Equal(250))

	s.Faults().Add(faults.Fault{Action: "servicequotas:GetServiceQuota", Denied: true})
	_, err := discovery.EntryQuota(t.Context(), clients.ServiceQuotas)
	g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
}

// answers is a Service Quotas that says what AWS hardly would.
type answers struct {
	out servicequotas.GetServiceQuotaOutput
}

func (a answers) GetServiceQuota(context.Context, *servicequotas.GetServiceQuotaInput, ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error) {
	return &a.out, nil
}

func TestAQuotaThatMakesNoSenseIsAnError(t *testing.T) {
	g := NewWithT(t)
	_, err := discovery.EntryQuota(t.Context(), answers{})
	g.Expect(err).To(MatchError("the answer of AWS has no value of the quota L-2AEEBF1A"))
	for _, value := range []float64{0, -20, 0.5, 1e300, math.NaN(), math.Inf(1)} {
		_, err := discovery.NetworkACLQuota(t.Context(), answers{servicequotas.GetServiceQuotaOutput{
			Quota: &sqtypes.ServiceQuota{Value: awssdk.Float64(value)},
		}})
		g.Expect(err).To(HaveOccurred(), "%v", value)
	}
}
