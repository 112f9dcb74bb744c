// SPDX-License-Identifier: Apache-2.0

package apihosts

import (
	"context"
	"net/url"
	"regexp"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// Host is a host of an API that callers, the clean-up or the users of a run need.
type Host struct {
	Hostname string
	// API is how messages call what it serves, such as "the ECS API".
	API string
	// Required: the host has to resolve before a run begins. Others may not exist in the Region.
	Required bool
	// Own: the manager's configuration names it, so that the manager's own DNS knows it.
	Own bool
}

// resolveHost gives the host of a service's API in a Region as the SDK has it; empty: there is none
// of the kind.
type resolveHost func(region string, dualStack, fips bool) string

// apis are the services whose APIs are protected, by the name that VPC endpoints have for them. The
// SDK's modules of those without a resolver are not linked: their hosts are named as those of ECS
// are.
var apis = []struct {
	service, name string
	required      bool
	resolve       resolveHost
}{
	{"ecs", "the ECS API", true, ecsHost},
	{"ec2", "the EC2 API", true, ec2Host},
	{"sts", "the STS API", true, stsHost},
	{"scheduler", "the EventBridge Scheduler API", false, schedulerHost},
	{"cloudtrail", "the CloudTrail API", false, cloudtrailHost},
	{"monitoring", "the CloudWatch API", false, cloudwatchHost},
	{"fis", "the FIS API", false, fisHost},
	{"eks-auth", "the EKS Auth API", false, likeECS("eks-auth")},
}

// Services are the protected APIs by the name that VPC endpoints have for their services: name
// to what messages call it.
func Services() map[string]string {
	names := map[string]string{}
	for _, api := range apis {
		names[api.service] = api.name
	}
	return names
}

// Of are the hosts of the protected APIs in a Region, dual-stack and FIPS ones included; that
// of STS in the manager's own Region, where its credentials may come from; and those that the
// configuration names instead. Those of FIS are looked up only where the manager reads its safety
// lever.
func Of(region, ownRegion string, baseEndpoints []string, usesFIS bool) []Host {
	var hosts []Host
	add := func(host Host) {
		for _, known := range hosts {
			if known.Hostname == host.Hostname {
				return
			}
		}
		if host.Hostname != "" {
			hosts = append(hosts, host)
		}
	}

	for _, api := range apis {
		if api.service == "fis" && !usesFIS {
			continue
		}
		add(Host{Hostname: api.resolve(region, false, false), API: api.name, Required: api.required})
		for _, kind := range []struct{ dualStack, fips bool }{{true, false}, {false, true}, {true, true}} {
			add(Host{Hostname: api.resolve(region, kind.dualStack, kind.fips), API: api.name})
		}
	}

	if ownRegion != "" {
		add(Host{Hostname: stsHost(ownRegion, false, false), API: "the STS API"})
	}

	for _, base := range baseEndpoints {
		if parsed, err := url.Parse(base); err == nil {
			add(Host{Hostname: strings.ToLower(parsed.Hostname()), API: "the AWS API that the manager calls", Own: true})
		}
	}
	return hosts
}

// awsHost is what hosts of AWS's APIs are called, those of VPC endpoints included.
var awsHost = regexp.MustCompile(`(?i)\.(amazonaws\.com(\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$`)

// AsksCloudTrailOfAWS reports whether a configuration reaches CloudTrail at a host of AWS, and not at
// one that simulates it.
func AsksCloudTrailOfAWS(cfg awssdk.Config) bool {
	base := cloudtrail.NewFromConfig(cfg).Options().BaseEndpoint
	if base == nil {
		return true
	}
	parsed, err := url.Parse(*base)
	return err != nil || awsHost.MatchString(parsed.Hostname())
}

func ecsHost(region string, dualStack, fips bool) string {
	return hostOf(ecs.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), ecs.EndpointParameters{
		Region: awssdk.String(region), UseDualStack: awssdk.Bool(dualStack), UseFIPS: awssdk.Bool(fips),
	}))
}

func ec2Host(region string, dualStack, fips bool) string {
	return hostOf(ec2.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), ec2.EndpointParameters{
		Region: awssdk.String(region), UseDualStack: awssdk.Bool(dualStack), UseFIPS: awssdk.Bool(fips),
	}))
}

func stsHost(region string, dualStack, fips bool) string {
	return hostOf(sts.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), sts.EndpointParameters{
		Region: awssdk.String(region), UseDualStack: awssdk.Bool(dualStack), UseFIPS: awssdk.Bool(fips), UseGlobalEndpoint: awssdk.Bool(false),
	}))
}

func schedulerHost(region string, dualStack, fips bool) string {
	return hostOf(scheduler.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), scheduler.EndpointParameters{
		Region: awssdk.String(region), UseDualStack: awssdk.Bool(dualStack), UseFIPS: awssdk.Bool(fips),
	}))
}

func cloudtrailHost(region string, dualStack, fips bool) string {
	return hostOf(cloudtrail.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), cloudtrail.EndpointParameters{
		Region: awssdk.String(region), UseDualStack: awssdk.Bool(dualStack), UseFIPS: awssdk.Bool(fips),
	}))
}

func cloudwatchHost(region string, dualStack, fips bool) string {
	return hostOf(cloudwatch.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), cloudwatch.EndpointParameters{
		Region: awssdk.String(region), UseDualStack: awssdk.Bool(dualStack), UseFIPS: awssdk.Bool(fips),
	}))
}

func fisHost(region string, dualStack, fips bool) string {
	return hostOf(fis.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), fis.EndpointParameters{
		Region: awssdk.String(region), UseDualStack: awssdk.Bool(dualStack), UseFIPS: awssdk.Bool(fips),
	}))
}

// likeECS names the hosts of a service as those of ECS are named.
func likeECS(label string) resolveHost {
	return func(region string, dualStack, fips bool) string {
		host := ecsHost(region, dualStack, fips)
		if rest, ok := strings.CutPrefix(host, "ecs"); ok {
			return label + rest
		}
		return ""
	}
}

// hostOf is the host of an endpoint; what the SDK has no endpoint for has none.
func hostOf(endpoint smithyendpoints.Endpoint, err error) string {
	if err != nil {
		return ""
	}
	return strings.ToLower(endpoint.URI.Hostname())
}
