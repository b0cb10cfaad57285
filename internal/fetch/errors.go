package fetch

import "errors"

// The sentinels of the package. Match them with errors.Is; their texts are fit for a customer.
var (
	// ErrURLNotAllowed is matched by every *RejectedError.
	ErrURLNotAllowed = errors.New("URL not allowed")
	// ErrImageFetch is what Image gives for every failure of the target: blocked, refused, too slow, 404, too large, no image.
	ErrImageFetch = errors.New("the image could not be fetched")
	// ErrImageInvalid is what Inspect gives for bytes that are not an image within the policy.
	ErrImageInvalid = errors.New("not a usable PNG, JPEG, WebP or GIF image")
	// ErrPostTimeout is what Post gives when the receiver did not answer in time.
	ErrPostTimeout = errors.New("the receiver did not answer in time")
	// ErrPostFailed is what Post gives for every other failure to get an answer.
	ErrPostFailed = errors.New("the receiver could not be reached")
)

// RejectedError says which rule a URL breaks. Its text is one of a fixed set and never holds the URL.
type RejectedError struct {
	Reason string // such as "must use https"
}

// Error gives the public text.
func (e *RejectedError) Error() string { return "URL not allowed: " + e.Reason }

// Is makes every RejectedError match ErrURLNotAllowed.
func (e *RejectedError) Is(target error) bool { return target == ErrURLNotAllowed }

// failure shows only its public sentinel. The cause is kept out of the chain, so that neither
// its text nor its type (a timeout, a syscall number) tells a caller more than the sentinel does.
type failure struct {
	public error
	cause  error
}

func (f *failure) Error() string        { return f.public.Error() }
func (f *failure) Is(target error) bool { return target == f.public }

// Cause gives the private reason behind an error of this package, for logs only. It returns err itself when there is none.
func Cause(err error) error {
	var f *failure
	if errors.As(err, &f) && f.cause != nil {
		return f.cause
	}
	return err
}
