// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestOutputIsThatOfSpecsThatFailedInLines(t *testing.T) {
	g := NewWithT(t)
	log := strings.Repeat("a line of a log\n", 100_000) + strings.Repeat("x", 1<<20)
	var report bytes.Buffer
	encoder := json.NewEncoder(&report)
	for _, e := range []event{
		{Action: "start", Package: "p"},
		{Action: "output", Package: "p", Test: "[BeforeSuite]", Output: "set up\n"},
		{Action: "run", Package: "p", Test: "[It] passes"},
		{Action: "output", Package: "p", Test: "[It] passes", Output: log},
		{Action: "pass", Package: "p", Test: "[It] passes", Elapsed: new(1.5)},
		{Action: "run", Package: "p", Test: "[It] fails"},
		{Action: "output", Package: "p", Test: "[It] fails", Output: log},
		{Action: "fail", Package: "p", Test: "[It] fails", Elapsed: new(0.5)},
		{Action: "output", Package: "p", Test: "[AfterSuite]", Output: "not taken down\n"},
		{Action: "fail", Package: "p"},
	} {
		g.Expect(encoder.Encode(e)).To(Succeed())
	}
	var out bytes.Buffer
	g.Expect(convert(&report, &out)).To(Succeed())

	outputs := map[string]int{}
	var results []string
	for line := range bytes.Lines(out.Bytes()) {
		g.Expect(len(line)).To(BeNumerically("<", 64<<10))
		var e event
		g.Expect(json.Unmarshal(line, &e)).To(Succeed())
		if e.Action == "output" {
			outputs[e.Test]++
			continue
		}
		results = append(results, strings.TrimSpace(e.Action+" "+e.Test))
	}
	g.Expect(outputs).To(Equal(map[string]int{"[It] fails": 100_001, "": 2}))
	g.Expect(results).To(Equal([]string{"start", "run [It] passes", "pass [It] passes", "run [It] fails", "fail [It] fails", "fail"}))
}
