package handlers

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
)

// The contract's limits of the texts; a test holds them against it.
const (
	maxPromptCharacters         = 2000
	maxNegativePromptCharacters = 1000
)

// Words of the catalogue.
const (
	unitImage   = "image"
	typeString  = "string"
	typeInteger = "integer"
	typeArray   = "array"
)

type models struct {
	pool db.DBTX
}

// ListModels gives the catalogue.
func (m *models) ListModels(ctx context.Context, _ api.ListModelsRequestObject) (api.ListModelsResponseObject, error) {
	rows, err := pg.Q.ModelList(ctx, m.pool)
	if err != nil {
		return nil, fault.Wrap(err, "list models")
	}
	prices, err := pg.Q.PriceListCurrent(ctx, m.pool)
	if err != nil {
		return nil, fault.Wrap(err, "list prices")
	}
	items := make([]api.Model, len(rows))
	for i, row := range rows {
		items[i] = ToModel(row, prices)
	}
	return api.ListModels200JSONResponse{Data: items}, nil
}

// ToModel gives a model as the contract has it, with those of the prices that are its own.
func ToModel(row db.Model, prices []db.PriceListCurrentRow) api.Model {
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
			result.Prices = append(result.Prices, api.ModelPrice{
				Resolution: p.Resolution, Unit: unitImage, Price: money.Dollars(p.UnitMicros),
			})
		}
	}
	return result
}

// parameters lists what of the request body the model heeds.
func parameters(row db.Model) []api.ModelParameter {
	one, ratio, outputs := int32(1), defaultAspectRatio, "1"
	prompt, negative := int32(maxPromptCharacters), int32(maxNegativePromptCharacters)
	return []api.ModelParameter{
		{Name: "prompt", Type: typeString, Required: true, Minimum: &one, Maximum: &prompt},
		{Name: "negative_prompt", Type: typeString, Maximum: &negative},
		{Name: "aspect_ratio", Type: typeString, Default: &ratio, Values: row.AspectRatios},
		{Name: "resolution", Type: typeString, Default: &row.DefaultResolution, Values: row.Resolutions},
		{Name: "num_outputs", Type: typeInteger, Default: &outputs, Minimum: &one, Maximum: &row.MaxOutputs},
		{Name: "image_urls", Type: typeArray, Maximum: &row.MaxImageUrls},
		{Name: "webhook_url", Type: typeString},
	}
}
