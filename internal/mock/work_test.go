package mock_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/mock"
)

const hour = time.Hour

func TestTasks_FailWithTimeoutAtTheDeadline(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{Deadline: 300 * time.Millisecond})
	for _, prompt := range []string{"[[timeout]]", "[[hang]]", "[[slow:1h]]"} {
		taskID := generate(t, url, `{"model":"nanobanana","prompt":"`+prompt+`"}`)
		got := end(t, url, withKey(mock.Key), taskID)
		if got.member("data.status") != "failed" || got.member("data.failure.code") != "timeout" {
			t.Errorf("%s: %s", prompt, got.body)
		}
	}
}

func TestTasks_AreProcessingForTheLatency(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{Latency: time.Hour})
	taskID := generate(t, url, `{"model":"nanobanana","prompt":"a fox"}`)
	apitest.Eventually(t, "the task is processing", func() bool {
		got := send(t, url, call{method: http.MethodGet, path: "/v1/tasks/" + taskID, header: withKey(mock.Key)})
		return got.member("data.status") == "processing" && got.member("data.started_at") != ""
	})
}

func TestTasks_AreDoneAfterTheLatency(t *testing.T) {
	t.Parallel()
	const latency = 400 * time.Millisecond
	url := newMock(t, mock.Options{Latency: latency})
	asked := time.Now()
	taskID := generate(t, url, `{"model":"nanobanana","prompt":"a fox"}`)
	got := end(t, url, withKey(mock.Key), taskID)
	if took := time.Since(asked); got.member("data.status") != "completed" || took < latency {
		t.Errorf("after %s: %s", took, got.body)
	}
}

func TestTasks_OfOneRequestAreDrawnAlikeWhoeverAsks(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	var pictures []string
	for range 2 {
		taskID := generate(t, url, `{"model":"nanobanana","prompt":"a fox"}`)
		end(t, url, withKey(mock.Key), taskID)
		file := send(t, url, call{method: http.MethodGet, path: "/files/images/" + taskID + "/0.png"})
		if file.status != http.StatusOK || file.header.Get("Content-Type") != "image/png" {
			t.Fatalf("file: %d %v", file.status, file.header)
		}
		pictures = append(pictures, string(file.body))
	}
	if pictures[0] != pictures[1] {
		t.Error("one request gave two pictures")
	}
}
