package main

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
)

// answerWriter puts the gateway's own headers on an answer as it goes out, over whatever the upstream said by those names.
type answerWriter struct {
	gin.ResponseWriter
	call      *call
	requestID string
}

// WriteHeader implements http.ResponseWriter.
func (w *answerWriter) WriteHeader(status int) {
	header := w.Header()
	header.Del(headerAttempts)
	if status < http.StatusOK { // gin would take 103 Early Hints for the answer itself
		if inner, ok := w.ResponseWriter.(interface{ Unwrap() http.ResponseWriter }); ok {
			inner.Unwrap().WriteHeader(status)
		}
		return
	}
	header.Set(headerAttempts, strconv.Itoa(w.call.tries))
	header.Set(httpserver.HeaderRequestID, w.requestID)
	w.ResponseWriter.WriteHeader(status)
}

// Flush implements http.Flusher, for answers that stream. One that is there whole goes out with the end of the request, in one write instead of two.
func (w *answerWriter) Flush() {
	if !w.call.isWhole {
		w.ResponseWriter.Flush()
	}
}
