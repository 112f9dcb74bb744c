// SPDX-License-Identifier: Apache-2.0

// Package ec2 is the part of Amazon EC2's query API (version 2016-11-15) that deals with VPCs, subnets, network ACLs, VPC
// endpoints, network interfaces and tags: parameters in, XML out. What the calls do is in package region.
package ec2
