// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

func TestNoCallerIsHeldToEventsThatAWSMayNotShowYet(t *testing.T) {
	for name, tc := range map[string]struct {
		delay         time.Duration
		url, trailURL string // the environment's endpoints, for all APIs and for CloudTrail's; empty: AWS's
		refused       bool
	}{
		"what AWS takes at times":            {delay: 15 * time.Minute},
		"more":                               {delay: time.Hour},
		"less":                               {delay: 15*time.Minute - time.Second, refused: true},
		"less, of a simulated Region":        {delay: time.Second, url: "http://127.0.0.1:4566"},
		"less, CloudTrail alone simulated":   {delay: time.Second, trailURL: "http://localhost:4566"},
		"less, all but CloudTrail simulated": {delay: time.Second, url: "http://localhost:4566", trailURL: "https://cloudtrail.ap-northeast-1.amazonaws.com", refused: true},
		"less, by a VPC endpoint":            {delay: time.Second, url: "https://vpce-0a1b2c3d-x1y2z3.cloudtrail.ap-northeast-1.vpce.amazonaws.com", refused: true},
		"less, by the dual-stack host":       {delay: time.Second, url: "https://cloudtrail.ap-northeast-1.api.aws:443/", refused: true},
		"less, in China":                     {delay: time.Second, url: "https://CloudTrail.cn-north-1.amazonaws.com.cn", refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			t.Setenv("AWS_ENDPOINT_URL", tc.url)
			t.Setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", tc.trailURL)
			cfg, err := aws.Load(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			if err := checkTrailDelay(tc.delay, cfg); tc.refused {
				g.Expect(err).To(MatchError(ContainSubstring("--cloudtrail-delay is %s: AWS shows some events after 15m0s", tc.delay)))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
			}
		})
	}
}

func TestAManagerWithoutARegionSaysSoAndNamesTheVariable(t *testing.T) {
	for region, want := range map[string]string{"": "Set AWS_REGION in the manager's environment", "ap-northeast-1": ""} {
		t.Run(region, func(t *testing.T) {
			g := NewWithT(t)
			for _, source := range []string{"AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
				t.Setenv(source, "")
			}
			t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
			t.Setenv("AWS_REGION", region)
			cfg, err := aws.Load(t.Context())
			g.Expect(err).NotTo(HaveOccurred())

			said := ""
			log := funcr.New(func(_, args string) { said += args }, funcr.Options{})
			warnWithoutRegion(log, aws.NewSessions(cfg, product, version).DefaultRegion())
			if want == "" {
				g.Expect(said).To(BeEmpty())
			} else {
				g.Expect(said).To(And(ContainSubstring(want), ContainSubstring("spec.region")))
				page, err := os.ReadFile("../../docs/install.md")
				g.Expect(err).NotTo(HaveOccurred())
				quoted := regexp.MustCompile("when it starts:\\s`([^`]+)`").FindStringSubmatch(string(page))
				g.Expect(quoted).To(HaveLen(2), "docs/install.md quotes the line")
				g.Expect(said).To(ContainSubstring(quoted[1]))
			}
		})
	}
}

func TestAManagerWithoutAClusterNamesTheVariable(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("KUBECONFIG", "/nowhere")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	s, err := parse([]string{"--health-probe-bind-address=0"}, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(run(t.Context(), s)).To(MatchError(And(ContainSubstring("no Kubernetes cluster"), ContainSubstring(`KUBECONFIG ("/nowhere")`), ContainSubstring("Set KUBECONFIG"))))
}
