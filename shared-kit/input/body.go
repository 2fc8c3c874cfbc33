// Package input reads what clients send: strictly, and telling everything that is wrong with it at once.
package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// MaxBody is the largest request body that is read, in bytes.
const MaxBody = 1 << 20

// Body reads a request's body: one JSON document of at most MaxBody bytes, or nothing.
func Body(r *http.Request) ([]byte, *problem.Problem) {
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, TooLarge()
	}
	if err != nil {
		return nil, problem.Invalid(problem.Fault{Message: "the body ended early; send as many bytes as Content-Length says"})
	}
	if len(data) > 0 && !isJSON(r.Header.Get("Content-Type")) {
		return nil, problem.New(http.StatusUnsupportedMediaType, problem.CodeUnsupportedMediaType, "Send the body as application/json.")
	}
	return data, nil
}

// TooLarge returns the 413 for a body over MaxBody.
func TooLarge() *problem.Problem {
	return problem.New(http.StatusRequestEntityTooLarge, problem.CodeBodyTooLarge, fmt.Sprintf("A body may have at most %d bytes.", MaxBody))
}

// isJSON accepts application/json, types that end in +json, and no type at all.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/json" || strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json"))
}

// checkDocument returns what keeps data from being one JSON document, in words, or "".
func checkDocument(data []byte) string {
	if utf8.Valid(data) && json.Valid(data) {
		return ""
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return "the body is empty; send one JSON document"
	}
	if !utf8.Valid(data) {
		return "the body is not UTF-8"
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	var document json.RawMessage
	if err := decoder.Decode(&document); err != nil {
		return "the body is not well-formed JSON: " + err.Error()
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "the body holds more than one JSON document; send one"
	}
	return ""
}
