// SPDX-License-Identifier: Apache-2.0

package scheduler

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// pageSize is how many a page has at most, and without MaxResults.
const pageSize = 100

// page is what a list is asked for.
type page struct {
	prefix string
	size   int
	after  string // the key of the last one of the page before
}

func readPage(form url.Values) (p page, err error) {
	p = page{prefix: form.Get("NamePrefix"), size: pageSize}
	if text := form.Get("MaxResults"); text != "" {
		if p.size, err = strconv.Atoi(text); err != nil || p.size < 1 || p.size > pageSize {
			return p, constraint(text, "maxResults", "have value from 1 to 100")
		}
	}
	if form.Has("NamePrefix") {
		if err := checkName(p.prefix, "namePrefix"); err != nil {
			return p, err
		}
	}
	if token := form.Get("NextToken"); token != "" {
		text, err := base64.URLEncoding.DecodeString(token)
		var ok bool
		if p.after, ok = strings.CutPrefix(string(text), "after "); err != nil || !ok {
			return p, invalid("Invalid NextToken.")
		}
	}
	return p, nil
}

// cut is the page of a sorted list, with the token for the next one, nil at the end.
func cut[T any](p page, all []T, key func(T) string) ([]T, *string) {
	first := slices.IndexFunc(all, func(v T) bool { return p.after == "" || key(v) > p.after })
	if first < 0 {
		return nil, nil
	}
	all = all[first:]
	if len(all) <= p.size {
		return all, nil
	}
	return all[:p.size], new(base64.URLEncoding.EncodeToString([]byte("after " + key(all[p.size-1]))))
}

type summary struct {
	Arn, Name, GroupName, State        string
	CreationDate, LastModificationDate *float64
	Target                             struct{ Arn string }
}

func listSchedules(req *operation.Request) (operation.Effect, error) {
	group, state := req.Form.Get("ScheduleGroup"), req.Form.Get("State")
	p, err := readPage(req.Form)
	if err == nil && req.Form.Has("ScheduleGroup") {
		err = checkName(group, "groupName")
	}
	if err == nil && req.Form.Has("State") {
		err = checkOneOf(state, "state", region.ScheduleEnabled, region.ScheduleDisabled)
	}
	// It is judged by all schedules, also where it asks for one group.
	return operation.Effect{Resource: req.Region.ScheduleARN("*", "*"), Trail: operation.TrailNames(req.Call.Params), Run: func() (any, error) {
		v := req.View()
		if group != "" {
			if _, err := v.ScheduleGroup(group); err != nil {
				return nil, err
			}
		}
		fits := slices.DeleteFunc(v.Schedules(), func(n region.Schedule) bool {
			return group != "" && n.Group != group || state != "" && n.State != state || !strings.HasPrefix(n.Name, p.prefix)
		})
		// A space comes before all that names can have, so that the order by key is that by group and name.
		shown, next := cut(p, fits, func(n region.Schedule) string { return n.Group + " " + n.Name })
		out := struct {
			Schedules []summary
			NextToken *string `json:",omitempty"`
		}{make([]summary, 0, len(shown)), next}
		for _, n := range shown {
			s := summary{
				Arn: n.ARN, Name: n.Name, GroupName: n.Group, State: n.State, CreationDate: epoch(n.CreatedAt), LastModificationDate: epoch(n.ModifiedAt),
			}
			s.Target.Arn = n.Target.ARN
			out.Schedules = append(out.Schedules, s)
		}
		return out, nil
	}}, err
}

func listGroups(req *operation.Request) (operation.Effect, error) {
	p, err := readPage(req.Form)
	return operation.Effect{Trail: operation.TrailNames(req.Call.Params), Run: func() (any, error) {
		fits := slices.DeleteFunc(req.View().ScheduleGroups(), func(g region.ScheduleGroup) bool { return !strings.HasPrefix(g.Name, p.prefix) })
		shown, next := cut(p, fits, func(g region.ScheduleGroup) string { return g.Name })
		out := struct {
			ScheduleGroups []group
			NextToken      *string `json:",omitempty"`
		}{make([]group, 0, len(shown)), next}
		for _, g := range shown {
			out.ScheduleGroups = append(out.ScheduleGroups, describeGroup(g))
		}
		return out, nil
	}}, err
}
