// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// query is what a panel asks of Prometheus.
type query struct{ panel, expr, legend string }

// variables are those of Grafana and of the dashboard, with a value that lets everything through.
var variables = strings.NewReplacer("$__rate_interval", "1m", "$namespace", ".*")

// panel is the part of Grafana's format that matters here. A row has panels of its own.
type panel struct {
	Title   string
	Type    string
	Panels  []panel
	Targets []struct{ Expr, LegendFormat string }
}

// read gives the queries of a dashboard, with its variables filled in.
func read(path string) ([]query, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var dashboard panel
	if err := json.Unmarshal(text, &dashboard); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	queries, err := dashboard.queries()
	if err == nil && len(queries) == 0 {
		err = fmt.Errorf("%s has no query", path)
	}
	return queries, err
}

func (p panel) queries() ([]query, error) {
	var all []query
	for _, each := range p.Panels {
		inner, err := each.queries()
		if err != nil {
			return nil, err
		}
		if len(inner) == 0 && len(each.Targets) == 0 && each.Type != "row" && each.Type != "text" {
			return nil, fmt.Errorf("panel %q has no query", each.Title)
		}
		all = append(all, inner...)
		for _, target := range each.Targets {
			expr := variables.Replace(target.Expr)
			if strings.Contains(expr, "$") {
				return nil, fmt.Errorf("panel %q: %s: it has a variable that is not known here", each.Title, target.Expr)
			}
			all = append(all, query{panel: each.Title, expr: expr, legend: target.LegendFormat})
		}
	}
	return all, nil
}

var legendLabel = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// legendLabels are the labels that a legend names.
func legendLabels(legend string) []string {
	var names []string
	for _, match := range legendLabel.FindAllStringSubmatch(legend, -1) {
		names = append(names, match[1])
	}
	return names
}
