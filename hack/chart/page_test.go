// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// The install page shows values as a file, and in the objects of Argo CD and Flux.
func TestTheChartTakesTheValuesOfTheInstallPage(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "install.md"))
	g.Expect(err).NotTo(HaveOccurred())
	tried := map[string]int{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1) {
		var values dict
		g.Expect(yaml.Unmarshal(block[1], &values)).To(Succeed())
		kind, _ := values["kind"].(string)
		if path, ok := map[string][]string{"Application": {"spec", "source", "helm", "valuesObject"}, "HelmRelease": {"spec", "values"}}[kind]; ok {
			object, found := values, false
			values, found, err = unstructured.NestedMap(object, path...)
			g.Expect(found).To(BeTrue(), "%s: %v", kind, err)
			if kind == "HelmRelease" {
				strategy, _, _ := unstructured.NestedString(object, "spec", "chart", "spec", "reconcileStrategy")
				g.Expect(strategy).To(Equal("Revision"), "the chart's version in git never changes")
			}
		}
		tried[kind]++
		text, err := yaml.Marshal(values)
		g.Expect(err).NotTo(HaveOccurred())
		file := filepath.Join(t.TempDir(), "values.yaml")
		g.Expect(os.WriteFile(file, text, 0o600)).To(Succeed())
		_, err = template(t, repoFlag, "--values="+file)
		g.Expect(err).NotTo(HaveOccurred(), string(block[1]))
	}
	g.Expect(tried).To(Equal(map[string]int{"": 2, "Application": 1, "HelmRelease": 1}))
}

func TestEachValueIsInTheTableOfTheInstallPageAndInTheSchema(t *testing.T) {
	g := NewWithT(t)
	read := func(path ...string) []byte {
		text, err := os.ReadFile(filepath.Join(path...))
		g.Expect(err).NotTo(HaveOccurred())
		return text
	}
	page := string(read(root, "docs", "install.md"))
	var values, schema dict
	g.Expect(yaml.Unmarshal(read(folder, "values.yaml"), &values)).To(Succeed())
	g.Expect(yaml.Unmarshal(read(folder, "values.schema.json"), &schema)).To(Succeed())

	var walk func(prefix string, values, schema dict)
	walk = func(prefix string, values, schema dict) {
		for name, value := range values {
			path := prefix + name
			properties, _ := schema["properties"].(dict)
			g.Expect(properties).To(HaveKey(name), "the schema lacks %s", path)
			nested, _ := properties[name].(dict)
			// Flags are in docs/reference.md; what has no properties of its own is any object of Kubernetes.
			if children, ok := value.(dict); ok && nested["properties"] != nil && path != "flags" {
				walk(path+".", children, nested)
				continue
			}
			g.Expect(page).To(Or(ContainSubstring("`"+path+"`"), ContainSubstring("`…."+name+"`")), "docs/install.md lacks %s", path)
		}
	}
	walk("", values, schema)
}
