package handlers_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

func TestListModels_LimitsAndParametersAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	body := apitest.Contract().Components.Schemas["GenerateRequest"].Value
	member := func(name string) *apiclient.ModelParameter {
		p := body.Properties[name].Value
		m := &apiclient.ModelParameter{Name: name, Type: p.Type.Slice()[0]}
		for _, r := range body.Required {
			m.Required = m.Required || r == name
		}
		for _, v := range p.Enum {
			m.Values = append(m.Values, v.(string))
		}
		if p.Default != nil {
			text := fmt.Sprint(p.Default)
			m.Default = &text
		}
		if p.Min != nil {
			m.Minimum = whole(*p.Min)
		}
		if p.MinLength > 0 {
			m.Minimum = whole(float64(p.MinLength))
		}
		if p.Max != nil {
			m.Maximum = whole(*p.Max)
		}
		if p.MaxLength != nil {
			m.Maximum = whole(float64(*p.MaxLength))
		}
		if p.MaxItems != nil {
			m.Maximum = whole(float64(*p.MaxItems))
		}
		return m
	}
	models := data[[]apiclient.Model](t, s.do(t, get("/v1/models", nil)))
	sold := []any{}
	for _, m := range models {
		sold = append(sold, m.ID)
		want := []apiclient.ModelParameter{}
		for _, name := range []string{"prompt", "negative_prompt", "aspect_ratio", "resolution", "num_outputs", "image_urls", "webhook_url"} {
			p := *member(name)
			switch name {
			case "resolution": // the contract says: the model's
				p.Default = &m.DefaultResolution
			case "webhook_url": // its length is the contract's business
				p.Minimum, p.Maximum = nil, nil
			}
			want = append(want, p)
		}
		if diff := cmp.Diff(want, m.Parameters); diff != "" {
			t.Errorf("%s: contract (-), parameters (+)\n%s", m.ID, diff)
		}
		limits := apiclient.ModelLimits{
			MaxOutputs: *member("num_outputs").Maximum, MaxImageUrls: *member("image_urls").Maximum,
			MaxPromptCharacters: *member("prompt").Maximum, MaxNegativePromptCharacters: *member("negative_prompt").Maximum,
		}
		if m.Limits != limits {
			t.Errorf("%s: limits are %+v, the contract's %+v", m.ID, m.Limits, limits)
		}
		if diff := cmp.Diff(member("aspect_ratio").Values, m.AspectRatios); diff != "" {
			t.Errorf("%s: ratios\n%s", m.ID, diff)
		}
		if diff := cmp.Diff(member("resolution").Values, m.Resolutions); diff != "" {
			t.Errorf("%s: resolutions\n%s", m.ID, diff)
		}
	}
	if diff := cmp.Diff(body.Properties["model"].Value.Extensions["x-extensible-enum"], any(sold)); diff != "" {
		t.Errorf("models: contract (-), on sale (+)\n%s", diff)
	}
}

func whole(f float64) *int32 {
	n := int32(f)
	return &n
}

func TestListModels_NamesAndPricesAreThePublishedOnes(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	got := map[string]string{}
	for _, m := range data[[]apiclient.Model](t, s.do(t, get("/v1/models", nil))) {
		got[m.ID] = fmt.Sprint(m.Name, m.Types, m.DefaultResolution)
		for _, p := range m.Prices {
			got[m.ID] += fmt.Sprint(" ", p.Resolution, " ", p.Price, "/", p.Unit)
		}
	}
	want := map[string]string{
		"nanobanana":     "nano-banana[image_generate image_edit]1k 1k $0.0100/image 2k $0.0100/image 4k $0.0100/image",
		"nanobanana-pro": "nano-banana-pro[image_generate image_edit]1k 1k $0.0160/image 2k $0.0160/image 4k $0.0320/image",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+)\n%s", diff)
	}
}

func TestListModels_ShowsThePriceInForceAndOnlyWhatIsOnSale(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.exec(t, `insert into prices (model, resolution, unit_micros, valid_from) values
		('nanobanana', '1k', 12345, now() - interval '1 second'), ('nanobanana', '1k', 99999, now() + interval '1 day')`)
	s.exec(t, `update models set enabled = false where id = 'nanobanana-pro'`)
	models := data[[]apiclient.Model](t, s.do(t, get("/v1/models", nil)))
	if len(models) != 1 || models[0].ID != "nanobanana" || models[0].Prices[0].Price != "$0.012345" {
		t.Fatalf("on sale: %+v", models)
	}
	// The task keeps the price it was accepted at.
	created := s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	if held := one[int64](t, s.Pool, `select amount_micros from holds where task_id = $1`, created.ID); held != 12345 {
		t.Errorf("%d micros are held", held)
	}
}
