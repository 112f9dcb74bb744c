// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// names are the fields of a struct by their names in JSON.
func names(t reflect.Type) map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		all[name] = field
	}
	return all
}

// one is the value of a field that is one word, by its name in JSON.
func one(object any, name string) string {
	return reflect.ValueOf(object).FieldByIndex(names(reflect.TypeOf(object))[name].Index).String()
}

func isTime(t reflect.Type) bool { return t == reflect.TypeFor[metav1.Time]() }

func isList(t reflect.Type) bool { return t.Kind() == reflect.Slice }

// places counts the places of a type that hold what is looked for.
func places(t reflect.Type, match func(reflect.Type) bool) int {
	n := 0
	if match(t) {
		n = 1
	}
	switch {
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice:
		n += places(t.Elem(), match)
	case t.Kind() == reflect.Struct && !isTime(t):
		for field := range t.Fields() {
			n += places(field.Type, match)
		}
	}
	return n
}

// properties is the part of a JSON schema that says what fits a field.
type properties struct {
	Type                 string                `json:"type"`
	Format               string                `json:"format"`
	Pattern              string                `json:"pattern"`
	Enum                 []string              `json:"enum"`
	MaxLength            *int64                `json:"maxLength"`
	MaxItems             *int64                `json:"maxItems"`
	Items                *properties           `json:"items"`
	Properties           map[string]properties `json:"properties"`
	AdditionalProperties any                   `json:"additionalProperties"`
	Nullable             bool                  `json:"nullable"`
	IntOrString          bool                  `json:"x-kubernetes-int-or-string"`
	PreserveUnknown      bool                  `json:"x-kubernetes-preserve-unknown-fields"`
	ListType             string                `json:"x-kubernetes-list-type"`
	Rules                []any                 `json:"x-kubernetes-validations"`
}

// unfit says where a schema lets through what the Go type can't hold, and what has no bound.
func unfit(path string, t reflect.Type, schema properties) []string {
	var all []string
	expect := func(holds bool, what string) {
		if !holds {
			all = append(all, path+": "+what)
		}
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	expect(!schema.Nullable && !schema.IntOrString && !schema.PreserveUnknown, "takes more than one kind of value")
	expect(schema.Pattern == "" || strings.HasPrefix(schema.Pattern, "^") && strings.HasSuffix(schema.Pattern, "$"), "has a pattern without anchors")
	switch {
	case isTime(t):
		expect(schema.Type == "string" && schema.Format == "date-time", "is no time")
		// A time of the spec has a rule, which has a sentence. The schema of a condition can have neither: the list has a rule.
		expect(schema.Pattern == timeForm || len(schema.Rules) > 0 || strings.HasSuffix(path, ".conditions[].lastTransitionTime"), "has no pattern of a time")
	case t == reflect.TypeFor[metav1.Duration]():
		expect(schema.Type == "string" && schema.MaxLength != nil && len(schema.Rules) > 0, "is no duration with bounds")
	case t.Kind() == reflect.String:
		expect(schema.Type == "string", "is no string")
		expect(schema.MaxLength != nil || len(schema.Enum) > 0, "has no bound")
	case t.Kind() == reflect.Bool:
		expect(schema.Type == "boolean", "is no boolean")
	case t.Kind() == reflect.Int32 || t.Kind() == reflect.Int64:
		expect(schema.Type == "integer" && schema.Format == t.Kind().String(), "is no integer of as many bits")
	case t.Kind() == reflect.Slice:
		expect(schema.Type == "array" && schema.MaxItems != nil, "is no list with a bound")
		expect(schema.ListType != "", "does not say how it is merged")
		all = append(all, unfit(path+"[]", t.Elem(), *schema.Items)...)
	case t.Kind() == reflect.Struct:
		expect(schema.Type == "object" && schema.AdditionalProperties == nil, "is no object")
		known := names(t)
		expect(len(known) == len(schema.Properties), "has other fields")
		for _, name := range slices.Sorted(maps.Keys(known)) {
			property, ok := schema.Properties[name]
			expect(ok, "lacks "+name)
			all = append(all, unfit(path+"."+name, known[name].Type, property)...)
		}
	default:
		expect(false, "is of a kind that this test does not know: "+t.String())
	}
	return all
}

// What the API server does with such a schema is tried out in the other suites, on some of the fields.
var _ = Describe("The schema of the CRD", func() {
	var schema properties

	BeforeEach(func() {
		stream, err := os.ReadFile(filepath.Join(configDir, "crd", "bases", "chaos.agentdisconnect.dev_agentdisconnects.yaml"))
		Expect(err).NotTo(HaveOccurred())
		versions, _, err := unstructured.NestedSlice(documents(stream)[0].Object, "spec", "versions")
		Expect(err).NotTo(HaveOccurred())
		Expect(versions).To(HaveLen(1))
		root, _, err := unstructured.NestedMap(versions[0].(fields), "schema", "openAPIV3Schema")
		Expect(err).NotTo(HaveOccurred())
		text, err := json.Marshal(root)
		Expect(err).NotTo(HaveOccurred())
		schema = properties{}
		Expect(json.Unmarshal(text, &schema)).To(Succeed())
	})

	It("fits the Go types in every field, and bounds each", func() {
		Expect(unfit("spec", reflect.TypeFor[v1alpha1.AgentDisconnectSpec](), schema.Properties["spec"])).To(BeEmpty())
		Expect(unfit("status", reflect.TypeFor[v1alpha1.AgentDisconnectStatus](), schema.Properties["status"])).To(BeEmpty())
	})

	// So that the one above is known to say something.
	DescribeTable("would not fit", func(property, complaint string) {
		changed := properties{}
		Expect(json.Unmarshal([]byte(property), &changed)).To(Succeed())
		type holder struct {
			Text    string       `json:"text,omitempty"`
			Count   *int32       `json:"count,omitempty"`
			Time    *metav1.Time `json:"time,omitempty"`
			Strings []string     `json:"strings,omitempty"`
		}
		for name, field := range names(reflect.TypeFor[holder]()) {
			if strings.Contains(complaint, name) {
				Expect(unfit(name, field.Type, changed)).To(ContainElement(complaint))
			}
		}
	},
		Entry("without a bound", `{"type":"string"}`, "text: has no bound"),
		Entry("with null", `{"type":"string","nullable":true}`, "text: takes more than one kind of value"),
		Entry("without an anchor", `{"type":"string","pattern":"a$"}`, "text: has a pattern without anchors"),
		Entry("with more bits", `{"type":"integer","format":"int64"}`, "count: is no integer of as many bits"),
		Entry("with any number of bits", `{"type":"integer"}`, "count: is no integer of as many bits"),
		Entry("without a format", `{"type":"string"}`, "time: is no time"),
		Entry("without a pattern", `{"type":"string","format":"date-time"}`, "time: has no pattern of a time"),
		Entry("without an end", `{"type":"array","items":{"type":"string"}}`, "strings: is no list with a bound"),
		Entry("with items without a bound", `{"type":"array","items":{"type":"string"}}`, "strings[]: has no bound"),
	)
})
