// SPDX-License-Identifier: Apache-2.0

// Command specs turns what the ginkgo command reports of a suite (--gojson-report) into the events that go test prints:
// output in lines, and only where a spec failed. A spec's whole log as one event is more than gotestsum reads at once.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// longest is how many bytes of one line are kept: gotestsum reads 64 KiB at once, and a byte may take six in JSON.
const longest = 8 << 10

// event is one of test2json's, with the fields that ginkgo writes.
type event struct {
	Time    string `json:",omitempty"`
	Action  string
	Package string   `json:",omitempty"`
	Test    string   `json:",omitempty"`
	Elapsed *float64 `json:",omitempty"`
	Output  string   `json:",omitempty"`
}

func main() {
	if err := convert(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "specs:", err)
		os.Exit(1)
	}
}

// convert holds output back until the result shows whether it is needed: a spec's, and, as the package's, that of the
// suite's own nodes.
func convert(in io.Reader, out io.Writer) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	held := map[string][]event{} // by the name of the test; empty: the package
	for {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if e.Action == "output" {
			if !strings.HasPrefix(e.Test, "[It]") {
				e.Test = ""
			}
			held[e.Test] = append(held[e.Test], e)
			continue
		}
		if e.Action == "fail" {
			for _, output := range held[e.Test] {
				if err := lines(encoder, output); err != nil {
					return err
				}
			}
		}
		if e.Test != "" && e.Action != "run" {
			delete(held, e.Test)
		}
		if err := encoder.Encode(e); err != nil {
			return err
		}
	}
}

// lines writes an event for each line of an output.
func lines(encoder *json.Encoder, e event) error {
	for line := range strings.Lines(strings.TrimSuffix(e.Output, "\n") + "\n") {
		if len(line) > longest {
			line = line[:longest] + "…\n"
		}
		e.Output = line
		if err := encoder.Encode(e); err != nil {
			return err
		}
	}
	return nil
}
