// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// targetLabels are what Prometheus adds to a series of a pod, as config/prometheus has it scraped.
var targetLabels = map[string]string{"namespace": "agentdisconnect-system", "pod": "agentdisconnect-controller-manager-0"}

// scraped is what the scrapes have, in Prometheus' own storage.
type scraped struct {
	db         *tsdb.DB
	dir        string
	labels     map[string]map[string]bool // the names of labels, by metric
	start, end time.Time
}

func load(ctx context.Context, paths []string) (*scraped, error) {
	dir, err := os.MkdirTemp("", "queries-")
	if err != nil {
		return nil, err
	}
	s := &scraped{dir: dir, labels: map[string]map[string]bool{}}
	if s.db, err = tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for _, path := range paths {
		if err := s.add(ctx, path); err != nil {
			s.close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return s, nil
}

func (s *scraped) close() {
	_ = s.db.Close()
	_ = os.RemoveAll(s.dir)
}

// add stores the samples of a scrape.
func (s *scraped) add(ctx context.Context, path string) error {
	millis, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), 10, 64)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read

	at := time.UnixMilli(millis)
	if s.start.IsZero() || at.Before(s.start) {
		s.start = at
	}
	if at.After(s.end) {
		s.end = at
	}
	samples := expfmt.SampleDecoder{Dec: expfmt.NewDecoder(file, expfmt.NewFormat(expfmt.TypeTextPlain)), Opts: &expfmt.DecodeOptions{Timestamp: model.Time(millis)}}
	appender := s.db.Appender(ctx)
	for {
		var vector model.Vector
		switch err := samples.Decode(&vector); {
		case errors.Is(err, io.EOF):
			return appender.Commit()
		case err != nil:
			return errors.Join(err, appender.Rollback())
		}
		for _, sample := range vector {
			if _, err := appender.Append(0, s.series(sample.Metric), millis, float64(sample.Value)); err != nil {
				return errors.Join(err, appender.Rollback())
			}
		}
	}
}

// series are the labels of a sample, those of its target included. It notes their names.
func (s *scraped) series(metric model.Metric) labels.Labels {
	all := map[string]string{}
	for name, value := range targetLabels {
		all[name] = value
	}
	for name, value := range metric {
		all[string(name)] = string(value)
	}
	name := all[model.MetricNameLabel]
	if s.labels[name] == nil {
		s.labels[name] = map[string]bool{}
	}
	for label := range all {
		s.labels[name][label] = true
	}
	return labels.FromMap(all)
}

// names reports what an expression and its legend name that was not scraped.
func (s *scraped) names(expr parser.Expr, legend string) error {
	known, used := map[string]bool{}, legendLabels(legend)
	var wrong []error
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			if s.labels[n.Name] == nil {
				wrong = append(wrong, fmt.Errorf("the manager serves no metric %s", n.Name))
			}
			for label := range s.labels[n.Name] {
				known[label] = true
			}
			for _, matcher := range n.LabelMatchers {
				if s.labels[n.Name] != nil && !s.labels[n.Name][matcher.Name] {
					wrong = append(wrong, fmt.Errorf("%s has no label %s", n.Name, matcher.Name))
				}
			}
		case *parser.AggregateExpr:
			used = append(used, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				used = append(used, n.VectorMatching.MatchingLabels...)
			}
		}
		return nil
	})
	for _, label := range used {
		if !known[label] {
			wrong = append(wrong, fmt.Errorf("none of its metrics has a label %s", label))
		}
	}
	return errors.Join(wrong...)
}

// evaluate gives how many series a panel would draw.
func (s *scraped) evaluate(ctx context.Context, engine *promql.Engine, expr string) (int, error) {
	q, err := engine.NewRangeQuery(ctx, storage.Queryable(s.db), nil, expr, s.start, s.end, time.Second)
	if err != nil {
		return 0, err
	}
	defer q.Close()
	matrix, err := q.Exec(ctx).Matrix()
	return len(matrix), err
}
