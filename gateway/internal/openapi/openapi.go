// Package openapi holds the description of the public API, and shows it: as a file to programs, and as a page to people.
package openapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/swaggest/swgui/v5/static"
	"github.com/vearutop/statigz"

	"github.com/steadfast-shop/steadfast/shared-kit/problem"
)

// Where the description and its page are. Everything that the page loads lies below PathDocs.
const (
	PathDescription = "/openapi.yaml"
	PathDocs        = "/docs"
)

// contentPolicy keeps the page from loading anything from elsewhere, and others from framing it. Swagger UI writes style attributes, and draws with pictures that are in its style sheet.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var (
	//go:embed openapi.yaml
	description []byte
	//go:embed page/index.html
	page []byte
	//go:embed page/docs.css
	style []byte
	//go:embed page/docs.js
	script []byte
)

// Register adds the routes of the description and of its page.
func Register(routes gin.IRoutes) {
	get := []string{http.MethodGet, http.MethodHead}
	routes.Match(get, PathDescription, serve("application/yaml", description))
	routes.Match(get, PathDocs, serve("text/html; charset=utf-8", page))
	own := map[string]gin.HandlerFunc{
		"docs.css": serve("text/css; charset=utf-8", style),
		"docs.js":  serve("text/javascript; charset=utf-8", script),
	}
	swaggerUI := http.StripPrefix(PathDocs, statigz.FileServer(static.FS, statigz.OnNotFound(notFound)))
	routes.Match(get, PathDocs+"/:file", func(c *gin.Context) {
		if serve, found := own[c.Param("file")]; found {
			serve(c)
			return
		}
		secure(c)
		swaggerUI.ServeHTTP(c.Writer, c.Request)
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	problem.WriteTo(w, problem.New(http.StatusNotFound, problem.CodeNotFound, "There is nothing at this path."))
}

// serve answers with data, which clients keep, and ask about before they use it again.
func serve(contentType string, data []byte) gin.HandlerFunc {
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(c *gin.Context) {
		secure(c)
		c.Header("Content-Type", contentType)
		c.Header("ETag", tag)
		http.ServeContent(c.Writer, c.Request, "", time.Time{}, bytes.NewReader(data))
	}
}

func secure(c *gin.Context) {
	c.Header("Cache-Control", "no-cache")
	c.Header("Content-Security-Policy", contentPolicy)
	c.Header("Referrer-Policy", "no-referrer")
	c.Header("X-Content-Type-Options", "nosniff")
}
