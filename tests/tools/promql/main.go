// Command promql answers queries on what was scraped, with Prometheus' own parser of metrics, storage and engine.
//
// Standard input: JSON, a list of scrapes (second, labels of the target, the text) and a list of queries (second,
// expression). Standard output: for each query the series that it gave, with their values; or an error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

type question struct {
	Scrapes []struct {
		At     int64             `json:"at"`
		Labels map[string]string `json:"labels"`
		Type   string            `json:"type"`
		Text   string            `json:"text"`
	} `json:"scrapes"`
	Queries []struct {
		At   int64  `json:"at"`
		Expr string `json:"expr"`
	} `json:"queries"`
}

type series struct {
	Labels map[string]string `json:"labels"`
	// None: not a number, which JSON cannot say.
	Value *float64 `json:"value"`
}

func number(value float64) *float64 {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil
	}
	return &value
}

type answer struct {
	Error  string   `json:"error,omitempty"`
	Series []series `json:"series"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "promql-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, scrape := range asked.Scrapes {
		if err := keep(db, scrape.At*1000, scrape.Labels, scrape.Type, scrape.Text); err != nil {
			return err
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute})
	answers := []answer{}
	for _, query := range asked.Queries {
		answers = append(answers, ask(engine, db, query.Expr, time.Unix(query.At, 0)))
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func keep(db *tsdb.DB, at int64, target map[string]string, kind, text string) error {
	symbols := labels.NewSymbolTable()
	parser, err := textparse.New([]byte(text), kind, symbols, textparse.ParserOptions{FallbackContentType: "text/plain"})
	if err != nil {
		return err
	}
	appender := db.Appender(context.Background())
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return appender.Commit()
		}
		if err != nil {
			return err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := parser.Series()
		var found labels.Labels
		parser.Labels(&found)
		builder := labels.NewBuilder(found)
		for name, value := range target {
			builder.Set(name, value)
		}
		if _, err := appender.Append(storage.SeriesRef(0), builder.Labels(), at, value); err != nil {
			return err
		}
	}
}

func ask(engine *promql.Engine, db *tsdb.DB, expr string, at time.Time) answer {
	query, err := engine.NewInstantQuery(context.Background(), db, nil, expr, at)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer query.Close()
	result := query.Exec(context.Background())
	if result.Err != nil {
		return answer{Error: result.Err.Error()}
	}
	found := answer{Series: []series{}}
	switch value := result.Value.(type) {
	case promql.Vector:
		for _, sample := range value {
			found.Series = append(found.Series, series{sample.Metric.Map(), number(sample.F)})
		}
	case promql.Scalar:
		found.Series = append(found.Series, series{map[string]string{}, number(value.V)})
	default:
		return answer{Error: "expected a vector or a scalar, found a " + string(parser.ValueType(result.Value.Type()))}
	}
	return found
}
