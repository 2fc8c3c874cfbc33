// Package description holds the API to its OpenAPI description.
package description

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/content"
	faults "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/requests"
	"github.com/pb33f/libopenapi-validator/router"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
)

const (
	path       = "/openapi.yaml"
	loadWithin = 10 * time.Second
)

// Description is the API as it is described. It is safe for concurrent use.
type Description struct {
	model  *v3.Document
	router router.Router
	// strict also refuses what is not described, in answers, queries and headers. It takes a millisecond for a body of several kinds, so bodies of requests, whose schemas are closed
	// anyway, have bodies.
	strict validator.Validator
	bodies requests.RequestBodyValidator
	// noPath and noMethod are what answers what is not described.
	noPath, noMethod *v3.PathItem
}

// Load reads the description that a gateway serves.
func Load(ctx context.Context, gateway string) (*Description, error) {
	ctx, cancel := context.WithTimeout(ctx, loadWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("load the description: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("load the description: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("load the description: got %s", response.Status)
	}
	return Parse(data)
}

// Parse reads a description.
func Parse(data []byte) (*Description, error) {
	document, err := libopenapi.NewDocument(data)
	if err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return nil, fmt.Errorf("understand the description: %w", err)
	}
	options := []config.Option{
		config.WithFormatAssertions(),
		config.WithBodyDecoder("text/plain", content.TextDecoder()),
		config.WithRejectUnsupportedBodyContent(),
		config.WithRejectUndeclaredRequestBody(),
	}
	d := &Description{
		model:  &model.Model,
		router: router.NewRouter(&model.Model, router.WithPathOnlyMatching()),
		bodies: validator.NewValidatorFromV3Model(&model.Model, options...).GetRequestBodyValidator(),
		strict: validator.NewValidatorFromV3Model(&model.Model, append(options, config.WithoutRequestBodyValidation(), config.WithStrictMode(),
			config.WithStrictIgnoredHeaders("accept", "accept-encoding", "connection", "content-length", "content-type", "date", "host", "transfer-encoding", "user-agent"))...),
	}
	d.noPath, err = d.everyMethod(map[string]string{"404": "NotFound", "429": "RateLimited", "503": "Unavailable"})
	if err != nil {
		return nil, err
	}
	d.noMethod, err = d.everyMethod(map[string]string{"405": "MethodNotAllowed", "429": "RateLimited", "503": "Unavailable"})
	return d, err
}

// everyMethod makes a path whose methods all have these answers, by their names in the description.
func (d *Description) everyMethod(answers map[string]string) (*v3.PathItem, error) {
	codes := orderedmap.New[string, *v3.Response]()
	for status, name := range answers {
		answer, found := d.model.Components.Responses.Get(name)
		if !found {
			return nil, fmt.Errorf("the description has no response %s", name)
		}
		codes.Set(status, answer)
	}
	operation := &v3.Operation{Responses: &v3.Responses{Codes: codes}}
	return &v3.PathItem{
		Get: operation, Head: operation, Post: operation, Put: operation, Patch: operation, Delete: operation, Options: operation, Trace: operation,
	}, nil
}

// Check returns how a request and its answer differ from the description. A request that was refused may be anything.
func (d *Description) Check(request *http.Request, response *http.Response) error {
	route, err := d.router.FindRoute(request)
	item, template := d.noPath, request.URL.Path
	switch {
	case err == nil:
		item, template = route.PathItem, route.Path
	case errors.Is(err, router.ErrMethodNotAllowed):
		item = d.noMethod
	}
	var wrong error
	if _, differences := d.strict.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(request, response, item, template); len(differences) > 0 {
		wrong = fmt.Errorf("the answer %d to %s %s is not as described: %w", response.StatusCode, request.Method, template, join(differences))
	}
	if isRefusal(response.StatusCode) {
		return wrong
	}
	return errors.Join(wrong, d.CheckRequest(request))
}

// CheckRequest returns how a request differs from the description.
func (d *Description) CheckRequest(request *http.Request) error {
	_, differences := d.strict.ValidateHttpRequestSync(request)
	if len(differences) == 0 {
		_, differences = d.bodies.ValidateRequestBody(request)
	}
	if len(differences) > 0 {
		return fmt.Errorf("the request %s %s is not as described: %w", request.Method, request.URL.Path, join(differences))
	}
	return nil
}

// isRefusal tells the answers to requests that nobody has read, or that are wrong.
func isRefusal(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusTooManyRequests, http.StatusRequestHeaderFieldsTooLarge, http.StatusServiceUnavailable:
		return true
	}
	return false
}

// Answers returns every answer that is described, such as "placeOrder 201".
func (d *Description) Answers() []string {
	var answers []string
	for _, item := range d.model.Paths.PathItems.FromOldest() {
		for _, operation := range item.GetOperations().FromOldest() {
			for status := range operation.Responses.Codes.KeysFromOldest() {
				answers = append(answers, operation.OperationId+" "+status)
			}
		}
	}
	slices.Sort(answers)
	return answers
}

// join makes one error of what the validator found.
func join(differences []*faults.ValidationError) error {
	texts := make([]string, 0, len(differences))
	for _, difference := range differences {
		text := difference.Message + ": " + difference.Reason
		for _, failure := range difference.SchemaValidationErrors {
			text += "; " + failure.FieldPath + " " + failure.Reason
		}
		texts = append(texts, text)
	}
	return errors.New(strings.Join(texts, "\n"))
}
