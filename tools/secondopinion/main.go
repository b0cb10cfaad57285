// Command secondopinion has another validator judge recorded exchanges with the server.
//
// Owns: reading recordings, what the server's answer says of a request, the table of decided disagreements.
// Does not own: recording (internal/apitest, cmd/eggapi), and the server's own validator, kin-openapi.
// May touch: recordings, the contract, libopenapi-validator.
// Always true: a disagreement that no entry of the table names fails, and so does an entry that names none.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	contract := flag.String("contract", "../gen/openapi.yaml", "the contract, in one file")
	size := flag.Int("sample", 6000, "how many exchanges of each recording are judged")
	least := flag.Int("least", 2000, "with how many exchanges it is not worth it")
	seed := flag.Uint64("seed", 1, "which of the exchanges are judged")
	idle := flag.Bool("allow-idle", false, "do not mind entries of the table that explain nothing, as in a small recording")
	flag.Parse()
	report, err := judge(*contract, flag.Args(), Sample{Size: *size, Floor: 40, Seed: *seed})
	if err != nil {
		fmt.Fprintln(os.Stderr, "secondopinion:", err)
		os.Exit(2)
	}
	report.print(os.Stdout)
	if report.Judged < *least {
		fmt.Printf("\n%d exchanges are too few; at least %d are wanted\n", report.Judged, *least)
	}
	if report.Judged < *least || len(report.Open) > 0 || len(report.Idle()) > 0 && !*idle {
		os.Exit(1)
	}
}

// judge reads each recording twice: first to choose evenly, then to judge.
func judge(contract string, recordings []string, sample Sample) (*Report, error) {
	j, err := NewJudge(contract)
	if err != nil {
		return nil, err
	}
	report := newReport(decided)
	for _, path := range recordings {
		if err := j.read(path, sample, report); err != nil {
			return nil, err
		}
	}
	return report, nil
}

func (j *Judge) read(path string, sample Sample, report *Report) error {
	var kinds []string
	err := each(path, func(_ int, e Exchange) error {
		operation := ""
		if op := j.Operation(e); op != nil {
			operation = op.OperationId
			report.operations[operation] = true
		}
		kinds = append(kinds, fmt.Sprintf("%s %d %s", operation, e.Status, readRefusal(e.ResponseBody).class()))
		return nil
	})
	if err != nil {
		return err
	}
	picked := sample.pick(kinds)
	report.Recorded += len(kinds)
	report.Judged += len(picked)
	next := 0
	return each(path, func(n int, e Exchange) error {
		if next == len(picked) || picked[next] != n {
			return nil
		}
		next++
		disagreements, err := j.Opinion(e)
		for _, d := range disagreements {
			report.add(d)
		}
		return err
	})
}
