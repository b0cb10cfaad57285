package providertest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/eggapi/eggapi/internal/provider"
)

const maxGeminiInputs = 14

var geminiAspects = []string{
	"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9",
}

// refusal is an error answer in google.rpc.Status form.
type refusal struct {
	status  int
	code    string
	message string
	details string // raw JSON array, or ""
}

func (r refusal) Error() string { return r.code + ": " + r.message }

func invalid(message string) refusal {
	return refusal{http.StatusBadRequest, "INVALID_ARGUMENT", message, ""}
}

// badKey is how a wrong key is refused: as a 400.
var badKey = refusal{
	http.StatusBadRequest, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
	`[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]`,
}

// check refuses what upstream would, and completes call from the parts.
func (b *geminiBody) check(call *Call, sizes []string) error {
	image := b.GenerationConfig.ImageConfig
	if !slices.Contains(b.GenerationConfig.ResponseModalities, "IMAGE") {
		return invalid("this model must be asked for IMAGE")
	}
	if image.AspectRatio != "" && !slices.Contains(geminiAspects, image.AspectRatio) {
		return invalid("aspect ratio is not supported")
	}
	if image.ImageSize != "" && !slices.Contains(sizes, image.ImageSize) {
		return invalid("image size is not supported by this model")
	}
	if len(b.Contents) != 1 || b.Contents[0].Role != "user" || len(b.Contents[0].Parts) == 0 {
		return invalid("contents must hold one user turn with parts")
	}
	var texts []string
	for _, part := range b.Contents[0].Parts {
		if (part.Text != "") == (part.InlineData != nil) {
			return invalid("a part must have exactly one kind of data")
		}
		if part.InlineData == nil {
			texts = append(texts, part.Text)
			continue
		}
		call.Inputs++
		seen, err := provider.CheckImage(part.InlineData.Data)
		if err != nil || seen.MIME != part.InlineData.MIMEType {
			return invalid("Unable to process input image.")
		}
	}
	if call.Inputs > maxGeminiInputs {
		return invalid("too many images")
	}
	call.Prompt = strings.Join(texts, "\n")
	return nil
}
