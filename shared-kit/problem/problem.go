// Package problem writes errors as application/problem+json (RFC 9457) with a stable code that programs can branch on.
package problem

import (
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"
)

// Codes of problems that any service can answer. Codes never change their meaning.
const (
	CodeInvalidRequest       = "invalid_request"
	CodeNotFound             = "not_found"
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeBodyTooLarge         = "body_too_large"
	CodeUnsupportedMediaType = "unsupported_media_type"
	CodeRateLimited          = "rate_limited"
	CodeInternal             = "internal_error"
)

// Fault is one thing that is wrong with a request.
type Fault struct {
	// Field is the path of the faulty input, such as items[1].quantity; empty for the request as a whole.
	Field string `json:"field"`
	// Message says what to change.
	Message string `json:"message"`
}

// Problem is an error answer.
type Problem struct {
	// Title is the status in words.
	Title string `json:"title"`
	// Status is the HTTP status code.
	Status int `json:"status"`
	// Code is the stable name of this kind of error.
	Code string `json:"code"`
	// Detail explains this occurrence.
	Detail string `json:"detail,omitempty"`
	// Faults lists all that is wrong with the request.
	Faults []Fault `json:"faults,omitempty"`
}

// New returns a problem; its title follows from the status.
func New(status int, code, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// Invalid returns the 400 that lists what is wrong with a request.
func Invalid(faults ...Fault) *Problem {
	p := New(http.StatusBadRequest, CodeInvalidRequest, "The request cannot be taken as it is; nothing was changed. Correct every fault listed and send it again.")
	p.Faults = faults
	return p
}

// Internal returns the 500 that tells nothing about its cause.
func Internal() *Problem {
	return New(http.StatusInternalServerError, CodeInternal, "Something went wrong here. The log has the cause under this request's trace id.")
}

// Write answers with the problem and ends the handler chain.
func Write(c *gin.Context, p *Problem) {
	WriteTo(c.Writer, p)
	c.Abort()
}

// WriteTo answers with the problem where there is no gin context.
func WriteTo(w http.ResponseWriter, p *Problem) {
	body, err := json.Marshal(p)
	if err != nil { // strings and ints always marshal
		panic(err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	// A failed write means that the client has gone: there is nobody left to tell.
	_, _ = w.Write(body)
}

// Unavailable is the text that answers anything while a part that it needs is away.
const Unavailable = "Service Unavailable, please try again later"

// WriteUnavailable answers 503 with the text Unavailable and asks to come back in a second.
func WriteUnavailable(c *gin.Context) {
	c.Header("Retry-After", "1")
	c.String(http.StatusServiceUnavailable, Unavailable)
	c.Abort()
}
