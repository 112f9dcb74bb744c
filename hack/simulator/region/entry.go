// SPDX-License-Identifier: Apache-2.0

package region

import (
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// CheckRuleNumber refuses numbers outside the range for rules, the default entries' among them.
func CheckRuleNumber(number int) error {
	if number < 1 || number > acl.MaxRuleNumber {
		return Errorf("InvalidParameterValue", "Value (%d) for parameter ruleNumber is invalid. Rule number must be between 1 and %d.",
			number, acl.MaxRuleNumber)
	}
	return nil
}

// CheckEntry refuses what no network ACL can hold. The CIDR must be in its canonical form.
func CheckEntry(e acl.Entry) error {
	if err := CheckRuleNumber(e.RuleNumber); err != nil {
		return err
	}
	if e.Protocol < acl.All || e.Protocol > 255 {
		return Errorf("InvalidParameterValue", "Value (%d) for parameter protocol is invalid. Must be -1 or a protocol number from 0 to 255.", e.Protocol)
	}
	if !e.CIDR.IsValid() || e.CIDR != e.CIDR.Masked() {
		return Errorf("InvalidParameterValue", "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", e.CIDR)
	}
	if e.HasPorts() && (e.From < 0 || e.To > 65535 || e.From > e.To) {
		return Errorf("InvalidParameterValue", "Invalid port range: %d-%d", e.From, e.To)
	}
	if e.HasICMP() && (e.Type < -1 || e.Type > 255 || e.Code < -1 || e.Code > 255) {
		return Errorf("InvalidParameterValue", "Invalid ICMP type and code: %d, %d", e.Type, e.Code)
	}
	return nil
}
