// SPDX-License-Identifier: Apache-2.0

package apihosts

import (
	"testing"

	. "github.com/onsi/gomega"
)

func names(hosts []Host, required bool) []string {
	var all []string
	for _, host := range hosts {
		if host.Required == required {
			all = append(all, host.Hostname)
		}
	}
	return all
}

func TestHostsOfTheProtectedAPIs(t *testing.T) {
	g := NewWithT(t)
	hosts := Of("ap-northeast-1", "us-east-1", []string{"http://127.0.0.1:4566"}, true)
	g.Expect(names(hosts, true)).To(Equal([]string{
		"ecs.ap-northeast-1.amazonaws.com", "ec2.ap-northeast-1.amazonaws.com", "sts.ap-northeast-1.amazonaws.com",
	}))
	g.Expect(names(hosts, false)).To(ContainElements(
		"ecs.ap-northeast-1.api.aws", "ecs-fips.ap-northeast-1.amazonaws.com", "scheduler.ap-northeast-1.amazonaws.com",
		"cloudtrail.ap-northeast-1.amazonaws.com", "monitoring.ap-northeast-1.amazonaws.com", "fis.ap-northeast-1.amazonaws.com", "eks-auth.ap-northeast-1.api.aws",
		"sts.us-east-1.amazonaws.com", "127.0.0.1",
	))

	g.Expect(names(Of("ap-northeast-1", "", nil, false), false)).NotTo(ContainElement(ContainSubstring("fis.")))

	g.Expect(names(Of("cn-north-1", "", nil, false), true)).To(Equal([]string{
		"ecs.cn-north-1.amazonaws.com.cn", "ec2.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.amazonaws.com.cn",
	}))
}

func TestServices(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Services()).To(Equal(map[string]string{
		"ecs": "the ECS API", "ec2": "the EC2 API", "sts": "the STS API", "scheduler": "the EventBridge Scheduler API",
		"cloudtrail": "the CloudTrail API", "monitoring": "the CloudWatch API", "fis": "the FIS API", "eks-auth": "the EKS Auth API",
	}))
}
