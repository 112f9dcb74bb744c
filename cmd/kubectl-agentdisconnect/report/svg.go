// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Sizes of the drawing, in its own units.
const (
	chartWidth = 960.0
	gutter     = 150.0 // for the titles of the lanes
	rightEdge  = chartWidth - 18
	topEdge    = 26.0 // for the labels of the rulers
	bandHeight = 20.0
	stepHeight = 64.0
	thinHeight = 10.0
	laneGap    = 14.0
	thinGap    = 7.0
	axisHeight = 26.0
	// perCharacter is about the width of a character of a label.
	perCharacter = 6.6
	// laneTitle is how many characters of a title fit the gutter.
	laneTitle = 18
)

// drawing is a chart with places: what the template writes down.
type drawing struct {
	Width, Height  string
	Left, Right    string
	Top, Bottom    string
	TickTop, TickY string
	Describe       string
	Captions       []string
	Lanes          []drawnLane
	Rulers         []drawnRuler
	Ticks          []drawnTick
}

type drawnLane struct {
	Title, TitleY, Note string
	Bands               []drawnBand
	// Area, Line and Ceiling are paths: the numbers filled, their upper edge, and what they are of.
	// Gaps are spans without a number.
	Area, Line, Ceiling string
	Gaps                []drawnBand
	Scale               []drawnTick
	Marks               []drawnMark
	Bottom              string
}

type drawnBand struct{ X, Y, Width, Height, TextX, TextY, Label, Note, Class string }

type drawnMark struct{ Path, Note, Class string }

type drawnRuler struct{ X, TextX, Anchor, Label, Class string }

type drawnTick struct{ X, Y, Label string }

// draw places a chart.
func (c *chart) draw() *drawing {
	d := &drawing{Left: number(gutter), Right: number(rightEdge), Width: number(chartWidth), Top: number(topEdge)}
	y := topEdge + laneGap/2
	for _, l := range c.Lanes {
		height, gap := bandHeight, laneGap
		switch {
		case len(l.Steps) > 0:
			height = stepHeight
		case l.Thin:
			height, gap = thinHeight, thinGap
		}
		d.Lanes = append(d.Lanes, c.drawLane(l, y, height))
		y += height + gap
	}

	d.Bottom, d.TickTop, d.TickY, d.Height = number(y), number(y+5), number(y+18), number(y+axisHeight)
	for _, r := range c.Rulers {
		d.Rulers = append(d.Rulers, c.drawRuler(r))
	}
	for _, at := range ticks(c.From, c.To) {
		d.Ticks = append(d.Ticks, drawnTick{X: number(c.x(at)), Label: at.UTC().Format(tickFormat(c.To.Sub(c.From)))})
	}
	d.Describe = fmt.Sprintf("What happened from %s to %s", c.From.UTC().Format(time.RFC3339), c.To.UTC().Format(time.RFC3339))
	d.Captions = c.captions()
	return d
}

// captions explain what is drawn and not labelled.
func (c *chart) captions() []string {
	var texts []string
	for _, l := range c.Lanes {
		if len(l.Steps) > 0 {
			texts = append(texts, "Agents: dotted is how many are tracked.")
		}
		if slices.ContainsFunc(l.Steps, func(s step) bool { return s.Value == nil }) {
			texts = append(texts, "Grey: ECS reported nothing of some of them.")
		}
		if l.Legend != "" && len(l.Marks) > 0 && !slices.Contains(texts, l.Legend) {
			texts = append(texts, l.Legend)
		}
	}

	if c.Thinned {
		texts = append(texts, "Entries in the middle of the timeline are left out: the table says how many.")
	}
	return texts
}

// x is the place of a time, within the edges.
func (c *chart) x(at time.Time) float64 {
	part := float64(at.Sub(c.From)) / float64(c.To.Sub(c.From))
	return gutter + (rightEdge-gutter)*min(max(part, 0), 1)
}

func (c *chart) drawLane(l lane, y, height float64) drawnLane {
	out := drawnLane{Title: l.Title, Note: l.Note, TitleY: number(y + height/2 + 4), Bottom: number(y + height)}
	for _, b := range l.Bands {
		if b.To.After(c.From) {
			out.Bands = append(out.Bands, c.drawBand(b, y, height))
		}
	}

	if len(l.Steps) > 0 {
		c.drawSteps(&out, l, y, height)
	}

	for _, m := range l.Marks {
		if x := c.x(m.At); !m.At.Before(c.From) {
			shape, radius := diamond, 7.0
			if l.Thin {
				radius = 5.5
			}
			if m.Class == "good" {
				shape = circle
			}
			out.Marks = append(out.Marks, drawnMark{shape(x, y+height/2, radius), m.Note, m.Class})
		}
	}
	return out
}

func (c *chart) drawBand(b band, y, height float64) drawnBand {
	from, to := c.x(b.From), c.x(b.To)
	width := max(to-from, 1.5)
	out := drawnBand{
		X: number(from), Y: number(y), Width: number(width), Height: number(height),
		TextX: number(from + 6), TextY: number(y + height/2 + 4), Note: spanNote(b), Class: b.Class,
	}
	if float64(len(b.Label))*perCharacter+10 < width {
		out.Label = b.Label
	}
	return out
}

// spanNote says from when to when a band lasts.
func spanNote(b band) string {
	return fmt.Sprintf("%s, from %s to %s (%s)", b.Note, b.From.UTC().Format(time.TimeOnly), b.To.UTC().Format(time.TimeOnly), short(b.To.Sub(b.From)))
}

// drawSteps draws numbers as stairs, from 0 at the bottom to the most at the top.
func (c *chart) drawSteps(out *drawnLane, l lane, y, height float64) {
	bottom := y + height
	level := func(value int32) float64 { return bottom - height*float64(value)/float64(max(l.Most, 1)) }
	for _, value := range []int32{0, l.Most} {
		out.Scale = append(out.Scale, drawnTick{X: number(gutter - 6), Y: number(level(value) + 4), Label: fmt.Sprint(value)})
	}

	drawn := false // the line goes on from the step before
	for i, s := range l.Steps {
		from, to := c.x(s.At), c.x(c.To)
		if i+1 < len(l.Steps) {
			to = c.x(l.Steps[i+1].At)
		}
		if to <= gutter && i+1 < len(l.Steps) {
			continue
		}

		out.Ceiling += fmt.Sprintf("M%s %sH%s", number(from), number(level(s.Total)), number(to))
		if s.Value == nil {
			out.Gaps = append(out.Gaps, drawnBand{X: number(from), Y: number(y), Width: number(to - from), Height: number(height), Note: "not known"})
			drawn = false
			continue
		}

		top := level(*s.Value)
		out.Area += fmt.Sprintf("M%s %sV%sH%sV%sZ", number(from), number(bottom), number(top), number(to), number(bottom))
		verb := "M" + number(from) + " "
		if drawn {
			verb = "V"
		}
		out.Line += fmt.Sprintf("%s%sH%s", verb, number(top), number(to))
		out.Bands = append(out.Bands, drawnBand{
			X: number(from), Y: number(y), Width: number(to - from), Height: number(height), Class: "hover",
			Note: fmt.Sprintf("%d of %d agents disconnected from %s on", *s.Value, s.Total, s.At.UTC().Format(time.TimeOnly)),
		})
		drawn = true
	}
}

func (c *chart) drawRuler(r ruler) drawnRuler {
	x := c.x(r.At)
	out := drawnRuler{X: number(x), TextX: number(x), Anchor: "middle", Label: r.Label, Class: r.Class}
	if x > rightEdge-40 {
		out.TextX, out.Anchor = number(rightEdge), "end"
	}
	return out
}

// diamond is the path of a mark.
func diamond(x, y, r float64) string {
	return fmt.Sprintf("M%s %sL%s %sL%s %sL%s %sZ", number(x), number(y-r), number(x+r), number(y), number(x), number(y+r), number(x-r), number(y))
}

// circle is the path of another.
func circle(x, y, r float64) string {
	return fmt.Sprintf("M%s %sa%s %s 0 1 0 %s 0a%s %s 0 1 0 %s 0Z", number(x-r), number(y), number(r), number(r), number(2*r), number(r), number(r), number(-2*r))
}

// tickSteps are the distances between ticks that people read well.
var tickSteps = []time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
	30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// mostTicks is how many labels fit the axis.
const mostTicks = 9

// ticks are round times of the axis.
func ticks(from, to time.Time) []time.Time {
	distance := tickSteps[len(tickSteps)-1]
	for _, candidate := range tickSteps {
		if to.Sub(from)/candidate <= mostTicks {
			distance = candidate
			break
		}
	}
	for to.Sub(from)/distance > mostTicks {
		distance *= 2 // of an object that was edited
	}

	var all []time.Time
	for at := from.UTC().Truncate(distance); !at.After(to); at = at.Add(distance) {
		if !at.Before(from) {
			all = append(all, at)
		}
	}
	return all
}

// tickFormat is how precise the labels of an axis are.
func tickFormat(length time.Duration) string {
	switch {
	case length < 5*time.Minute:
		return time.TimeOnly
	case length < 48*time.Hour:
		return "15:04"
	}
	return "Jan 2 15:04"
}

// number is a place in the drawing, to a tenth.
func number(n float64) string {
	return fmt.Sprintf("%g", math.Round(n*10)/10)
}
