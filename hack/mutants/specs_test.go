// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/mutants/switches"
)

func names(tests []*test) []string {
	var all []string
	for _, one := range tests {
		all = append(all, one.name)
	}
	return all
}

func TestHalfOfTheSpecsAreTheQuickestAndTheOthersAreDrawn(t *testing.T) {
	g := NewWithT(t)
	var specs []*test
	for i := range 20 {
		specs = append(specs, &test{name: fmt.Sprint(i), spec: true, took: time.Duration(i)})
	}
	draw := func(seed uint64) []string { return names(pick(specs, 6, rand.New(rand.NewPCG(seed, 0)))) }
	picked := draw(1)
	g.Expect(picked).To(HaveLen(6))
	g.Expect(picked[:3]).To(Equal([]string{"0", "1", "2"}))
	g.Expect(picked[3:]).NotTo(ContainElements("0", "1", "2"))
	g.Expect(draw(1)).To(Equal(picked), "a seed draws the same")
	g.Expect(draw(2)).NotTo(Equal(picked))
	g.Expect(specs[19].name).To(Equal("19"), "the specs keep their order")
	g.Expect(pick(specs, 0, nil)).To(HaveLen(20))
	g.Expect(pick(specs, 20, nil)).To(HaveLen(20))
}

// A constant is tried with the specs that reach a function which names it, and with tests, which are quick.
func TestAConstantIsReachedWithWhatNamesIt(t *testing.T) {
	g := NewWithT(t)
	var limit, drop *mutant
	all := parsed(t, code).mutants()
	for _, m := range all {
		switch m.what {
		case "change constant const limit = 3, 3 to 4":
			limit = m
		case "drop continue":
			drop = m
		}
	}
	inside := &test{name: "inside", spec: true, reaches: map[int]bool{drop.id: true}}
	outside := &test{name: "outside", spec: true}
	plain := &test{name: "TestPlain"}
	tests := []*test{inside, outside, plain}
	g.Expect(names(reaching(tests, drop, all))).To(Equal([]string{"inside"}))
	g.Expect(names(reaching(tests, limit, all))).To(Equal([]string{"inside", "TestPlain"}))
	g.Expect(names(reaching(tests, limit, nil))).To(HaveLen(3), "no function names it")
}

func TestASpecIsFocusedByItsWholeText(t *testing.T) {
	g := NewWithT(t)
	args := suiteArgs([]*test{{name: "A run (in place) ends"}})
	focus := regexp.MustCompile(strings.TrimPrefix(args[len(args)-1], "-ginkgo.focus="))
	g.Expect(focus.MatchString("The suite A run (in place) ends")).To(BeTrue())
	g.Expect(focus.MatchString("The suite A run (in place) ends later")).To(BeFalse())
}

// A suite that fails as a whole, such as without a control plane, notices nothing.
func TestWhatNoticedAChangeIsATestOrAPanic(t *testing.T) {
	g := NewWithT(t)
	passed := map[string]switches.Spec{"a": {Text: "a"}}
	g.Expect(culprit(1, []byte("--- FAIL: TestSpecs (3.00s)\n"), passed)).To(BeEmpty())
	g.Expect(culprit(1, []byte("--- FAIL: TestSpecs (3.00s)\n"), map[string]switches.Spec{"a": {Text: "a"}, "b": {Text: "b", Failed: true}})).To(Equal("b"))
	g.Expect(culprit(1, []byte("ok\n--- FAIL: TestPlain (0.00s)\nFAIL\n"), nil)).To(Equal("TestPlain"))
	g.Expect(culprit(2, []byte("panic: assignment to entry in nil map\n"), passed)).To(Equal("a panic"))
	g.Expect(culprit(-1, nil, passed)).To(BeEmpty(), "it was killed from outside")
}

func TestTheLastRecordOfASpecCounts(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "record.json")
	g.Expect(readSpecs(path)).To(BeEmpty(), "there is no record yet")
	g.Expect(os.WriteFile(path, []byte(`{"Text":"a","Failed":true}`+"\n"+`{"Text":"b","Took":5,"Reached":[1,2]}`+"\n"+`{"Text":"a"}`+"\n"), 0o600)).To(Succeed())
	g.Expect(readSpecs(path)).To(Equal(map[string]switches.Spec{"a": {Text: "a"}, "b": {Text: "b", Took: 5, Reached: []int{1, 2}}}))
}
