// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// maxFilterValues is how many values all filters of a call may have together.
const maxFilterValues = 200

// filter is one of the request's filters: a resource passes when one of its values for the name matches one of the
// patterns. All filters of a request must pass.
type filter struct {
	name     string
	values   []string
	patterns []*regexp.Regexp
}

// values are what a resource has under a filter's name; ok is false for names that the operation doesn't know.
type values func(name string) (list []string, ok bool)

// filters reads Filter.N.Name and Filter.N.Value.M. Names are checked against an empty resource, so that an unknown one
// is an error even where there is nothing to filter.
func filters(form url.Values, known values) ([]filter, error) {
	var out []filter
	count := 0
	for n := 1; operation.Has(form, "Filter."+strconv.Itoa(n)); n++ {
		at := "Filter." + strconv.Itoa(n)
		f := filter{name: form.Get(at + ".Name"), values: operation.List(form, at+".Value")}
		if f.name == "" {
			return nil, region.Errorf("InvalidParameterValue", "The filter 'null' is invalid")
		}
		if _, ok := known(f.name); !ok {
			return nil, region.Errorf("InvalidParameterValue", "The filter '%s' is invalid", f.name)
		}
		if len(f.values) == 0 {
			return nil, region.Errorf("MissingParameter", "The request must contain the parameter filterValue for the filter '%s'", f.name)
		}
		if count += len(f.values); count > maxFilterValues {
			return nil, region.Errorf("FilterLimitExceeded", "The maximum number of filter values specified on a single call is %d", maxFilterValues)
		}
		for _, v := range f.values {
			f.patterns = append(f.patterns, wildcard(v))
		}
		out = append(out, f)
	}
	return out, nil
}

// wildcard is a value in which * stands for any characters and ? for one; a backslash takes their meaning away.
func wildcard(value string) *regexp.Regexp {
	value = strings.ToValidUTF8(value, "\uFFFD") // what no tag holds, and no pattern may
	var b strings.Builder
	b.WriteString("(?s)^")
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && i+1 < len(value):
			i++
			b.WriteString(regexp.QuoteMeta(value[i : i+1]))
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(value[i : i+1]))
		}
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}

func (f filter) passes(v values) bool {
	list, _ := v(f.name)
	return slices.ContainsFunc(f.patterns, func(p *regexp.Regexp) bool { return slices.ContainsFunc(list, p.MatchString) })
}

func passesAll(filters []filter, v values) bool {
	for _, f := range filters {
		if !f.passes(v) {
			return false
		}
	}
	return true
}

// tagValues answers tag:KEY, tag-key and tag-value; ok is false for other names.
func tagValues(name string, tags map[string]string) (list []string, ok bool) {
	if key, isTag := strings.CutPrefix(name, "tag:"); isTag {
		if v, has := tags[key]; has {
			list = []string{v}
		}
		return list, true
	}
	switch name {
	case "tag-key":
		for k := range tags {
			list = append(list, k)
		}
		return list, true
	case "tag-value":
		for _, v := range tags {
			list = append(list, v)
		}
		return list, true
	}
	return nil, false
}

// trail are filters as CloudTrail writes them.
func trailFilters(form url.Values) map[string]any {
	items := []any{}
	for n := 1; operation.Has(form, "Filter."+strconv.Itoa(n)); n++ {
		at := "Filter." + strconv.Itoa(n)
		vals := []any{}
		for _, v := range operation.List(form, at+".Value") {
			vals = append(vals, map[string]any{"value": v})
		}
		items = append(items, map[string]any{"name": form.Get(at + ".Name"), "valueSet": map[string]any{"items": vals}})
	}
	if len(items) == 0 {
		return map[string]any{}
	}
	return map[string]any{"items": items}
}
