//go:build system

package bench

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// statement is one of those that the service runs for a request, as the database logged it.
type statement struct {
	SQL    string
	Params []param
}

// param is a parameter in PostgreSQL's own spelling. What differs from task to task is drawn anew each time.
type param struct {
	Text string
	Null bool
	Task bool // the task's id
	User bool
}

const tracedRequests = 20

// trace gives the statements that one POST /v1/generate runs, in order. They are read off the database's log while
// a service of its own answers real requests, so that the yardstick follows the code.
func (s *stage) trace(t *testing.T) []statement {
	t.Helper()
	traced := startService(t, order{
		Part: "full", DatabaseURL: s.db.URL() + "&options=-c%20log_statement%3Dall", DataDir: s.dir, Conns: conns,
	})
	logPath := filepath.Join(s.dir, "db", "postgres.log")
	seen := map[string]int{}
	var most []statement
	for range tracedRequests {
		before := readLog(t, logPath)
		taskID := s.submit(t, traced)
		statements := parseLog(readLog(t, logPath)[len(before):])
		name := ""
		for _, st := range statements {
			name += st.SQL + ";"
		}
		markDrawn(statements, taskID)
		// The first requests also fill caches; what most of them do is what all of them do.
		if seen[name]++; most == nil || seen[name] >= tracedRequests/2 {
			most = statements
		}
	}
	var kinds []string
	for _, st := range most {
		kinds = append(kinds, kindOf(st.SQL))
	}
	t.Logf("one POST is %d statements: %s", len(most), strings.Join(kinds, ", "))
	if len(most) < 5 || kinds[len(kinds)-1] != "commit" {
		t.Fatal("this is not the trace of a request")
	}
	return most
}

func readLog(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read the database's log: %v", err)
	}
	return string(text)
}

func (s *stage) submit(t *testing.T, to *service) string {
	t.Helper()
	body := strings.NewReader(orderBody)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+to.addr+"/v1/generate", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.keys[0])
	r.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(r)
	if err != nil {
		t.Fatalf("order: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("order: %d %v", response.StatusCode, err)
	}
	return answer.Data.ID
}

var (
	logEntry  = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d [^\[]*\[\d+\] (LOG|DETAIL):  `)
	logSQL    = regexp.MustCompile(`(?s)^(?:execute [^:]*|statement): (.*)$`)
	logParam  = regexp.MustCompile(`(?s)\$\d+ = (NULL|'(?:[^']|'')*')`)
	logParams = regexp.MustCompile(`^[Pp]arameters: `)
	sqlNote   = regexp.MustCompile(`(?m)^\s*--.*\n`)
)

// parseLog reads log_statement's lines: a statement each, and its parameters in a line of their own.
func parseLog(text string) []statement {
	var statements []statement
	starts := logEntry.FindAllStringSubmatchIndex(text, -1)
	for i, at := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		kind := text[at[2]:at[3]]
		entry := strings.TrimSpace(strings.ReplaceAll(text[at[1]:end], "\n\t", "\n"))
		if kind == "DETAIL" {
			if len(statements) > 0 && logParams.MatchString(entry) {
				statements[len(statements)-1].Params = parseParams(entry)
			}
			continue
		}
		if m := logSQL.FindStringSubmatch(entry); m != nil {
			statements = append(statements, statement{SQL: strings.TrimSpace(sqlNote.ReplaceAllString(m[1], ""))})
		}
	}
	return statements
}

func parseParams(entry string) []param {
	var params []param
	for _, m := range logParam.FindAllStringSubmatch(entry, -1) {
		if m[1] == "NULL" {
			params = append(params, param{Null: true})
			continue
		}
		params = append(params, param{Text: strings.ReplaceAll(m[1][1:len(m[1])-1], "''", "'")})
	}
	return params
}

func markDrawn(statements []statement, taskID string) {
	for _, st := range statements {
		for i := range st.Params {
			p := &st.Params[i]
			p.Task, p.User = p.Text == taskID, p.Text == firstUser
		}
	}
}

var sqlKind = regexp.MustCompile(`(?is)^(?:/\*.*?\*/)?\s*(begin|commit|select\s+pg_notify|select|insert into \S+|update \S+|with \S+|\w+)`)

// kindOf gives the first words of a statement.
func kindOf(sql string) string {
	m := sqlKind.FindStringSubmatch(sql)
	if m == nil {
		return "?"
	}
	return strings.ToLower(m[1])
}
