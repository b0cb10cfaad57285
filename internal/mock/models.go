package mock

import (
	"context"
	"slices"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/handlers"
)

// catalogue and prices are what a freshly migrated database holds; a test compares them.
var (
	catalogue = []db.Model{
		sold("nanobanana", "nano-banana", 1),
		sold("nanobanana-pro", "nano-banana-pro", 2),
	}
	prices = []db.PriceListCurrentRow{
		{Model: "nanobanana", Resolution: "1k", UnitMicros: 10_000},
		{Model: "nanobanana", Resolution: "2k", UnitMicros: 10_000},
		{Model: "nanobanana", Resolution: "4k", UnitMicros: 10_000},
		{Model: "nanobanana-pro", Resolution: "1k", UnitMicros: 16_000},
		{Model: "nanobanana-pro", Resolution: "2k", UnitMicros: 16_000},
		{Model: "nanobanana-pro", Resolution: "4k", UnitMicros: 32_000},
	}
)

// sold is a model as all of them are today.
func sold(id, name string, position int32) db.Model {
	return db.Model{
		ID: id, Name: name, Types: []string{"image_generate", "image_edit"}, AspectRatios: []string{"16:9", "9:16"},
		Resolutions: []string{"1k", "2k", "4k"}, DefaultResolution: "1k", MaxOutputs: 4, MaxImageUrls: 9, Enabled: true, Position: position,
	}
}

// quote gives a model and its price per image; a nil resolution is the model's default. It is false for what is not sold.
func quote(model string, resolution *string) (row db.Model, resolved string, unitMicros int64, ok bool) {
	i := slices.IndexFunc(catalogue, func(row db.Model) bool { return row.ID == model })
	if i < 0 {
		return db.Model{}, "", 0, false
	}
	row = catalogue[i]
	resolved = row.DefaultResolution
	if resolution != nil {
		resolved = *resolution
	}
	for _, p := range prices {
		if p.Model == model && p.Resolution == resolved {
			return row, resolved, p.UnitMicros, true
		}
	}
	return db.Model{}, "", 0, false
}

// ListModels gives the catalogue.
func (m *Mock) ListModels(context.Context, api.ListModelsRequestObject) (api.ListModelsResponseObject, error) {
	items := make([]api.Model, len(catalogue))
	for i, row := range catalogue {
		items[i] = handlers.ToModel(row, prices)
	}
	return api.ListModels200JSONResponse{Data: items}, nil
}
