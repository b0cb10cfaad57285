package mock

import (
	"context"
	"slices"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/money"
)

// The contract's limits of the texts.
const (
	maxPromptCharacters         = 2000
	maxNegativePromptCharacters = 1000
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
		items[i] = toModel(row)
	}
	return api.ListModels200JSONResponse{Data: items}, nil
}

func toModel(row db.Model) api.Model {
	result := api.Model{
		ID: row.ID, Name: row.Name, Types: row.Types, AspectRatios: row.AspectRatios,
		Resolutions: row.Resolutions, DefaultResolution: row.DefaultResolution, Prices: []api.ModelPrice{},
		Limits: api.ModelLimits{
			MaxOutputs: row.MaxOutputs, MaxImageUrls: row.MaxImageUrls,
			MaxPromptCharacters: maxPromptCharacters, MaxNegativePromptCharacters: maxNegativePromptCharacters,
		},
		Parameters: parameters(row),
	}
	for _, p := range prices {
		if p.Model == row.ID {
			result.Prices = append(result.Prices, api.ModelPrice{Resolution: p.Resolution, Unit: "image", Price: money.Dollars(p.UnitMicros)})
		}
	}
	return result
}

// parameters lists what of the request body the model heeds.
func parameters(row db.Model) []api.ModelParameter {
	one, ratio, outputs := int32(1), defaultAspectRatio, "1"
	prompt, negative := int32(maxPromptCharacters), int32(maxNegativePromptCharacters)
	return []api.ModelParameter{
		{Name: "prompt", Type: "string", Required: true, Minimum: &one, Maximum: &prompt},
		{Name: "negative_prompt", Type: "string", Maximum: &negative},
		{Name: "aspect_ratio", Type: "string", Default: &ratio, Values: row.AspectRatios},
		{Name: "resolution", Type: "string", Default: &row.DefaultResolution, Values: row.Resolutions},
		{Name: "num_outputs", Type: "integer", Default: &outputs, Minimum: &one, Maximum: &row.MaxOutputs},
		{Name: "image_urls", Type: "array", Maximum: &row.MaxImageUrls},
		{Name: "webhook_url", Type: "string"},
	}
}
