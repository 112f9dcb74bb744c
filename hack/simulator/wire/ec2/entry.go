// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type entryXML struct {
	RuleNumber int      `xml:"ruleNumber"`
	Protocol   int      `xml:"protocol"`
	RuleAction string   `xml:"ruleAction"`
	Egress     bool     `xml:"egress"`
	CIDR       string   `xml:"cidrBlock,omitempty"`
	IPv6CIDR   string   `xml:"ipv6CidrBlock,omitempty"`
	Ports      *portXML `xml:"portRange"`
	ICMP       *icmpXML `xml:"icmpTypeCode"`
}

type portXML struct {
	From int `xml:"from"`
	To   int `xml:"to"`
}

type icmpXML struct {
	Code int `xml:"code"`
	Type int `xml:"type"`
}

func action(e acl.Entry) string {
	if e.Allow {
		return "allow"
	}
	return "deny"
}

func toEntryXML(e acl.Entry) entryXML {
	out := entryXML{RuleNumber: e.RuleNumber, Protocol: e.Protocol, RuleAction: action(e), Egress: e.Egress}
	if e.CIDR.Addr().Is4() {
		out.CIDR = e.CIDR.String()
	} else {
		out.IPv6CIDR = e.CIDR.String()
	}
	if e.HasPorts() {
		out.Ports = &portXML{e.From, e.To}
	}
	if e.HasICMP() {
		out.ICMP = &icmpXML{e.Code, e.Type}
	}
	return out
}

// entryFilters are the names of filters on entries. Each filter looks at all entries by itself.
func entryFilter(name string) bool {
	switch name {
	case "entry.cidr", "entry.ipv6-cidr", "entry.icmp.code", "entry.icmp.type", "entry.port-range.from", "entry.port-range.to",
		"entry.protocol", "entry.rule-action", "entry.egress", "entry.rule-number":
		return true
	}
	return false
}

func entryValues(e acl.Entry, name string) []string {
	is4 := e.CIDR.Addr().Is4()
	switch {
	case name == "entry.cidr" && is4, name == "entry.ipv6-cidr" && !is4:
		return []string{e.CIDR.String()}
	case name == "entry.icmp.code" && e.HasICMP():
		return []string{strconv.Itoa(e.Code)}
	case name == "entry.icmp.type" && e.HasICMP():
		return []string{strconv.Itoa(e.Type)}
	case name == "entry.port-range.from" && e.HasPorts():
		return []string{strconv.Itoa(e.From)}
	case name == "entry.port-range.to" && e.HasPorts():
		return []string{strconv.Itoa(e.To)}
	case name == "entry.protocol":
		if n, ok := protocolNames[e.Protocol]; ok {
			return []string{n, strconv.Itoa(e.Protocol)}
		}
		return []string{strconv.Itoa(e.Protocol)}
	case name == "entry.rule-action":
		return []string{action(e)}
	case name == "entry.egress":
		return []string{strconv.FormatBool(e.Egress)}
	case name == "entry.rule-number":
		return []string{strconv.Itoa(e.RuleNumber)}
	}
	return nil
}

func createEntry(req *operation.Request) (operation.Effect, error) {
	return withEntry(req, req.Region.CreateNetworkACLEntry)
}

func replaceEntry(req *operation.Request) (operation.Effect, error) {
	return withEntry(req, req.Region.ReplaceNetworkACLEntry)
}

func withEntry(req *operation.Request, write func(string, acl.Entry) error) (operation.Effect, error) {
	id, err := checkedID(req.Form, "NetworkAclId", region.CheckNetworkACLID)
	if err != nil {
		return operation.Effect{}, err
	}
	e, err := parseEntry(req.Form)
	if err != nil {
		return operation.Effect{}, err
	}
	if err := region.CheckEntry(e); err != nil {
		return operation.Effect{}, err
	}
	trail := map[string]any{
		"networkAclId": id, "ruleNumber": e.RuleNumber, "egress": e.Egress, "ruleAction": action(e),
		"aclProtocol": strconv.Itoa(e.Protocol), "icmpTypeCode": map[string]any{}, "portRange": map[string]any{},
	}
	if e.CIDR.Addr().Is4() {
		trail["cidrBlock"] = e.CIDR.String()
	} else {
		trail["ipv6CidrBlock"] = e.CIDR.String()
	}
	if e.HasPorts() {
		trail["portRange"] = map[string]any{"from": e.From, "to": e.To}
	}
	if e.HasICMP() {
		trail["icmpTypeCode"] = map[string]any{"type": e.Type, "code": e.Code}
	}
	return operation.Effect{
		Resource: aclARN(req, id), Subjects: []string{id}, Trail: trail, Resources: aclResource(id),
		Run: func() (any, error) { return succeed(write(id, e)) },
	}, nil
}

func deleteEntry(req *operation.Request) (operation.Effect, error) {
	id, err := checkedID(req.Form, "NetworkAclId", region.CheckNetworkACLID)
	if err != nil {
		return operation.Effect{}, err
	}
	egress, err := boolean(req.Form, "Egress")
	if err != nil {
		return operation.Effect{}, err
	}
	number, err := integer(req.Form, "RuleNumber")
	if err != nil {
		return operation.Effect{}, err
	}
	return operation.Effect{
		Resource: aclARN(req, id), Subjects: []string{id}, Resources: aclResource(id),
		Trail: map[string]any{"networkAclId": id, "ruleNumber": number, "egress": egress},
		Run:   func() (any, error) { return succeed(req.Region.DeleteNetworkACLEntryAt(req.At, id, number, egress)) },
	}, region.CheckRuleNumber(number)
}

func parseEntry(form url.Values) (e acl.Entry, err error) {
	if e.RuleNumber, err = integer(form, "RuleNumber"); err != nil {
		return e, err
	}
	if e.Egress, err = boolean(form, "Egress"); err != nil {
		return e, err
	}
	if e.Protocol, err = integer(form, "Protocol"); err != nil {
		return e, err
	}
	rule, err := required(form, "RuleAction")
	if err != nil {
		return e, err
	}
	if e.Allow = rule == "allow"; rule != "allow" && rule != "deny" {
		return e, region.Errorf("InvalidParameterValue", "Value (%s) for parameter ruleAction is invalid. It must be allow or deny.", rule)
	}
	if e.CIDR, err = parseCIDR(form); err != nil {
		return e, err
	}
	if e.HasPorts() {
		if e.From, err = integer(form, "PortRange.From"); err != nil {
			return e, err
		}
		if e.To, err = integer(form, "PortRange.To"); err != nil {
			return e, err
		}
	}
	if e.HasICMP() {
		if e.Type, err = integer(form, "Icmp.Type"); err != nil {
			return e, err
		}
		if e.Code, err = integer(form, "Icmp.Code"); err != nil {
			return e, err
		}
	}
	return e, nil
}

// parseCIDR reads the one CIDR block of an entry and brings it to its canonical form, as AWS does.
func parseCIDR(form url.Values) (netip.Prefix, error) {
	v4, v6 := form.Get("CidrBlock"), form.Get("Ipv6CidrBlock")
	text, name := v4, "cidrBlock"
	switch {
	case v4 != "" && v6 != "":
		return netip.Prefix{}, region.Errorf("InvalidParameterCombination", "The parameters CidrBlock and Ipv6CidrBlock cannot be used together")
	case v6 != "":
		text, name = v6, "ipv6CidrBlock"
	case v4 == "":
		return netip.Prefix{}, missing("CidrBlock")
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4() != (v6 == "") || strings.Contains(text, "%") {
		return netip.Prefix{}, region.Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", text, name)
	}
	return p.Masked(), nil
}
