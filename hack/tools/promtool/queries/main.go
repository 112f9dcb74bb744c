// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "Usage: queries DASHBOARD SCRAPE SCRAPE...: rates need two scrapes or more")
		os.Exit(2)
	}
	if err := check(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// check prints a line for each query, and joins what is wrong with them.
func check(ctx context.Context, dashboard string, scrapes []string) error {
	queries, err := read(dashboard)
	if err != nil {
		return err
	}
	seen, err := load(ctx, scrapes)
	if err != nil {
		return err
	}
	defer seen.close()

	grammar := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: grammar})
	var wrong []error
	for _, q := range queries {
		expr, err := grammar.ParseExpr(q.expr)
		if err == nil {
			err = seen.names(expr, q.legend)
		}
		var series int
		if err == nil {
			series, err = seen.evaluate(ctx, engine, q.expr)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("panel %q: %s: %w", q.panel, q.expr, err))
			continue
		}
		fmt.Printf("%-32s %2d series  %s\n", q.panel, series, q.expr)
	}
	return errors.Join(wrong...)
}
