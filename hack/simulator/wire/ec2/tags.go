// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// maxPerTagCall is how many resources and how many tags CreateTags and DeleteTags take.
const maxPerTagCall = 1000

func toTags(tags map[string]string) []tagXML {
	out := make([]tagXML, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, tagXML{k, tags[k]})
	}
	return out
}

// readTags reads the tags under a prefix, e.g. Tag.1.Key and Tag.1.Value.
func readTags(form url.Values, prefix string) (map[string]string, error) {
	tags := map[string]string{}
	for n := 1; operation.Has(form, prefix+strconv.Itoa(n)); n++ {
		at := prefix + strconv.Itoa(n)
		key := form.Get(at + ".Key")
		if key == "" {
			return nil, missing("Tag.Key")
		}
		if _, twice := tags[key]; twice {
			return nil, region.Errorf("InvalidParameterValue", "Duplicate tag key '%s' specified.", key)
		}
		tags[key] = form.Get(at + ".Value")
	}
	return tags, nil
}

// tagSpecifications reads the tags for what an operation creates.
func tagSpecifications(form url.Values, resourceType string) (map[string]string, error) {
	tags := map[string]string{}
	for n := 1; operation.Has(form, "TagSpecification."+strconv.Itoa(n)); n++ {
		at := "TagSpecification." + strconv.Itoa(n)
		if t := form.Get(at + ".ResourceType"); t != resourceType {
			return nil, region.Errorf("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", t)
		}
		more, err := readTags(form, at+".Tag.")
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			return nil, region.Errorf("InvalidParameterValue", "Tag specification must have at least one tag")
		}
		maps.Copy(tags, more)
	}
	return tags, nil
}

func createTags(req *operation.Request) (operation.Effect, error) {
	resources := operation.List(req.Form, "ResourceId")
	if len(resources) == 0 {
		return operation.Effect{}, missing("resourceIdSet")
	}
	tags, err := readTags(req.Form, "Tag.")
	if err != nil {
		return operation.Effect{}, err
	}
	if len(tags) == 0 {
		return operation.Effect{}, missing("tagSet")
	}
	if len(resources) > maxPerTagCall || len(tags) > maxPerTagCall {
		return operation.Effect{}, region.Errorf("InvalidParameterValue", "A call takes up to %d resources and tags", maxPerTagCall)
	}
	return operation.Effect{
		Resource: resourceARN(req, resources[0]), Subjects: resources,
		Trail: map[string]any{"resourcesSet": trailIDs("resourceId", resources), "tagSet": trailTags(tags)},
		Run:   func() (any, error) { return succeed(req.Region.CreateTags(resources, tags)) },
	}, nil
}

func deleteTags(req *operation.Request) (operation.Effect, error) {
	resources := operation.List(req.Form, "ResourceId")
	if len(resources) == 0 {
		return operation.Effect{}, missing("resourceIdSet")
	}
	var tags []region.Deletion
	named := map[string]string{}
	for n := 1; operation.Has(req.Form, "Tag."+strconv.Itoa(n)); n++ {
		at := "Tag." + strconv.Itoa(n)
		d := region.Deletion{Key: req.Form.Get(at + ".Key")}
		if d.Key == "" {
			return operation.Effect{}, missing("Tag.Key")
		}
		// No value at all deletes the tag whatever its value, an empty one only if its value is empty.
		if v, ok := req.Form[at+".Value"]; ok {
			d.Value = &v[0]
		}
		tags = append(tags, d)
		named[d.Key] = req.Form.Get(at + ".Value")
	}
	return operation.Effect{
		Resource: resourceARN(req, resources[0]), Subjects: resources,
		Trail: map[string]any{"resourcesSet": trailIDs("resourceId", resources), "tagSet": trailTags(named)},
		Run:   func() (any, error) { return succeed(req.Region.DeleteTags(resources, tags)) },
	}, nil
}

func resourceARN(req *operation.Request, id string) string {
	prefix, _, _ := strings.Cut(id, "-")
	if prefix == "acl" {
		prefix = "network-acl"
	}
	return req.Region.ARN("ec2", prefix+"/"+id)
}

func trailTags(tags map[string]string) map[string]any {
	items := []any{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		items = append(items, map[string]any{"key": k, "value": tags[k]})
	}
	return map[string]any{"items": items}
}

func tagDescriptionValues(t region.TagDescription) values {
	return func(name string) ([]string, bool) {
		if key, ok := strings.CutPrefix(name, "tag:"); ok {
			if key == t.Key {
				return []string{t.Value}, true
			}
			return nil, true
		}
		switch name {
		case "key":
			return []string{t.Key}, true
		case "value":
			return []string{t.Value}, true
		case "resource-id":
			return []string{t.ResourceID}, true
		case "resource-type":
			return []string{t.ResourceType}, true
		}
		return nil, false
	}
}

func describeTags(req *operation.Request) (operation.Effect, error) {
	p, err := pages(req.Form, "", nil)
	if err != nil {
		return operation.Effect{}, err
	}
	fs, err := filters(req.Form, tagDescriptionValues(region.TagDescription{}))
	if err != nil {
		return operation.Effect{}, err
	}
	// Measured on AWS: with a filter by resource-id everything comes in one page, whatever MaxResults says.
	if slices.ContainsFunc(fs, func(f filter) bool { return f.name == "resource-id" }) {
		p.size = 0
	}
	return operation.Effect{
		Trail: map[string]any{"filterSet": trailFilters(req.Form)},
		Run: func() (any, error) {
			type item struct {
				ResourceID   string `xml:"resourceId"`
				ResourceType string `xml:"resourceType"`
				Key          string `xml:"key"`
				Value        string `xml:"value"`
			}
			var answer struct {
				Tags []item `xml:"tagSet>item"`
				Next string `xml:"nextToken,omitempty"`
			}
			var match []region.TagDescription
			for _, t := range req.View().Tags() {
				if passesAll(fs, tagDescriptionValues(t)) {
					match = append(match, t)
				}
			}
			match, answer.Next = cut(p, match, func(t region.TagDescription) string { return t.ResourceID + "\x00" + t.Key })
			for _, t := range match {
				answer.Tags = append(answer.Tags, item{t.ResourceID, t.ResourceType, t.Key, t.Value})
			}
			return answer, nil
		},
	}, nil
}
