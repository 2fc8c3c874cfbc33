package openapi

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"

	"github.com/steadfast-shop/steadfast/shared-kit/input"
)

// parse reads the description.
func parse(t *testing.T) (libopenapi.Document, *v3.Document) {
	t.Helper()
	document, err := libopenapi.NewDocument(description)
	if err != nil {
		t.Fatal(err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	return document, &model.Model
}

func TestDescriptionIsOpenAPI31(t *testing.T) {
	document, model := parse(t)
	if !strings.HasPrefix(model.Version, "3.1.") {
		t.Errorf("it is OpenAPI %s; want 3.1", model.Version)
	}
	if valid, faults := schema_validation.ValidateOpenAPIDocument(document); !valid {
		for _, fault := range faults {
			t.Error(fault)
			for _, failure := range fault.SchemaValidationErrors {
				t.Error(failure.FieldPath, failure.Reason)
			}
		}
	}
}

// described is something of the description that has a schema and examples.
type described struct {
	name     string
	schema   *base.SchemaProxy
	examples map[string]any
}

// everything returns all media types, headers and parameters of the description.
func everything(t *testing.T, model *v3.Document) []described {
	t.Helper()
	var all []described
	addContent := func(name string, content *orderedmap.Map[string, *v3.MediaType]) {
		for mediaType, media := range content.FromOldest() {
			d := described{name + " " + mediaType, media.Schema, make(map[string]any)}
			for key, example := range media.Examples.FromOldest() {
				d.examples[key] = decode(t, example.Value)
			}
			all = append(all, d)
		}
	}
	addResponse := func(name string, response *v3.Response) {
		addContent(name, response.Content)
		for header, h := range response.Headers.FromOldest() {
			d := described{name + " " + header, h.Schema, make(map[string]any)}
			if h.Example != nil {
				d.examples["example"] = decode(t, h.Example)
			}
			all = append(all, d)
		}
	}
	for path, item := range model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			name := strings.ToUpper(method) + " " + path
			if operation.RequestBody != nil {
				addContent(name, operation.RequestBody.Content)
			}
			for status, response := range operation.Responses.Codes.FromOldest() {
				addResponse(name+" "+status, response)
			}
			for _, parameter := range operation.Parameters {
				if parameter.Example != nil {
					all = append(all, described{name + " " + parameter.Name, parameter.Schema, map[string]any{"example": decode(t, parameter.Example)}})
				}
			}
		}
	}
	for name, response := range model.Components.Responses.FromOldest() {
		addResponse(name, response)
	}
	for name, schema := range model.Components.Schemas.FromOldest() {
		for i, example := range schema.Schema().Examples {
			all = append(all, described{name, schema, map[string]any{fmt.Sprint(i): decode(t, example)}})
		}
	}
	return all
}

func decode(t *testing.T, node interface{ Decode(any) error }) any {
	t.Helper()
	var value any
	if err := node.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// Every answer, header and body has an example, and every example fits its schema.
func TestExamplesFitTheirSchemas(t *testing.T) {
	_, model := parse(t)
	validator := schema_validation.NewSchemaValidator(config.WithFormatAssertions())
	all := everything(t, model)
	if len(all) < 100 {
		t.Fatalf("found only %d things with a schema", len(all))
	}
	for _, d := range all {
		if len(d.examples) == 0 {
			t.Errorf("%s has no example", d.name)
		}
		for name, value := range d.examples {
			data, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if valid, faults := validator.ValidateSchemaString(d.schema.Schema(), string(data)); !valid {
				t.Errorf("%s: the example %s does not fit: %v", d.name, name, faults[0].SchemaValidationErrors)
			}
		}
	}
}

// The texts that the API takes as ids are those that the code takes.
func TestIDsAreWhatTheCodeTakes(t *testing.T) {
	_, model := parse(t)
	id := model.Components.Schemas.GetOrZero("Id").Schema()
	if *id.MinLength != 1 || *id.MaxLength != input.MaxID {
		t.Errorf("ids have %d to %d characters; want 1 to %d", *id.MinLength, *id.MaxLength, input.MaxID)
	}
	pattern := regexp.MustCompile(id.Pattern)
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		for _, text := range []string{string(r), " " + string(r) + "\u3000", "a" + string(r) + "b"} {
			if got, want := pattern.MatchString(text), input.CheckText(text, input.MaxID) == ""; got != want {
				t.Fatalf("%q is an id: %v by the description, %v by the code", text, got, want)
			}
		}
	}
}

// The largest body that is taken is the one that the texts tell.
func TestLargestBodyIsAsDescribed(t *testing.T) {
	_, model := parse(t)
	digits := strings.ReplaceAll(regexp.MustCompile(`[0-9,]+ bytes`).FindString(model.Components.Responses.GetOrZero("BodyTooLarge").Description), ",", "")
	if got, err := strconv.Atoi(strings.TrimSuffix(digits, " bytes")); err != nil || got != input.MaxBody {
		t.Errorf("a body may have %d bytes, %v; want %d", got, err, input.MaxBody)
	}
}

// Every operation of the API that the gateway passes on can be answered by the gateway itself, too.
func TestEveryOperationTellsTheGatewaysAnswers(t *testing.T) {
	_, model := parse(t)
	for path, item := range model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			if !strings.HasPrefix(path, "/api/") {
				continue
			}
			want := []string{"429", "431", "500", "503"}
			if operation.RequestBody != nil {
				want = append(want, "400", "408", "413", "415")
			}
			for _, status := range want {
				if _, found := operation.Responses.Codes.Get(status); !found {
					t.Errorf("%s %s tells nothing of %s", method, path, status)
				}
			}
			if operation.OperationId == "" || operation.Summary == "" || !slices.ContainsFunc(model.Tags, func(tag *base.Tag) bool { return tag.Name == operation.Tags[0] }) {
				t.Errorf("%s %s has no id, summary or known tag", method, path)
			}
		}
	}
}
