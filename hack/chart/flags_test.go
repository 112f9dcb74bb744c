// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// settings has a value for each flag, as helm's --set takes it, and the argument that the manager gets.
var settings = map[string]struct{ set, arg string }{
	"agent-poll-interval":        {"20s", "20s"},
	"allow-additional-endpoints": {"false", "false"},
	"aws-change-rate":            {"2", "2"},
	"aws-read-rate":              {"20", "20"},
	"cloudtrail-delay":           {"20m", "20m"},
	"consent-tag-key":            {"", ""},
	"deadman-role-arn":           {"arn:aws:iam::123456789012:role/switch", "arn:aws:iam::123456789012:role/switch"},
	"deadman-schedule-group":     {"switch", "switch"},
	"dns-server":                 {"10.0.0.2:53", "10.0.0.2:53"},
	"fis-safety-lever":           {"false", "false"}, // true is rendered without a value
	"graceful-shutdown-timeout":  {"10s", "10s"},
	"health-probe-bind-address":  {":9081", ":9081"},
	"leader-elect":               {"false", "false"},
	"leader-election-namespace":  {system, system},
	"lookup-interval":            {"1.5s", "1.5s"},
	"max-active-runs":            {"0", "0"},
	"max-concurrent-reconciles":  {"1000000", "1000000"},
	"max-duration":               {"1h30m", "1h30m"},
	"metrics-bind-address":       {"0", "0"},
	"metrics-secure":             {"false", "false"},
	"namespace-role": {
		"{payments=arn:aws:iam::222222222222:role/agentdisconnect,checkout=arn:aws:iam::333333333333:role/chaos;external-id=for-checkout}",
		"payments=arn:aws:iam::222222222222:role/agentdisconnect,checkout=arn:aws:iam::333333333333:role/chaos;external-id=for-checkout",
	},
	"network-acl-entry-quota":   {"40", "40"},
	"network-acl-poll-interval": {"10s", "10s"},
	"require-namespace-role":    {"false", "false"},
	"sweep-interval":            {"1h", "1h"},
	"sweep-regions":             {"{us-east-1,eu-west-1}", "us-east-1,eu-west-1"},
	"watch-namespaces":          {"{team-a,team-b}", "team-a,team-b"},
	"zap-devel":                 {"false", "false"},
	"zap-encoder":               {"console", "console"},
	"zap-log-level":             {"2", "2"},
	"zap-stacktrace-level":      {"panic", "panic"},
	"zap-time-encoding":         {"rfc3339", "rfc3339"},
}

// flag is one of the manager's, as its --help describes it.
type flag struct{ kind, fallback string }

var (
	flagLine = regexp.MustCompile(`(?m)^ {2,6}(?:-\w, )?--?([a-z][a-z-]+)(?: ([a-z]+))?`)
	fallback = regexp.MustCompile(`\(default\s+"?([^")]*)"?\)`) // which may be on two lines
)

// buildManager builds the manager as the image has it.
func buildManager(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "manager")
	_, err := command(t, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-o", binary, "./cmd/manager")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return binary
}

// flagsOf are the flags of a manager. --help and --version are for people, not for a Deployment.
func flagsOf(t *testing.T, binary string) map[string]flag {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "--help").CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	starts := flagLine.FindAllStringSubmatchIndex(string(out), -1)
	all := map[string]flag{}
	for i, at := range starts {
		end := len(out)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		text, one := string(out[at[0]:end]), flag{}
		if at[4] >= 0 {
			one.kind = string(out[at[4]:at[5]])
		}
		if match := fallback.FindStringSubmatch(text); match != nil {
			one.fallback = match[1]
		}
		all[string(out[at[2]:at[3]])] = one
	}
	delete(all, "version")
	delete(all, "help")
	return all
}

// schemaFlags are the flags in the chart's schema.
func schemaFlags(g Gomega) map[string]struct {
	Description string
	Default     any
} {
	var schema struct {
		Properties struct {
			Flags struct {
				AdditionalProperties bool
				Properties           map[string]struct {
					Description string
					Default     any
				}
			}
		}
	}
	schema.Properties.Flags.AdditionalProperties = true
	text, err := os.ReadFile(filepath.Join(folder, "values.schema.json"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(json.Unmarshal(text, &schema)).To(Succeed())
	g.Expect(schema.Properties.Flags.AdditionalProperties).To(BeFalse(), "a typing error in a flag's name must be refused")
	return schema.Properties.Flags.Properties
}

// The manager is built once for all of these.
func TestFlags(t *testing.T) {
	tool(t, "helm")
	binary := buildManager(t)
	flags := flagsOf(t, binary)
	t.Run("each is in the schema with its default", func(t *testing.T) { inTheSchema(NewWithT(t), flags) })
	t.Run("the manager accepts each as the chart renders it", func(t *testing.T) { accepted(t, binary) })
	t.Run("a duration without its unit is refused with a sentence", func(t *testing.T) { withoutUnit(t, flags) })
}

func inTheSchema(g Gomega, flags map[string]flag) {
	schema := schemaFlags(g)
	g.Expect(slices.Sorted(maps.Keys(schema))).To(Equal(slices.Sorted(maps.Keys(flags))))
	g.Expect(slices.Sorted(maps.Keys(settings))).To(Equal(slices.Sorted(maps.Keys(flags))))
	reference, err := os.ReadFile(filepath.Join(root, "docs", "reference.md"))
	g.Expect(err).NotTo(HaveOccurred())
	for name, flag := range flags {
		g.Expect(schema[name].Description).NotTo(BeEmpty(), name)
		if flag.fallback != "" {
			g.Expect(fmt.Sprint(schema[name].Default)).To(Equal(flag.fallback), "the default of "+name)
		}
		if !strings.HasPrefix(name, "zap-") {
			g.Expect(string(reference)).To(ContainSubstring("`--"+name+"`"), "docs/reference.md")
		}
	}
}

func accepted(t *testing.T, binary string) {
	g := NewWithT(t)
	all := []string{repoFlag, "--set=replicas=1"}
	for name, each := range settings {
		all = append(all, "--set=flags."+name+"="+each.set)
	}
	args := rendered(t, all...).args(g)
	g.Expect(args).To(HaveLen(len(settings)))
	for name, each := range settings {
		g.Expect(args).To(ContainElement("--" + name + "=" + each.arg))
	}
	// With --version it ends once it has checked all others.
	accepts := func(args []string) error {
		return exec.CommandContext(t.Context(), binary, append(args, "--version")...).Run()
	}
	g.Expect(accepts(args)).To(Succeed())
	g.Expect(accepts(append(args, "--max-duration=13h"))).NotTo(Succeed())
}

func withoutUnit(t *testing.T, flags map[string]flag) {
	tried := 0
	for name, flag := range flags {
		if flag.kind != "duration" {
			continue
		}
		tried++
		g := NewWithT(t)
		_, err := template(t, repoFlag, "--set-string=flags."+name+"=90")
		g.Expect(err).To(MatchError(ContainSubstring(`flags.%s is "90": write a duration with its unit, such as 30s, 10m or 1h30m`, name)))
	}
	if tried < 5 {
		t.Errorf("--help shows %d durations: does it describe them in another way?", tried)
	}
}
