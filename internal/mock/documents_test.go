package mock_test

import (
	"os"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/internal/mock"
)

func TestDocumentation_NamesTheKeyTheSecretAndTheHeaders(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/mock.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{mock.Key, mock.WebhookSecret, mock.Header + ": in-memory", mock.HeaderFail + ": ", mock.HeaderDelay + ": "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/mock.md lacks %s", want)
		}
	}
}
