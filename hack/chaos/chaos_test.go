// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/points"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

// seedVariable is what repeats the part of the sample that differs from run to run.
const seedVariable = "CHAOS_SEED"

// sampled is how many points are tried with each of the two seeds.
const sampled = 15

func TestASampleOfPointsKeepsThePromises(t *testing.T) {
	g := NewWithT(t)
	seed := rand.Int64()
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		seed, err = strconv.ParseInt(text, 10, 64)
		g.Expect(err).NotTo(HaveOccurred(), "%s is no number", seedVariable)
	}
	t.Logf("seeds 1 and %d; the latter again: %s=%d", seed, seedVariable, seed)
	plane, err := rig.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(plane.Close()).To(Succeed()) })

	set := &settings{only: regexp.MustCompile(""), workers: 2, results: filepath.Join(t.TempDir(), "results.jsonl")}
	quiet, err := os.Create(filepath.Join(t.TempDir(), "progress"))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(quiet.Close()).To(Succeed()) })
	c, err := newCampaign(set, plane, quiet)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(c.close()).To(Succeed()) })
	g.Expect(c.find(t.Context())).To(Succeed())
	all := c.jobs
	c.jobs = append(sample(slices.Clone(all), sampled, 1), sample(slices.Clone(all), sampled, seed)...)
	g.Expect(c.try(t.Context())).To(Succeed())

	var out strings.Builder
	failed := c.print(&out)
	if failed {
		t.Error(out.String())
	}
	t.Logf("%d of %d points", 2*sampled, len(all))
}

func TestASampleIsSpreadAndTheSameForASeed(t *testing.T) {
	g := NewWithT(t)
	var jobs []job
	for _, s := range points.Scenarios()[:3] {
		for _, k := range points.Kinds()[:4] {
			for n := range 50 {
				jobs = append(jobs, job{s, k, fmt.Sprint("point ", n)})
			}
		}
	}
	draw := func(seed int64) (names []string, cells map[string]int) {
		cells = map[string]int{}
		for _, j := range sample(slices.Clone(jobs), 24, seed) {
			names = append(names, j.name()+j.point)
			cells[j.name()]++
		}
		return names, cells
	}
	first, cells := draw(7)
	g.Expect(cells).To(HaveLen(12))
	g.Expect(cells).To(HaveEach(2))
	again, _ := draw(7)
	g.Expect(again).To(Equal(first))
	other, _ := draw(8)
	g.Expect(other).NotTo(Equal(first))
}

func TestWhatWasTriedIsNotTriedAgain(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "chaos", "results.jsonl")
	j := job{points.Scenarios()[0], points.Kinds()[0], "point"}
	r, err := openResults(path, false)
	g.Expect(err).NotTo(HaveOccurred())
	_, known := r.find(j)
	g.Expect(known).To(BeFalse())
	g.Expect(r.add(j, points.Result{Scenario: j.scenario.Name, Wrong: rig.Wrong{Leaks: []string{"one"}}})).To(Succeed())
	_, err = r.file.WriteString(`{"key":"cut o`)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.close()).To(Succeed())

	r, err = openResults(path, false)
	g.Expect(err).NotTo(HaveOccurred())
	found, known := r.find(j)
	g.Expect(known).To(BeTrue())
	g.Expect(found.Failed()).To(BeTrue())
	other := j
	other.point = "another"
	g.Expect(r.add(other, points.Result{})).To(Succeed())
	g.Expect(r.close()).To(Succeed())

	r, err = openResults(path, false)
	g.Expect(err).NotTo(HaveOccurred())
	_, known = r.find(other)
	g.Expect(known).To(BeTrue(), "a line that was cut off spoils no other")
	g.Expect(r.close()).To(Succeed())

	r, err = openResults(path, true)
	g.Expect(err).NotTo(HaveOccurred())
	_, known = r.find(j)
	g.Expect(known).To(BeFalse())
	g.Expect(r.close()).To(Succeed())
}

func TestATableCountsRunsAndNamesTheCommandThatRepeatsAFailure(t *testing.T) {
	g := NewWithT(t)
	c := &campaign{tried: []points.Result{
		{Scenario: "inplace.expire", Kind: "crash-before", Point: "ec2:CreateTags #1", Reached: true, RoundTrips: 6},
		{Scenario: "inplace.expire", Kind: "crash-before", Point: "ec2:CreateTags #2", RoundTrips: 9,
			Wrong: rig.Wrong{Leaks: []string{"left in AWS: a", "left in AWS: b"}}, Log: []string{"a step"}},
		{Scenario: "inplace.expire", Kind: plain, RoundTrips: 5},
	}}
	var out strings.Builder
	g.Expect(c.print(&out)).To(BeTrue())
	g.Expect(out.String()).To(MatchRegexp(`inplace\.expire +crash-before +2 +1 +1 +0 +0 +0 +9`))
	g.Expect(out.String()).To(MatchRegexp(`all +all +3 +1 +1 +0 +0 +0 +9`))
	g.Expect(out.String()).To(ContainSubstring(`make chaos ARGS="--only 'inplace.expire/crash-before' --point 'ec2:CreateTags #2'"`))
	g.Expect(out.String()).To(ContainSubstring("left in AWS: b"))
	g.Expect(out.String()).To(ContainSubstring("a step"))
	g.Expect(c.tried[0].Failed()).To(BeFalse())
}

func TestFlags(t *testing.T) {
	g := NewWithT(t)
	set, err := parse([]string{"--only", "clone.*/crash", "--sample", "5", "--seed", "9"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(set.only.MatchString("clone.suspend/crash-before")).To(BeTrue())
	g.Expect(set.only.MatchString("inplace.suspend/crash-before")).To(BeFalse())
	g.Expect(set.sample).To(Equal(5))
	for _, args := range [][]string{{"--only", "("}, {"--workers", "0"}, {"more"}, {"--sample", "-1"}} {
		_, err := parse(args)
		g.Expect(err).To(HaveOccurred(), "%v", args)
	}
}
