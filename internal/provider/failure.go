package provider

// Failure is what a customer is told about a failed task: a fixed text, never an upstream's words.
type Failure struct {
	Code      string
	Message   string
	Retryable bool // sending the same request again may work
}

// The fixed failures. TimeoutFailure and InputImageFailure have no class: the task decides them.
var (
	ContentFailure = Failure{
		Code:    "content_rejected",
		Message: "Content moderation: prompt contains prohibited content",
	}
	InvalidFailure = Failure{
		Code:    "invalid_input",
		Message: "The model could not accept this input",
	}
	UnavailableFailure = Failure{
		Code:      "provider_unavailable",
		Message:   "No image provider could complete the request, please try again",
		Retryable: true,
	}
	TimeoutFailure = Failure{
		Code:      "timeout",
		Message:   "The image was not ready in time, please try again",
		Retryable: true,
	}
	InputImageFailure = Failure{
		Code:    "invalid_image_url",
		Message: "An input image could not be fetched or is not a supported image",
	}
)

// PublicFailure gives the fixed text for a task whose last try ended with class c.
func PublicFailure(c Class) Failure {
	if c == UserContent {
		return ContentFailure
	}
	if c == UserInvalid {
		return InvalidFailure
	}
	return UnavailableFailure
}
