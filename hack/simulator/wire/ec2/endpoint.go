// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/url"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type endpointXML struct {
	ID               string   `xml:"vpcEndpointId"`
	Type             string   `xml:"vpcEndpointType"`
	VPCID            string   `xml:"vpcId"`
	ServiceName      string   `xml:"serviceName"`
	State            string   `xml:"state"`
	PolicyDocument   string   `xml:"policyDocument"`
	RouteTables      struct{} `xml:"routeTableIdSet"`
	SubnetIDs        []string `xml:"subnetIdSet>item"`
	Groups           struct{} `xml:"groupSet"`
	IPAddressType    string   `xml:"ipAddressType"`
	DNSRecordType    string   `xml:"dnsOptions>dnsRecordIpType"`
	PrivateDNS       bool     `xml:"privateDnsEnabled"`
	RequesterManaged bool     `xml:"requesterManaged"`
	InterfaceIDs     []string `xml:"networkInterfaceIdSet>item"`
	DNS              []dnsXML `xml:"dnsEntrySet>item"`
	Created          string   `xml:"creationTimestamp"`
	Tags             []tagXML `xml:"tagSet>item"`
	OwnerID          string   `xml:"ownerId"`
	ServiceRegion    string   `xml:"serviceRegion"`
}

type dnsXML struct {
	Name string `xml:"dnsName"`
	Zone string `xml:"hostedZoneId"`
}

// vpceZone is the hosted zone of endpoints' own names in Tokyo; other Regions have others, which nothing here takes.
const vpceZone = "Z2E726K9Y6RL4W"

const allowEverything = `{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}`

// millis is how EC2 writes times.
const millis = "2006-01-02T15:04:05.000Z"

func toEndpointXML(req *operation.Request, v region.View, e region.VPCEndpoint) endpointXML {
	out := endpointXML{
		ID: e.ID, Type: "Interface", VPCID: e.VPCID, ServiceName: e.ServiceName, State: e.State, PolicyDocument: allowEverything,
		IPAddressType: addressType(e), DNSRecordType: addressType(e), PrivateDNS: e.PrivateDNS, Created: e.CreatedAt.UTC().Format(millis),
		Tags: toTags(e.Tags), OwnerID: req.Region.Account(), ServiceRegion: req.Region.Name(),
	}
	// Names of an endpoint's own: for the Region, then for each zone. Nothing in the simulation resolves them.
	id := turned(strings.TrimPrefix(e.ID, "vpce-"))
	base := e.ID + "-" + id[:8]
	names := []string{base}
	for _, n := range e.Interfaces {
		out.SubnetIDs = append(out.SubnetIDs, n.SubnetID)
		out.InterfaceIDs = append(out.InterfaceIDs, n.ID)
		sub, _ := v.Subnet(n.SubnetID)
		names = append(names, base+"-"+sub.AvailabilityZone)
	}
	for _, name := range names {
		out.DNS = append(out.DNS, dnsXML{name + "." + e.Service() + "." + req.Region.Name() + ".vpce." + req.Region.DNSSuffix(), vpceZone})
	}
	if host := v.PrivateHost(e); host != "" {
		out.DNS = append(out.DNS, dnsXML{host, "Z" + strings.ToUpper(id)})
	}
	return out
}

// addressType is dualstack where an interface has IPv6.
func addressType(e region.VPCEndpoint) string {
	for _, n := range e.Interfaces {
		if n.IPv6.IsValid() {
			return "dualstack"
		}
	}
	return "ipv4"
}

func endpointValues(req *operation.Request, e region.VPCEndpoint) values {
	return func(name string) ([]string, bool) {
		if list, ok := tagValues(name, e.Tags); ok {
			return list, name != "tag-value"
		}
		switch name {
		case "vpc-endpoint-id":
			return []string{e.ID}, true
		case "vpc-id":
			return []string{e.VPCID}, true
		case "service-name":
			return []string{e.ServiceName}, true
		case "service-region":
			return []string{req.Region.Name()}, true
		case "vpc-endpoint-state":
			return []string{e.State}, true
		case "vpc-endpoint-type":
			return []string{"Interface"}, true
		case "ip-address-type":
			return []string{addressType(e)}, true
		}
		return nil, false
	}
}

func describeVPCEndpoints(req *operation.Request) (operation.Effect, error) {
	ids := operation.List(req.Form, "VpcEndpointId")
	for _, id := range ids {
		if err := region.CheckVPCEndpointID(id); err != nil {
			return operation.Effect{}, err
		}
	}
	p, err := endpointPages(req.Form)
	if err != nil {
		return operation.Effect{}, err
	}
	fs, err := filters(req.Form, endpointValues(req, region.VPCEndpoint{}))
	if err != nil {
		return operation.Effect{}, err
	}
	return operation.Effect{
		Trail: map[string]any{"DescribeVpcEndpointsRequest": map[string]any{"VpcEndpointId": ids, "Filter": trailFilters(req.Form)}},
		Run: func() (any, error) {
			v := req.View()
			all, err := selected(ids, v.VPCEndpoints(), func(e region.VPCEndpoint) string { return e.ID }, region.MissingVPCEndpoint)
			if err != nil {
				return nil, err
			}
			var answer struct {
				Endpoints []endpointXML `xml:"vpcEndpointSet>item"`
				Next      string        `xml:"nextToken,omitempty"`
			}
			var match []region.VPCEndpoint
			for _, e := range all {
				if passesAll(fs, endpointValues(req, e)) {
					match = append(match, e)
				}
			}
			match, answer.Next = cut(p, match, func(e region.VPCEndpoint) string { return e.ID })
			for _, e := range match {
				answer.Endpoints = append(answer.Endpoints, toEndpointXML(req, v, e))
			}
			return answer, nil
		},
	}, nil
}

// endpointPages reads MaxResults and NextToken as DescribeVpcEndpoints does: more than 1000 counts as 1000, and they can
// be joined with ids.
func endpointPages(form url.Values) (page, error) {
	text := form.Get("MaxResults")
	p, err := pages(url.Values{"NextToken": form["NextToken"]}, "", nil)
	if err != nil || text == "" {
		return p, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return p, region.Errorf("InvalidParameterValue", "Value ( %s ) for parameter maxResults is invalid.", text)
	}
	p.size = min(n, 1000)
	return p, nil
}
