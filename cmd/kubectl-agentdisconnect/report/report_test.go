// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is when the reports of the tests are made.
var now = time.Date(2026, 12, 2, 4, 0, 0, 0, time.UTC)

// scenarios are the objects in testdata, as kubectl get -o yaml prints them.
var scenarios = []string{"completed", "aborted", "refused", "verifying", "callers"}

func load(g Gomega, name string) *v1alpha1.AgentDisconnect {
	data, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	obj := &v1alpha1.AgentDisconnect{}
	g.Expect(yaml.UnmarshalStrict(data, obj)).To(Succeed())
	return obj
}

func written(g Gomega, obj *v1alpha1.AgentDisconnect, format report.Format) string {
	var out bytes.Buffer
	g.Expect(report.Write(&out, obj, format, now)).To(Succeed())
	return out.String()
}

func TestReportsAreAsTheGoldenFilesHaveThem(t *testing.T) {
	extensions := map[report.Format]string{report.Text: "txt", report.Markdown: "md", report.HTML: "html", report.JUnit: "xml", report.JSON: "json"}
	for _, name := range scenarios {
		for _, format := range report.Formats() {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				g := NewWithT(t)
				got, file := written(g, load(g, name), format), filepath.Join("testdata", name+"."+extensions[format])
				if *update {
					g.Expect(os.WriteFile(file, []byte(got), 0o600)).To(Succeed())
				}
				want, err := os.ReadFile(file)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(got).To(Equal(string(want)), "go test ./cmd/kubectl-agentdisconnect/report -update writes it anew")
				g.Expect(written(g, load(g, name), format)).To(Equal(got), "another time it is another")
			})
		}
	}
}

func TestUnknownFormatIsNamedWithThoseThereAre(t *testing.T) {
	g := NewWithT(t)
	g.Expect(report.Write(io.Discard, load(g, "completed"), "pdf", now)).To(MatchError(`there is no format "pdf": use text, markdown, html, junit, json`))
}

func TestNothingOfTheObjectIsMarkup(t *testing.T) {
	g := NewWithT(t)
	obj := load(g, "aborted")
	obj.Status.Endpoints[0].Hostname = "\x1b[31m\"><img src=x onerror=y>\n# a | b `c`"
	obj.Status.Timeline[0].Message = "</style></svg><script>x</script>"
	obj.Status.Timeline[2].Reason = "\"/><script>"
	obj.Status.Conditions[0].Message = "a\x1b[2Jb\u202ec | <i>d</i>"

	html := written(g, obj, report.HTML)
	for _, markup := range []string{"<script", "<img", "<b>", "<i>"} {
		g.Expect(html).NotTo(ContainSubstring(markup))
	}
	g.Expect(strings.Count(html, "</style>")).To(Equal(1))

	for _, format := range []report.Format{report.Text, report.Markdown} {
		text := written(g, obj, format)
		g.Expect(text).NotTo(ContainSubstring("\x1b"), "a terminal would obey")
		g.Expect(text).NotTo(ContainSubstring("\u202e"))
	}
	g.Expect(written(g, obj, report.Markdown)).To(And(ContainSubstring(`\<i\>d`), ContainSubstring(`\|`), Not(ContainSubstring("<i>"))))
}

func TestHTMLNeedsNoOtherFile(t *testing.T) {
	g := NewWithT(t)
	for _, name := range scenarios {
		html := written(g, load(g, name), report.HTML)
		for _, outside := range []string{"http://", "https://", "src=", "url(", "@import", "<link", "<script"} {
			g.Expect(html).NotTo(ContainSubstring(outside), name)
		}
	}
}

// expectWellFormed reads XML to its end.
func expectWellFormed(g Gomega, text string) {
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		g.Expect(err).NotTo(HaveOccurred())
	}
}

func TestDrawingIsWellFormed(t *testing.T) {
	g := NewWithT(t)
	for _, name := range scenarios {
		html := written(g, load(g, name), report.HTML)
		start, end := strings.Index(html, "<svg"), strings.Index(html, "</svg>")
		g.Expect(start).To(BeNumerically(">", 0), name)
		expectWellFormed(g, html[start:end]+"</svg>")
	}
}

// junit is what a reader of JUnit's XML looks at.
type junit struct {
	XMLName  xml.Name `xml:"testsuites"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Suites   []struct {
		Tests     int    `xml:"tests,attr"`
		Failures  int    `xml:"failures,attr"`
		Skipped   int    `xml:"skipped,attr"`
		Timestamp string `xml:"timestamp,attr"`
		Cases     []struct {
			Name      string  `xml:"name,attr"`
			ClassName string  `xml:"classname,attr"`
			Time      float64 `xml:"time,attr"`
			Skipped   *struct {
				Message string `xml:"message,attr"`
			} `xml:"skipped"`
			Failure *struct {
				Type    string `xml:"type,attr"`
				Message string `xml:"message,attr"`
			} `xml:"failure"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestJUnitCountsWhatItHas(t *testing.T) {
	for name, want := range map[string]struct{ failed, skipped []string }{
		"completed": {},
		"aborted":   {failed: []string{"agents-disconnected", "run-succeeded"}},
		"verifying": {skipped: []string{"callers-recovered", "caller-recovers", "run-succeeded"}},
		"callers":   {failed: []string{"callers-recovered", "caller-recovers", "run-succeeded"}, skipped: []string{"caller-recovers"}},
		"refused":   {failed: []string{"run-started", "run-succeeded"}, skipped: []string{"rules-installed", "agents-disconnected", "everything-restored", "agents-reconnected"}},
	} {
		g := NewWithT(t)
		var read junit
		g.Expect(xml.Unmarshal([]byte(written(g, load(g, name), report.JUnit)), &read)).To(Succeed())
		g.Expect(read.Suites).To(HaveLen(1))
		suite := read.Suites[0]
		_, err := time.Parse("2006-01-02T15:04:05", suite.Timestamp)
		g.Expect(err).NotTo(HaveOccurred())

		var failed, skipped []string
		for _, c := range suite.Cases {
			switch check := strings.TrimPrefix(c.ClassName, "agentdisconnect."); {
			case c.Failure != nil:
				failed = append(failed, check)
				g.Expect(c.Failure.Type).NotTo(BeEmpty())
				g.Expect(c.Failure.Message).NotTo(BeEmpty())
			case c.Skipped != nil:
				skipped = append(skipped, check)
			}
		}
		g.Expect(failed).To(Equal(want.failed), name)
		g.Expect(skipped).To(Equal(want.skipped), name)
		g.Expect([]int{suite.Tests, suite.Failures, suite.Skipped, read.Tests, read.Failures}).
			To(Equal([]int{len(suite.Cases), len(failed), len(skipped), len(suite.Cases), len(failed)}))
	}
}

// junitSchema is what Jenkins's schema of JUnit's XML (junit-10.xsd of the xUnit plugin) lets the
// elements that are written have: attributes first, then elements.
var junitSchema = map[string][2][]string{
	"testsuites": {{"name", "time", "tests", "failures", "errors"}, {"testsuite"}},
	"testsuite": {
		{"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
		{"testsuite", "properties", "testcase", "system-out", "system-err"},
	},
	"properties": {nil, {"property"}},
	"property":   {{"name", "value"}, nil},
	"testcase":   {{"name", "time", "classname", "group"}, {"skipped", "error", "failure", "system-out", "system-err"}},
	"failure":    {{"type", "message"}, nil},
	"skipped":    {{"type", "message"}, nil},
}

// element is any element of XML.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Elements []element  `xml:",any"`
}

// expectSchema holds an element against the schema.
func expectSchema(g Gomega, e element) {
	known, ok := junitSchema[e.XMLName.Local]
	g.Expect(ok).To(BeTrue(), e.XMLName.Local)
	for _, attr := range e.Attrs {
		g.Expect(known[0]).To(ContainElement(attr.Name.Local), "an attribute of %s", e.XMLName.Local)
		if attr.Name.Local == "time" {
			g.Expect(attr.Value).To(MatchRegexp(`^[0-9]+(\.[0-9]+)?$`))
		}
	}
	for _, inner := range e.Elements {
		g.Expect(known[1]).To(ContainElement(inner.XMLName.Local), "within %s", e.XMLName.Local)
		expectSchema(g, inner)
	}
}

func TestJUnitIsOfItsSchema(t *testing.T) {
	for _, name := range scenarios {
		g := NewWithT(t)
		var root element
		g.Expect(xml.Unmarshal([]byte(written(g, load(g, name), report.JUnit)), &root)).To(Succeed())
		g.Expect(root.XMLName.Local).To(Equal("testsuites"))
		expectSchema(g, root)
	}
}

func TestJSONIsTheDocument(t *testing.T) {
	g := NewWithT(t)
	obj := load(g, "completed")
	var doc report.Document
	decoder := json.NewDecoder(strings.NewReader(written(g, obj, report.JSON)))
	decoder.DisallowUnknownFields()
	g.Expect(decoder.Decode(&doc)).To(Succeed())
	g.Expect(doc.Version).To(Equal(1))
	g.Expect(doc.Verdict.State).To(Equal(v1alpha1.StateCompleted))
	g.Expect(doc.Timeline).To(HaveLen(len(obj.Status.Timeline)))
}
