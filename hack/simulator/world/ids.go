// SPDX-License-Identifier: Apache-2.0

package world

// What the default world has, for those who name it in code.
const (
	DefaultAccount = "123456789012"
	DefaultRegion  = "ap-northeast-1"
	DefaultVPC     = "vpc-0a7c1e5f3b9d24680"

	// DedicatedSubnet has DedicatedACL to itself, and two agents of DefaultCluster.
	DedicatedSubnet = "subnet-0c2e4a6b8d1f35790"
	DedicatedACL    = "acl-0b3d6f9a1c5e72840"
	// SharedSubnet is on SharedACL, the VPC's default one, and has an agent of DefaultCluster and
	// one of OtherCluster.
	SharedSubnet = "subnet-0e8d6c4b2a9f71350"
	SharedACL    = "acl-0d5f8a2c4e6b19370"
	// PlainSubnet is on SharedACL too. It has no agents, and does not consent to runs.
	PlainSubnet = "subnet-0f9b7d5c3e1a86420"

	DefaultCluster = "demo"
	OtherCluster   = "other"

	DefaultClusterARN = "arn:aws:ecs:" + DefaultRegion + ":" + DefaultAccount + ":cluster/" + DefaultCluster
	OtherClusterARN   = "arn:aws:ecs:" + DefaultRegion + ":" + DefaultAccount + ":cluster/" + OtherCluster

	// The ids of the container instances.
	DedicatedInstance1 = "3f1b5d7e9a2c46808d6f4b2a1c3e5d79"
	DedicatedInstance2 = "7c9e2a4d6f8b4130a5c7e9b1d3f50246"
	SharedInstance     = "b4d6f8a1c3e54729b8d0f2a4c6e81357"
	OtherInstance      = "e2f4a6c8d0b1435f9a7c5e3d1b0f2468"

	// ACSHost and TCSHost are the control plane's hosts.
	ACSHost = "ecs-a-4.ap-northeast-1.amazonaws.com"
	TCSHost = "ecs-t-4.ap-northeast-1.amazonaws.com"
)
