// SPDX-License-Identifier: Apache-2.0

package cloudtrail

import (
	"slices"
	"strconv"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// pageSize is the most that a call returns, and what it returns if it isn't told.
const pageSize = 50

// latestTime is the end of the year 9999.
const latestTime = 253402300800

// kept is how long CloudTrail's event history goes back.
const kept = 90 * 24 * time.Hour

// Service is CloudTrail.
func Service() operation.Service {
	return operation.Service{
		Name: "cloudtrail", Source: "cloudtrail.amazonaws.com",
		Operations: map[string]operation.Operation{"LookupEvents": {
			ReadOnly: true, Prepare: lookupEvents, Admit: func(req *operation.Request) bool { return req.Region.AdmitLookup() },
		}},
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

// outOfRange reports whether a time is none that CloudTrail takes, such as one in milliseconds.
func outOfRange(seconds *float64) bool {
	return seconds != nil && !(*seconds >= 0 && *seconds < latestTime)
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
	if outOfRange(in.Start) || outOfRange(in.End) {
		return region.Errorf("InvalidTimeRangeException", "The time range is outside the range of possible values.")
	}
	if in.Start != nil && in.End != nil && *in.Start > *in.End {
		return region.Errorf("InvalidTimeRangeException", "The start time is later than the end time.")
	}
	return nil
}

func lookupEvents(req *operation.Request) (operation.Effect, error) {
	var in lookup
	if err := operation.Decode(req.Body, &in); err != nil {
		return operation.Effect{}, err
	}
	effect := operation.Effect{Trail: ownParameters(req.Call.Params)}
	if err := in.check(); err != nil {
		return effect, err
	}
	after, err := in.position()
	if err != nil {
		return effect, err
	}
	effect.Run = func() (any, error) { return in.page(req.Region.Events(), req.Region.Now(), after) }
	return effect, nil
}

type answer struct {
	Events []eventJSON `json:"Events"`
	Next   *string     `json:"NextToken,omitempty"`
}

// page is what follows the position of a token among the events, which are the newest first. Events
// that have come since then, at whatever place, move no other across it.
func (in lookup) page(events []region.Event, now time.Time, after *position) (answer, error) {
	out, size := answer{Events: []eventJSON{}}, pageSize
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	if after != nil {
		at := slices.IndexFunc(events, func(e region.Event) bool { return positionOf(e) == *after })
		if at < 0 {
			return out, invalidToken()
		}
		events = events[at+1:]
	}
	var last region.Event
	for _, e := range events {
		if !in.matches(e, now) {
			continue
		}
		if len(out.Events) == size {
			next := in.token(positionOf(last))
			out.Next = &next
			break
		}
		out.Events, last = append(out.Events, toEvent(e)), e
	}
	return out, nil
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
