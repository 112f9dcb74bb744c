// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// documented are the sections of the reference with the fields that each describes, and those that refer to another
// section for them.
func documented() (all map[string][]string, referring map[string]bool) {
	GinkgoHelper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	Expect(err).NotTo(HaveOccurred())
	row := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| [^|]+ \\| [^|]")
	all, referring = map[string][]string{}, map[string]bool{}
	for section := range strings.SplitSeq(string(page), "\n##") {
		heading, body, _ := strings.Cut(strings.TrimLeft(section, "# "), "\n")
		all[heading] = []string{}
		for _, match := range row.FindAllStringSubmatch(body, -1) {
			all[heading] = append(all[heading], match[1])
		}
		if same := regexp.MustCompile(`Its fields are those of \[([\w.]+(\[\])?)\]`).FindStringSubmatch(body); same != nil {
			Expect(all).To(HaveKey(same[1]))
			all[heading], referring[heading] = all[same[1]], true
		}
	}
	return all, referring
}

// `make verify` holds the page to what is generated; this holds the generator's configuration to the types.
var _ = Describe("The reference", func() {
	It("has a section for every object and a line for every field, with its meaning", func() {
		sections, referring := documented()
		seen := 0
		var look func(path string, t reflect.Type)
		look = func(path string, t reflect.Type) {
			seen++
			Expect(sections).To(HaveKey(path))
			known := names(t)
			Expect(sections[path]).To(HaveLen(len(known)), path)
			for name, field := range known {
				Expect(sections[path]).To(ContainElement(name), path)
				of, suffix := field.Type, ""
				if isList(of) {
					suffix = "[]"
				}
				if isList(of) || of.Kind() == reflect.Pointer {
					of = of.Elem()
				}
				if !referring[path] && of.Kind() == reflect.Struct && of.PkgPath() != reflect.TypeFor[metav1.Time]().PkgPath() {
					look(path+"."+name+suffix, of)
				}
			}
		}
		look("spec", reflect.TypeFor[v1alpha1.AgentDisconnectSpec]())
		look("status", reflect.TypeFor[v1alpha1.AgentDisconnectStatus]())
		look("schedule.spec", reflect.TypeFor[v1alpha1.AgentDisconnectScheduleSpec]())
		look("schedule.status", reflect.TypeFor[v1alpha1.AgentDisconnectScheduleStatus]())
		Expect(seen).To(BeNumerically(">", 15))
	})
})
