// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// kubectlCreate gives what kubectl prints when it is to create an object with changes of the spec.
func kubectlCreate(ctx context.Context, spec fields) string {
	GinkgoHelper()
	config := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(config, control.Kubeconfig, 0o600)).To(Succeed())
	manifest, err := json.Marshal(object(spec).Object)
	Expect(err).NotTo(HaveOccurred())
	create := exec.CommandContext(ctx, control.Kubectl(), "--kubeconfig", config, "create", "-f", "-")
	create.Stdin = strings.NewReader(string(manifest))
	printed, err := create.CombinedOutput()
	Expect(err).To(HaveOccurred(), "%s", printed)
	return string(printed)
}

var _ = Describe("A mistake in the spec", func() {
	DescribeTable("is told by kubectl in a sentence", func(ctx context.Context, field string, value any, sentence string) {
		printed := kubectlCreate(ctx, fields{field: value})
		Expect(printed).To(ContainSubstring("spec." + field + ": Invalid value: "))
		Expect(printed).To(ContainSubstring(sentence))
		Expect(printed).NotTo(ContainSubstring("should match"))
	},
		Entry("of a subnet's id", "subnetID", "my-subnet", subnetRule),
		Entry("of a Region", "region", "Tokyo", regionRule),
		Entry("of a run's id", "runID", "run 1", runIDRule),
		Entry("of a time to start", "startAfter", "2026-01-02T15:04:05.5Z", startRule),
		Entry("of a time in small letters", "startAfter", "2026-01-02t15:04:05z", startRule),
		Entry("of a deadline", "startDeadline", "0001-01-01T00:00:00Z", startRule),
		Entry("of a cluster", "cluster", "my cluster", clusterRule),
		Entry("of a duration", "duration", "1h30", "must be from 1m to 12h in whole hours, minutes and seconds, such as 10m or 1h30m"),
	)

	It("is never told by a regular expression", func() {
		file, err := os.ReadFile(filepath.Join(root, "config/crd/bases/chaos.agentdisconnect.dev_agentdisconnects.yaml"))
		Expect(err).NotTo(HaveOccurred())
		var crd apiextensionsv1.CustomResourceDefinition
		Expect(yaml.UnmarshalStrict(file, &crd)).To(Succeed())
		var walk func(path string, schema apiextensionsv1.JSONSchemaProps)
		walk = func(path string, schema apiextensionsv1.JSONSchemaProps) {
			Expect(schema.Pattern).To(BeEmpty(), path)
			for _, rule := range schema.XValidations {
				Expect(rule.Message).NotTo(BeEmpty(), path)
			}
			for name, property := range schema.Properties {
				walk(path+"."+name, property)
			}
			if schema.Items != nil && schema.Items.Schema != nil {
				walk(path+"[]", *schema.Items.Schema)
			}
		}
		walk("spec", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"])
	})
})
