package handlers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
)

func TestAPIKeys_OwnerIsWrittenToBeforeAKeyExpires(t *testing.T) {
	t.Parallel()
	box := &apitest.Mailbox{}
	s := newStage(t, apitest.Options{Mail: box})
	before := len(box.All()) // about the address
	s.exec(t, `update api_keys set expires_at = $2 where id = $1`, s.ada.LiveID, time.Now().Add(6*24*time.Hour))
	for range 2 {
		if err := s.Node.WarnOfExpiry(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var told []apitest.Mail
	apitest.Eventually(t, "the mail comes", func() bool {
		told = nil
		for _, m := range box.All()[before:] {
			if strings.Contains(m.Subject, "expires on") {
				told = append(told, m)
			}
		}
		return len(told) > 0
	})
	key := s.ada.LiveKey
	if len(told) != 1 || !strings.Contains(told[0].Body, key[:13]+"…"+key[43:]) || !strings.Contains(told[0].Body, `"live"`) {
		t.Errorf("told %+v", told)
	}
	s.exec(t, `update api_keys set expires_at = $2 where id = $1`, s.ada.LiveID, time.Now().Add(23*time.Hour))
	if err := s.Node.WarnOfExpiry(t.Context()); err != nil {
		t.Fatal(err)
	}
	apitest.Eventually(t, "the second mail comes", func() bool {
		n := 0
		for _, m := range box.All() {
			if strings.Contains(m.Subject, "expires on") {
				n++
			}
		}
		return n == 2
	})
}
