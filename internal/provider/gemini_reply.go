package provider

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
)

// geminiReply is the part of a generateContent answer we read. Every level may be missing.
type geminiReply struct {
	Candidates []struct {
		Content struct {
			Parts []struct {
				Thought    bool `json:"thought"`
				InlineData *struct {
					Data string `json:"data"`
				} `json:"inlineData"`
			} `json:"parts"`
		} `json:"content"`
		FinishReason  string `json:"finishReason"`
		FinishMessage string `json:"finishMessage"`
	} `json:"candidates"`
	PromptFeedback struct {
		BlockReason string `json:"blockReason"`
	} `json:"promptFeedback"`
	ModelVersion string `json:"modelVersion"`
	ResponseID   string `json:"responseId"`
}

// geminiBlocks are the finishReason values that mean a content block.
var geminiBlocks = []string{
	"SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT",
	"BLOCKLIST", "SPII", "RECITATION", "IMAGE_RECITATION",
}

// readGemini turns a whole answer into a result, or into an *Error. A 200 may still be a content
// block or hold no picture. A 200 that cannot be understood is Ambiguous: it was worked on.
func readGemini(answer reply) (*Result, error) {
	if answer.status != http.StatusOK {
		return nil, geminiFailure(answer)
	}
	var r geminiReply
	if err := json.Unmarshal(answer.body, &r); err != nil {
		return nil, badGeminiReply("bad_reply", err)
	}
	if err := r.refusal(); err != nil {
		return nil, err
	}
	data := r.lastImage()
	if data == "" {
		return nil, r.noImage()
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, badGeminiReply("bad_base64", err)
	}
	picture, err := CheckImage(raw)
	if err != nil {
		return nil, badGeminiReply("bad_image", err)
	}
	return &Result{
		Images:        []Image{picture},
		UpstreamModel: clean(r.ModelVersion, maxNameRunes),
		RequestID:     clean(r.ResponseID, maxNameRunes),
	}, nil
}

func badGeminiReply(code string, err error) *Error {
	return &Error{Class: Ambiguous, HTTPStatus: http.StatusOK, Code: code, MaybeCharged: true, Err: err}
}

// refusal gives the content block in the answer, or nil. A block reason we do not know is a block
// too: the field exists for nothing else.
func (r *geminiReply) refusal() error {
	reason := r.PromptFeedback.BlockReason
	if reason != "" && reason != "BLOCK_REASON_UNSPECIFIED" {
		return &Error{Class: UserContent, HTTPStatus: http.StatusOK, Code: clean(reason, maxNameRunes)}
	}
	for _, c := range r.Candidates {
		if slices.Contains(geminiBlocks, c.FinishReason) {
			return &Error{
				Class: UserContent, HTTPStatus: http.StatusOK,
				Code: c.FinishReason, Msg: c.FinishMessage,
			}
		}
	}
	return nil
}

// lastImage gives the base64 of the last picture that is not a draft of a thinking model, or "".
func (r *geminiReply) lastImage() string {
	last := ""
	for _, c := range r.Candidates {
		for _, p := range c.Content.Parts {
			if !p.Thought && p.InlineData != nil && p.InlineData.Data != "" {
				last = p.InlineData.Data
			}
		}
	}
	return last
}

func (r *geminiReply) noImage() error {
	e := &Error{Class: NoImage, HTTPStatus: http.StatusOK, Code: "no_candidates"}
	if len(r.Candidates) > 0 {
		e.Code = cmp.Or(clean(r.Candidates[0].FinishReason, maxNameRunes), "no_finish_reason")
		e.Msg = r.Candidates[0].FinishMessage
	}
	return e
}
