// SPDX-License-Identifier: Apache-2.0

package scheduler

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// Service is EventBridge Scheduler.
func Service() operation.Service {
	return operation.Service{
		Name: "scheduler", Source: "scheduler.amazonaws.com",
		Operations: map[string]operation.Operation{
			"CreateSchedule":      {Prepare: createSchedule},
			"UpdateSchedule":      {Prepare: updateSchedule},
			"DeleteSchedule":      {Prepare: deleteSchedule},
			"GetSchedule":         {ReadOnly: true, Prepare: getSchedule},
			"ListSchedules":       {ReadOnly: true, Prepare: listSchedules},
			"CreateScheduleGroup": {Prepare: createGroup},
			"DeleteScheduleGroup": {Prepare: deleteGroup},
			"GetScheduleGroup":    {ReadOnly: true, Prepare: getGroup},
			"ListScheduleGroups":  {ReadOnly: true, Prepare: listGroups},
		},
	}
}

// routes are the actions by method and first segment of the path, with and without a name after it.
var routes = map[string]string{
	"POST schedules/": "CreateSchedule", "PUT schedules/": "UpdateSchedule", "DELETE schedules/": "DeleteSchedule",
	"GET schedules/": "GetSchedule", "GET schedules": "ListSchedules",
	"POST schedule-groups/": "CreateScheduleGroup", "DELETE schedule-groups/": "DeleteScheduleGroup",
	"GET schedule-groups/": "GetScheduleGroup", "GET schedule-groups": "ListScheduleGroups",
}

// Route is the action that a request asks for, with its parameters from path and query, each name with a capital letter:
// the API writes groupName in one query and ScheduleGroup in another. ok is false for a path that is none of the API's.
func Route(r *http.Request) (action string, params url.Values, ok bool) {
	params = url.Values{}
	for k, v := range r.URL.Query() {
		if !strings.HasPrefix(k, "X-Amz-") && k != "" {
			params[strings.ToUpper(k[:1])+k[1:]] = v
		}
	}
	kind, name, named := strings.Cut(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	if named {
		unescaped, err := url.PathUnescape(name)
		if err != nil || strings.Contains(name, "/") {
			return "", params, false
		}
		params.Set("Name", unescaped)
		kind += "/"
	}
	action, ok = routes[r.Method+" "+kind]
	return action, params, ok
}

var (
	namePattern  = regexp.MustCompile(`^[0-9a-zA-Z-_.]+$`)
	tokenPattern = regexp.MustCompile(`^[a-zA-Z0-9-_]+$`)
)

func invalid(format string, args ...any) error {
	return region.Errorf("ValidationException", format, args...)
}

// constraint is the error for a value that the service's model excludes.
func constraint(value, member, rule string) error {
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s", value, member, rule)
}

// checkName is for names of schedules and groups, and for prefixes of them.
func checkName(name, member string) error {
	if len(name) < 1 || len(name) > 64 {
		return constraint(name, member, "have length less than or equal to 64 and greater than or equal to 1")
	}
	if !namePattern.MatchString(name) {
		return constraint(name, member, "satisfy regular expression pattern: "+namePattern.String())
	}
	return nil
}

// checkToken is for client tokens; none is fine.
func checkToken(token string) error {
	if len(token) > 64 {
		return constraint(token, "clientToken", "have length less than or equal to 64")
	}
	if token != "" && !tokenPattern.MatchString(token) {
		return constraint(token, "clientToken", "satisfy regular expression pattern: "+tokenPattern.String())
	}
	return nil
}

func checkLength(value, member string, least, most int) error {
	if n := utf8.RuneCountInString(value); n < least || n > most {
		return constraint(value, member, fmt.Sprintf("have length less than or equal to %d and greater than or equal to %d", most, least))
	}
	return nil
}

func checkOneOf(value, member string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return constraint(value, member, "satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
}

// fingerprint tells requests apart that use the same client token.
func fingerprint(name string, in any) string {
	text, err := json.Marshal(in)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	return name + " " + string(text)
}

// epoch is a time in seconds; nil for the zero time.
func epoch(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	return new(float64(t.UnixMilli()) / 1000)
}

func fromEpoch(seconds *float64) time.Time {
	if seconds == nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(*seconds * 1000)).UTC()
}
