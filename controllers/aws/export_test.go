// SPDX-License-Identifier: Apache-2.0

package aws

import "github.com/aws/aws-sdk-go-v2/service/ec2"

// BareEC2 is the SDK's client under those that are given out.
func (c *Clients) BareEC2() *ec2.Client { return c.ec2 }

// SubnetsIn is subnetsIn.
var SubnetsIn = subnetsIn
