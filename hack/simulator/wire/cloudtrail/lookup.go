// SPDX-License-Identifier: Apache-2.0

package cloudtrail

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// pageSize is the most that a call returns, and what it returns if it isn't told.
const pageSize = 50

// kept is how long CloudTrail's event history goes back.
const kept = 90 * 24 * time.Hour

// Service is CloudTrail.
func Service() operation.Service {
	return operation.Service{
		Name: "cloudtrail", Source: "cloudtrail.amazonaws.com",
		Operations: map[string]operation.Operation{"LookupEvents": {ReadOnly: true, Prepare: lookupEvents}},
	}
}

type attribute struct {
	Key   string `json:"AttributeKey"`
	Value string `json:"AttributeValue"`
}

type lookup struct {
	Attributes []attribute `json:"LookupAttributes"`
	Start      *float64    `json:"StartTime"`
	End        *float64    `json:"EndTime"`
	Category   string      `json:"EventCategory"`
	MaxResults *int        `json:"MaxResults"`
	NextToken  string      `json:"NextToken"`
}

var attributeKeys = []string{"EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId"}

type eventJSON struct {
	ID        string     `json:"EventId"`
	Name      string     `json:"EventName"`
	ReadOnly  string     `json:"ReadOnly"`
	AccessKey string     `json:"AccessKeyId"`
	Time      float64    `json:"EventTime"`
	Source    string     `json:"EventSource"`
	Username  string     `json:"Username"`
	Resources []resource `json:"Resources"`
	Record    string     `json:"CloudTrailEvent"`
}

type resource struct {
	Type string `json:"ResourceType"`
	Name string `json:"ResourceName"`
}

func (in lookup) check() error {
	if len(in.Attributes) > 1 {
		return region.Errorf("InvalidLookupAttributesException", "You can specify only one lookup attribute.")
	}
	for _, a := range in.Attributes {
		if !slices.Contains(attributeKeys, a.Key) || a.Value == "" {
			return region.Errorf("InvalidLookupAttributesException", "Invalid lookup attribute: key %q, value %q", a.Key, a.Value)
		}
	}
	if in.MaxResults != nil && (*in.MaxResults < 1 || *in.MaxResults > pageSize) {
		return region.Errorf("InvalidMaxResultsException", "Max results must be between 1 and %d.", pageSize)
	}
	if in.Category != "" && in.Category != "insight" {
		return region.Errorf("InvalidEventCategoryException", "Invalid event category %s.", in.Category)
	}
	if in.Start != nil && in.End != nil && *in.Start > *in.End {
		return region.Errorf("InvalidTimeRangeException", "The start time is later than the end time.")
	}
	return nil
}

func lookupEvents(req *operation.Request) (operation.Effect, error) {
	var in lookup
	if err := json.Unmarshal(req.Body, &in); err != nil && len(req.Body) > 0 {
		return operation.Effect{}, region.Errorf("SerializationException", "%v", err)
	}
	if err := in.check(); err != nil {
		return operation.Effect{}, err
	}
	if in.NextToken != "" {
		text, err := base64.StdEncoding.DecodeString(in.NextToken)
		n, ok := strings.CutPrefix(string(text), "before:")
		if err != nil || !ok {
			return operation.Effect{}, region.Errorf("InvalidNextTokenException", "Invalid token.")
		}
		in.NextToken = n
	}
	return operation.Effect{Trail: req.Call.Params, Run: func() (any, error) {
		answer := struct {
			Events []eventJSON `json:"Events"`
			Next   *string     `json:"NextToken,omitempty"`
		}{Events: []eventJSON{}}
		size := pageSize
		if in.MaxResults != nil {
			size = *in.MaxResults
		}
		found := in.NextToken == ""
		for _, e := range req.Region.Events() {
			if !found { // the token is the last event of the page before; newer events may have come since
				found = e.ID == in.NextToken
				continue
			}
			if !in.matches(e, req.Region.Now()) {
				continue
			}
			if len(answer.Events) == size {
				next := base64.StdEncoding.EncodeToString([]byte("before:" + answer.Events[size-1].ID))
				answer.Next = &next
				break
			}
			answer.Events = append(answer.Events, toEvent(e))
		}
		return answer, nil
	}}, nil
}

func (in lookup) matches(e region.Event, now time.Time) bool {
	t := float64(e.Time.Unix())
	if in.Category == "insight" || now.Sub(e.Time) > kept || in.Start != nil && t < *in.Start || in.End != nil && t > *in.End {
		return false
	}
	for _, a := range in.Attributes {
		if !attributeMatches(a, e) {
			return false
		}
	}
	return true
}

func attributeMatches(a attribute, e region.Event) bool {
	switch a.Key {
	case "EventId":
		return e.ID == a.Value
	case "EventName":
		return e.Name == a.Value
	case "ReadOnly":
		return strconv.FormatBool(e.ReadOnly) == a.Value
	case "Username":
		return e.Username == a.Value
	case "EventSource":
		return e.Source == a.Value
	case "AccessKeyId":
		return e.AccessKey == a.Value
	case "ResourceType":
		return slices.ContainsFunc(e.Resources, func(r region.EventResource) bool { return r.Type == a.Value })
	default:
		return slices.ContainsFunc(e.Resources, func(r region.EventResource) bool { return r.Name == a.Value })
	}
}

func toEvent(e region.Event) eventJSON {
	out := eventJSON{
		ID: e.ID, Name: e.Name, ReadOnly: strconv.FormatBool(e.ReadOnly), AccessKey: e.AccessKey, Time: float64(e.Time.Unix()),
		Source: e.Source, Username: e.Username, Resources: []resource{}, Record: e.JSON,
	}
	for _, r := range e.Resources {
		out.Resources = append(out.Resources, resource(r))
	}
	return out
}
