// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"time"
)

// The elements of JUnit's XML, as Jenkins, GitLab and others read them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Hostname   string          `xml:"hostname,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr"`
		Skipped   *junitSkipped `xml:"skipped"`
		Failure   *junitFailure `xml:"failure"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// junitTime is a time as JUnit's schema has it: without a zone.
const junitTime = "2006-01-02T15:04:05"

func writeJUnit(w io.Writer, doc *Document) error {
	suite := junitSuite{
		Name: doc.title(), Tests: len(doc.Checks), Time: seconds(doc.length()),
		Timestamp: doc.begins().UTC().Format(junitTime), Hostname: doc.Target.Region,
	}
	for _, fact := range doc.facts() {
		suite.Properties = append(suite.Properties, junitProperty(fact))
	}

	for _, check := range doc.Checks {
		c := junitCase{Name: check.Title, ClassName: "agentdisconnect." + check.Name, Time: seconds(0)}
		if check.Seconds != nil {
			c.Time = strconv.FormatInt(*check.Seconds, 10)
		}
		switch check.Result {
		case Failed:
			suite.Failures++
			c.Failure = &junitFailure{Message: check.Message, Type: check.Reason, Text: fmt.Sprintf("%s: %s", check.Reason, check.Message)}
		case Skipped:
			suite.Skipped++
			c.Skipped = &junitSkipped{Message: check.Message}
		}
		suite.Cases = append(suite.Cases, c)
	}

	all := junitSuites{Name: "agentdisconnect", Tests: suite.Tests, Failures: suite.Failures, Time: suite.Time, Suites: []junitSuite{suite}}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}

	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
