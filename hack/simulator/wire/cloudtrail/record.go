// SPDX-License-Identifier: Apache-2.0

package cloudtrail

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// Record is what CloudTrail keeps of a call.
type Record struct {
	Request *operation.Request
	Source  string
	// Effect has the request's parameters; Answer is what the caller got, nil for an error.
	Effect operation.Effect
	Answer any
	Err    *region.Error
}

// Trailed is an XML answer that knows how CloudTrail writes it.
type Trailed interface{ Trail() map[string]any }

type record struct {
	Version    string         `json:"eventVersion"`
	Identity   map[string]any `json:"userIdentity"`
	Time       string         `json:"eventTime"`
	Source     string         `json:"eventSource"`
	Name       string         `json:"eventName"`
	Region     string         `json:"awsRegion"`
	IP         string         `json:"sourceIPAddress"`
	UserAgent  string         `json:"userAgent"`
	ErrorCode  string         `json:"errorCode,omitempty"`
	ErrorText  string         `json:"errorMessage,omitempty"`
	Parameters any            `json:"requestParameters"`
	Response   any            `json:"responseElements"`
	RequestID  string         `json:"requestID"`
	EventID    string         `json:"eventID"`
	ReadOnly   bool           `json:"readOnly"`
	Type       string         `json:"eventType"`
	Management bool           `json:"managementEvent"`
	Recipient  string         `json:"recipientAccountId"`
	Category   string         `json:"eventCategory"`
}

// Event makes the event of a call.
func Event(r Record) (region.Event, error) {
	c, id := r.Request.Call, r.Request.Identity
	out := record{
		Version: "1.11", Identity: identity(id, c.Time), Time: c.Time.UTC().Format(time.RFC3339), Source: r.Source, Name: c.Action, Region: c.Region,
		IP: cmp.Or(id.InvokedBy, "127.0.0.1"), UserAgent: cmp.Or(id.InvokedBy, c.UserAgent), Parameters: parameters(r), RequestID: c.RequestID, EventID: r.Request.Region.NewEventID(),
		ReadOnly: c.ReadOnly, Type: "AwsApiCall", Management: true, Recipient: r.Request.Region.Account(), Category: "Management",
	}
	if r.Err != nil {
		out.ErrorCode, out.ErrorText = errorCode(c.Service, r.Err), r.Err.Message
	} else if !c.ReadOnly {
		out.Response = response(c, r.Answer)
	}
	text, err := json.Marshal(out)
	return region.Event{
		ID: out.EventID, Time: c.Time, Source: r.Source, Name: c.Action, ReadOnly: c.ReadOnly, AccessKey: id.KeyID(), Username: id.UserName(),
		Resources: r.Effect.Resources, JSON: string(text),
	}, err
}

// parameters are null where there are none, and for calls that IAM denies before a JSON service has
// read them. EC2 records those with their parameters.
func parameters(r Record) any {
	given, isMap := r.Effect.Trail.(map[string]any)
	if isMap && len(given) == 0 || r.Err != nil && r.Err.Code == "AccessDeniedException" {
		return nil
	}
	return r.Effect.Trail
}

// errorCode is the code as CloudTrail has it: EC2's say whose fault it was, and denials are AccessDenied elsewhere.
func errorCode(service string, e *region.Error) string {
	switch {
	case service == "ec2" && e.HTTPStatus >= http.StatusInternalServerError && e.Code != "RequestLimitExceeded":
		return "Server." + e.Code
	case service == "ec2":
		return "Client." + e.Code
	case e.Code == "AccessDeniedException":
		return "AccessDenied"
	}
	return e.Code
}

// response is the answer as CloudTrail has it: EC2's as JSON with the request's id, times of ECS in words.
func response(c call.Call, answer any) any {
	if c.Service == "ec2" {
		if t, ok := answer.(Trailed); ok {
			out := t.Trail()
			out["requestId"] = c.RequestID
			return out
		}
		return map[string]any{"requestId": c.RequestID, "_return": true}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil
	}
	var out any
	if json.Unmarshal(text, &out) != nil {
		return nil
	}
	return timesInWords(out)
}

func timesInWords(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			if seconds, ok := member.(float64); ok && strings.HasSuffix(k, "At") {
				v[k] = inWords(seconds)
				continue
			}
			v[k] = timesInWords(member)
		}
	case []any:
		for i := range v {
			v[i] = timesInWords(v[i])
		}
	}
	return v
}

// inWords is a time in seconds as CloudTrail writes it within parameters and answers.
func inWords(seconds float64) string {
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)).UTC().Format("Jan 2, 2006, 3:04:05 PM")
}
