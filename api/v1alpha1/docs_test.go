// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	root      = "../.."
	stateDir  = root + "/docs/states"
	stateList = root + "/docs/states.md"
)

// reasons are the values of the constants that condition_types.go declares with one of the prefixes.
func reasons(prefixes ...string) []string {
	GinkgoHelper()
	file, err := parser.ParseFile(token.NewFileSet(), "condition_types.go", nil, parser.SkipObjectResolution)
	Expect(err).NotTo(HaveOccurred())
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			for _, prefix := range prefixes {
				if strings.HasPrefix(name.Name, prefix) {
					value, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
					Expect(err).NotTo(HaveOccurred())
					values = append(values, value)
				}
			}
		}
		return true
	})
	Expect(values).NotTo(BeEmpty())
	return values
}

func page(path string) string {
	GinkgoHelper()
	text, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// pages are the README and all of docs.
func pages() []string {
	GinkgoHelper()
	all := []string{filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")}
	Expect(filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			all = append(all, path)
		}
		return err
	})).To(Succeed())
	return all
}

// tracked are the files of the repository that git keeps, or that are new, with a name like the pattern.
func tracked(pattern string) []string {
	GinkgoHelper()
	names, err := exec.CommandContext(GinkgoT().Context(), "git", "-C", root, "ls-files", "-co", "--exclude-standard", "--", pattern).Output()
	Expect(err).NotTo(HaveOccurred())
	var all []string
	for name := range strings.Lines(string(names)) {
		all = append(all, filepath.Join(root, strings.TrimSpace(name)))
	}
	Expect(len(all)).To(BeNumerically(">", 20))
	return all
}

var (
	fence   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	heading = regexp.MustCompile(`(?m)^(#+) (.+)$`)
	link    = regexp.MustCompile(`\]\(([^)]+)\)`)
	code    = regexp.MustCompile("`[^`\n]*`")
)

// headings are those of a level; 0 is every level.
func headings(text string, level int) []string {
	var found []string
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		if level == 0 || len(match[1]) == level {
			found = append(found, match[2])
		}
	}
	return found
}

// anchors are what a link can name in a page, as GitHub makes them of its headings.
func anchors(text string) []string {
	var found []string
	for _, title := range headings(text, 0) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(title), "")
		found = append(found, strings.ReplaceAll(name, " ", "-"))
	}
	return found
}

var _ = Describe("The documentation", func() {
	It("has a page for every state that a run can be in, and the index leads to it", func() {
		known := map[string]bool{"Stalled": true}
		index := page(stateList)
		for _, state := range reasons("State", "Abort") {
			known[state] = true
			Expect(headings(page(filepath.Join(stateDir, state+".md")), 1)).To(Equal([]string{state}))
			Expect(index).To(ContainSubstring("[" + state + "](states/" + state + ".md)"))
		}
		files, err := filepath.Glob(filepath.Join(stateDir, "*"))
		Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			Expect(known).To(HaveKey(strings.TrimSuffix(filepath.Base(file), ".md")), "no state has that name")
		}
	})

	It("has a section for every reason why a run waits or a person must act, and for no other", func() {
		stalled := headings(page(filepath.Join(stateDir, "Stalled.md")), 3)
		waiting := headings(page(filepath.Join(stateDir, "Waiting.md")), 3)
		sections := append(stalled, waiting...)
		for _, reason := range reasons("Reason") {
			Expect(sections).To(ContainElement(reason))
		}
		for _, section := range sections {
			Expect(reasons("Reason")).To(ContainElement(section), "no reason has that name")
		}
	})

	It("explains each alert where its runbook_url leads", func() {
		var rules struct {
			Groups []struct {
				Rules []struct {
					Alert       string
					Annotations map[string]string
				}
			}
		}
		Expect(yaml.Unmarshal([]byte(page(root+"/config/prometheus/rules.yaml")), &rules)).To(Succeed())
		explained := 0
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				path, section, _ := strings.Cut(rule.Annotations["runbook_url"], "#")
				Expect(section).To(Equal(strings.ToLower(rule.Alert)), "runbook_url of %s", rule.Alert)
				Expect(headings(page(filepath.Join(root, path)), 3)).To(ContainElement(rule.Alert))
				explained++
			}
		}
		Expect(explained).To(BeNumerically(">", 5))
	})

	It("links to what is there", func() {
		for _, from := range tracked("*.md") {
			for _, match := range link.FindAllStringSubmatch(code.ReplaceAllString(fence.ReplaceAllString(page(from), ""), ""), -1) {
				to, err := url.Parse(match[1])
				Expect(err).NotTo(HaveOccurred())
				if to.Host != "" {
					continue
				}
				target := from
				if to.Path != "" {
					target = filepath.Join(filepath.Dir(from), to.Path)
				}
				Expect(target).To(Or(BeARegularFile(), BeADirectory()), "%s links to %s", from, match[1])
				if to.Fragment != "" {
					Expect(anchors(page(target))).To(ContainElement(to.Fragment), "%s links to %s", from, match[1])
				}
			}
		}
	})

	It("shows the table that kubectl prints", func(ctx context.Context) {
		narrow, _, _ := row(table(ctx, stored(ctx, nil)))
		header := regexp.MustCompile(`(?m)^ *NAME +STATE .*$`)
		shown := 0
		for _, from := range pages() {
			for _, match := range header.FindAllString(page(from), -1) {
				columns := strings.Join(strings.Fields(match), " ")
				ofPlugin := strings.HasSuffix(columns, "AGE REASON") || strings.HasSuffix(columns, "LAST ACTIVE")
				if !ofPlugin {
					Expect("Name"+strings.TrimPrefix(columns, "NAME")).To(Equal(narrow), from)
					shown++
				}
			}
		}
		Expect(shown).To(BeNumerically(">", 30))
	})

	It("shows manifests that the API server takes", func(ctx context.Context) {
		block := regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```$")
		tried := 0
		for _, from := range pages() {
			for _, match := range block.FindAllStringSubmatch(page(from), -1) {
				text := strings.ReplaceAll("\n"+match[2], "\n"+match[1], "\n")
				if !strings.Contains(text, "\napiVersion: ") {
					continue // not an object
				}
				for _, u := range documents([]byte(text)) {
					By(from + ": " + u.GetKind() + " " + u.GetName())
					if others(u) {
						continue
					}
					if u.GetNamespace() != "" {
						u.SetNamespace("default") // the one that there is
					}
					if u.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
						u.SetNamespace("default")
						tried++
					}
					Expect(kube.Create(ctx, u, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed())
				}
			}
		}
		Expect(tried).To(BeNumerically(">", 1))
	})
})

// others reports whether an object is of a kind that this API server doesn't know.
func others(u *unstructured.Unstructured) bool {
	group := u.GroupVersionKind().Group
	return strings.HasSuffix(group, ".fluxcd.io") || group == "argoproj.io" || group == "kustomize.config.k8s.io"
}
