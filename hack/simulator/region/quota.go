// SPDX-License-Identifier: Apache-2.0

package region

import "fmt"

// Codes of the quotas that Service Quotas knows here. EC2 enforces the same values.
const (
	// QuotaEntries is "Rules per network ACL": the entries of one direction and one address family, the default one
	// included.
	QuotaEntries = "L-2AEEBF1A"
	// QuotaACLs is "Network ACLs per VPC", the default one included.
	QuotaACLs = "L-B4A6D682"
)

// EntriesMax is as far as AWS raises QuotaEntries.
const EntriesMax = 40

// Quota is a quota of one service with the value that is applied to the account in this Region.
type Quota struct {
	ServiceCode, ServiceName, Code, Name string
	Default, Value                       int
	// Max is how far AWS raises it; 0: not published.
	Max int
}

var quotas = map[string]Quota{
	QuotaEntries: {
		ServiceCode: "vpc", ServiceName: "Amazon Virtual Private Cloud (Amazon VPC)", Code: QuotaEntries, Name: "Rules per network ACL",
		Default: EntriesPerDirection, Max: EntriesMax,
	},
	QuotaACLs: {
		ServiceCode: "vpc", ServiceName: "Amazon Virtual Private Cloud (Amazon VPC)", Code: QuotaACLs, Name: "Network ACLs per VPC",
		Default: ACLsPerVPC,
	},
}

func (s *state) quota(code string) int {
	if v, ok := s.quotas.m[code]; ok {
		return v
	}
	return quotas[code].Default
}

// Quota is one quota.
func (v View) Quota(serviceCode, code string) (Quota, bool) {
	q, ok := quotas[code]
	if !ok || q.ServiceCode != serviceCode {
		return Quota{}, false
	}
	q.Value = v.s.quota(code)
	return q, true
}

// SetQuota applies a value to a quota. Unlike AWS it lowers quotas too, so that a test needs no 200 ACLs to reach one.
// What there is beyond the new value stays.
func (r *Region) SetQuota(code string, value int) error {
	q, ok := quotas[code]
	if !ok {
		return fmt.Errorf("no quota %s", code)
	}
	if value < 1 || q.Max > 0 && value > q.Max {
		return fmt.Errorf("quota %s (%s) can't be %d; AWS allows up to %d", code, q.Name, value, q.Max)
	}
	return r.change(func(s *state) error {
		s.quotas.put(code, value)
		return nil
	})
}
