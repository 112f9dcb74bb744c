// SPDX-License-Identifier: Apache-2.0

package aws

import "github.com/aws/aws-sdk-go-v2/service/ec2"

// BareEC2 is the SDK's client under those that are given out.
func (c *Clients) BareEC2() *ec2.Client { return c.ec2 }

// Kept is how many sets of clients are kept.
func (s *Sessions) Kept() int { return len(s.clients) }

// Rates are how many reads and changes a second are made for long, by what AWS said so far.
func (c *Clients) Rates() (reads, changes float64) {
	return c.budget().reads.Rate(), c.budget().changes.Rate()
}
