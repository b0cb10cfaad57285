package mock

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/pg"
)

func TestCatalogue_IsWhatAFreshDatabaseHolds(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	models, err := pg.Q.ModelList(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(models, catalogue); diff != "" {
		t.Errorf("models of the database (-) and of the mock (+):\n%s", diff)
	}
	current, err := pg.Q.PriceListCurrent(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(current, prices); diff != "" {
		t.Errorf("prices of the database (-) and of the mock (+):\n%s", diff)
	}
}
