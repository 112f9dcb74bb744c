// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

func TestDefaultCapacityProviderStrategy(t *testing.T) {
	s, g := start(t, mixed, func(o *Options) {
		o.World.Clusters[0].DefaultCapacityProviderStrategy = []world.StrategyItem{{CapacityProvider: "managed", Weight: 2, Base: 1}}
	})
	client := ecsClient(s)
	out, err := client.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{Clusters: []string{"demo", "other"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Clusters[0].DefaultCapacityProviderStrategy).To(Equal([]types.CapacityProviderStrategyItem{
		{CapacityProvider: aws.String("managed"), Weight: 2, Base: 1},
	}))
	g.Expect(out.Clusters[1].DefaultCapacityProviderStrategy).To(BeEmpty())

	definition := aws.String("demo")
	_, err = client.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: definition})
	g.Expect(code(err)).To(Equal("InvalidParameterException"), "%v", err)
	_, err = client.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: definition, LaunchType: types.LaunchTypeEc2})
	g.Expect(err).NotTo(HaveOccurred())
}
