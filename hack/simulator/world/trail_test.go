// SPDX-License-Identifier: Apache-2.0

package world

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func TestTrail(t *testing.T) {
	g := gomega.NewWithT(t)
	w, err := Parse([]byte(string(DefaultYAML()) + "trail: {delay: 3m, jitter: 12m, duplicates: 2.5%, seed: 7, throttled: true}\n"))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(w.Trail.Parsed()).To(gomega.Equal(region.Trail{Delay: 3 * time.Minute, Jitter: 12 * time.Minute, Duplicates: 0.025, Seed: 7, Throttled: true}))
	g.Expect(Default().Trail.Parsed()).To(gomega.Equal(region.Trail{}))
}

func TestTrailMistakes(t *testing.T) {
	for field, want := range map[string]string{
		"delay: 0s": `trail.delay: "0s" is no duration above zero; write one like 5m`, "delay: soon": "trail.delay",
		"jitter: -1m": `trail.jitter: "-1m" is no duration; write one like 10m`, "jitter: '10'": "trail.jitter",
		"duplicates: '0.05'": `trail.duplicates: "0.05" is no percentage; write 0% to 100%, like 5%`, "duplicates: 101%": "trail.duplicates", "duplicates: NaN%": "trail.duplicates",
		"late: 5m": `unknown field "trail.late"`,
	} {
		_, err := Parse([]byte(string(DefaultYAML()) + "trail: {" + field + "}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error:\n%v\nwant in it:\n%s", field, err, want)
		}
	}
}
