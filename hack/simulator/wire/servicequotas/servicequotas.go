// SPDX-License-Identifier: Apache-2.0

// Package servicequotas is the part of Service Quotas' API (JSON 1.1, ServiceQuotasV20190624) that reads quotas. What
// they are, and that EC2 keeps to them, is in package region.
package servicequotas

import (
	"regexp"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// Service is Service Quotas.
func Service() operation.Service {
	return operation.Service{
		Name: "servicequotas", Source: "servicequotas.amazonaws.com",
		Operations: map[string]operation.Operation{"GetServiceQuota": {ReadOnly: true, Prepare: getServiceQuota}},
	}
}

type quotaJSON struct {
	ServiceCode string  `json:"ServiceCode"`
	ServiceName string  `json:"ServiceName"`
	ARN         string  `json:"QuotaArn"`
	Code        string  `json:"QuotaCode"`
	Name        string  `json:"QuotaName"`
	Value       float64 `json:"Value"`
	Unit        string  `json:"Unit"`
	Adjustable  bool    `json:"Adjustable"`
	Global      bool    `json:"GlobalQuota"`
	Level       string  `json:"QuotaAppliedAtLevel"`
}

var (
	serviceCode = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,63}$`)
	quotaCode   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,128}$`)
)

func getServiceQuota(req *operation.Request) (operation.Effect, error) {
	var in struct{ ServiceCode, QuotaCode string }
	if err := operation.Decode(req.Body, &in); err != nil {
		return operation.Effect{}, err
	}
	if !serviceCode.MatchString(in.ServiceCode) || !quotaCode.MatchString(in.QuotaCode) {
		return operation.Effect{}, region.Errorf("IllegalArgumentException", "ServiceCode %q or QuotaCode %q is invalid.", in.ServiceCode, in.QuotaCode)
	}
	return operation.Effect{Resource: req.Region.ARN("servicequotas", in.ServiceCode+"/"+in.QuotaCode), Trail: operation.TrailNames(req.Call.Params), Run: func() (any, error) {
		q, ok := req.View().Quota(in.ServiceCode, in.QuotaCode)
		if !ok {
			return nil, region.Errorf("NoSuchResourceException", "The request failed because the specified service quota does not exist.")
		}
		return struct{ Quota quotaJSON }{quotaJSON{
			ServiceCode: q.ServiceCode, ServiceName: q.ServiceName, Code: q.Code, Name: q.Name, Value: float64(q.Value), Unit: "None",
			ARN: req.Region.ARN("servicequotas", q.ServiceCode+"/"+q.Code), Adjustable: true, Level: "ACCOUNT",
		}}, nil
	}}, nil
}
