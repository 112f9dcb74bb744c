// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

var plane *rig.Plane

func TestMain(m *testing.M) { os.Exit(withPlane(m)) }

func withPlane(m *testing.M) int {
	var err error
	if plane, err = rig.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := plane.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestHistories runs a few histories that are always the same, and one that never was before.
func TestHistories(t *testing.T) {
	g := NewWithT(t)
	for _, o := range []SoakOptions{
		{Seed: 1, Count: 4},
		{Seed: 1<<32 + rand.Uint64N(1<<32), Count: 1},
	} {
		var out strings.Builder
		o.Plane, o.Shrink, o.Out = plane, 2*time.Minute, &out
		sum, err := Soak(t.Context(), o)
		g.Expect(err).NotTo(HaveOccurred())
		t.Log(out.String())
		g.Expect(sum.Failures).To(BeEmpty(), "%s", out.String())
		g.Expect(sum.Histories).To(Equal(o.Count))
	}
}

// TestHistoriesThatOnceFailed runs each history that once showed a defect.
func TestHistoriesThatOnceFailed(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			g := NewWithT(t)
			var out strings.Builder
			kept, err := Replay(t.Context(), plane, path, &out)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(kept).To(BeTrue(), "%s", out.String())
		})
	}
}
